// Answers of Converse, whole and streamed: messageStart, content blocks, messageStop, metadata. Pure: events in, JSON or
// frames out.
import type { FreeholdError } from '../../lib/errors.ts';
import type { Block, GenerateEvent, StopReason, Usage } from '../../lib/text-model.ts';
import { signature } from '../anthropic/answer.ts';
import type { AnswerMeta, Completion, StreamEncoder } from '../completion.ts';
import { exceptionFrame } from './errors.ts';
import { eventFrame, eventStreamType, keepAliveFrame } from './frames.ts';
import { toolUseId } from './ids.ts';

/** What an answer tells beyond its text. */
export interface Shown {
  showThoughts: boolean;
  showStopSequence: boolean;
}

export function stopReason(reason: StopReason): string {
  switch (reason) {
    case 'end-turn':
      return 'end_turn';
    case 'max-tokens':
      return 'max_tokens';
    case 'stop-sequence':
      return 'stop_sequence';
    case 'tool-use':
      return 'tool_use';
    case 'context-full':
      return 'model_context_window_exceeded';
    case 'refusal':
      return 'content_filtered';
    default:
      return reason satisfies never;
  }
}

/** The vendor counts tokens read from the cache apart from the others. */
function usageOf({ inputTokens, cachedTokens, outputTokens }: Usage) {
  return {
    inputTokens: inputTokens - cachedTokens,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
    cacheReadInputTokens: cachedTokens,
    cacheWriteInputTokens: 0,
  };
}

const metricsOf = (meta: AnswerMeta) => ({ latencyMs: Math.round(meta.durations?.().totalMs ?? 0) });

const stopFields = (sequence: string | undefined, { showStopSequence }: Shown) =>
  showStopSequence ? { additionalModelResponseFields: { stop_sequence: sequence ?? null } } : {};

function blockOf(block: Block, { showThoughts }: Shown): object[] {
  switch (block.type) {
    case 'text':
      return block.text === '' ? [] : [{ text: block.text }];
    case 'thinking':
      return showThoughts && block.text !== ''
        ? [{ reasoningContent: { reasoningText: { text: block.text, signature } } }]
        : [];
    case 'tool-use':
      return [{ toolUse: { toolUseId: toolUseId(block.id), name: block.name, input: block.input } }];
    default:
      return [];
  }
}

/** A whole answer. */
export function converseBody(completion: Completion, meta: AnswerMeta, shown: Shown): unknown {
  const content = completion.blocks.flatMap((block) => blockOf(block, shown));
  return {
    output: { message: { role: 'assistant', content } },
    stopReason: stopReason(completion.stopReason),
    usage: usageOf(completion.usage),
    metrics: metricsOf(meta),
    ...stopFields(completion.stopSequence, shown),
  };
}

/** An event of the stream: its name and its JSON. */
export type ConverseEvent = readonly [type: string, json: string];

/** Turns one generation into the events of a stream, in the vendor's order. */
export function converseEvents(meta: AnswerMeta, shown: Shown): (event: GenerateEvent) => ConverseEvent[] {
  let contentBlockIndex = -1;
  let open: 'text' | 'thinking' | 'tool' | undefined;
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  const event = (type: string, data: object): ConverseEvent => [type, JSON.stringify(data)];
  const delta = (content: object) => event('contentBlockDelta', { contentBlockIndex, delta: content });

  const close = (): ConverseEvent[] => {
    if (!open) return [];
    // a signature belongs just before its thinking block stops
    const signed = open === 'thinking' ? [delta({ reasoningContent: { signature } })] : [];
    open = undefined;
    return [...signed, event('contentBlockStop', { contentBlockIndex })];
  };
  /** Only tools have an event that says so. */
  const start = (kind: NonNullable<typeof open>): ConverseEvent[] => {
    const before = close();
    open = kind;
    contentBlockIndex += 1;
    return before;
  };
  return (given) => {
    switch (given.type) {
      case 'start':
        usage = { ...usage, inputTokens: given.inputTokens, cachedTokens: given.cachedTokens };
        return [event('messageStart', { role: 'assistant' })];
      case 'text-delta': {
        if (given.text === '') return open === 'text' ? [] : close();
        const before = open === 'text' ? [] : start('text');
        return [...before, delta({ text: given.text })];
      }
      case 'thinking-delta': {
        // thoughts part two texts, shown or not
        if (!shown.showThoughts || given.text === '') return open === 'thinking' ? [] : close();
        const before = open === 'thinking' ? [] : start('thinking');
        return [...before, delta({ reasoningContent: { text: given.text } })];
      }
      case 'tool-use-start': {
        const before = start('tool');
        const toolUse = { toolUseId: toolUseId(given.id), name: given.name };
        return [...before, event('contentBlockStart', { contentBlockIndex, start: { toolUse } })];
      }
      case 'tool-use-delta':
        return given.json === '' ? [] : [delta({ toolUse: { input: given.json } })];
      case 'tool-use-stop':
        return close();
      case 'usage':
        usage = given;
        return [];
      case 'stop':
        return [
          ...close(),
          event('messageStop', { stopReason: stopReason(given.reason), ...stopFields(given.stopSequence, shown) }),
          event('metadata', { usage: usageOf(usage), metrics: metricsOf(meta) }),
        ];
      default:
        return given satisfies never;
    }
  };
}

/** Encodes one generation as frames. */
export function converseStream(meta: AnswerMeta, shown: Shown): StreamEncoder<Uint8Array> {
  const eventsOf = converseEvents(meta, shown);
  return {
    contentType: eventStreamType,
    encode(event: GenerateEvent): Uint8Array {
      const frames = eventsOf(event).map(([type, json]) => eventFrame(type, json));
      return frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames);
    },
    fail: (error: FreeholdError) => exceptionFrame(error),
    keepAlive: keepAliveFrame,
  };
}
