// Answers of `POST /api/chat` and `/api/generate`, whole and streamed. Pure: events in, JSON or lines of JSON out. A
// stream is newline-delimited JSON; a call of a tool comes whole, in one line.
import type { FreeholdError } from '../../lib/errors.ts';
import type { GeneratedToken, GenerateEvent, StopReason, TokenLogprob, Usage } from '../../lib/text-model.ts';
import type { AnswerMeta, Completion, StreamEncoder } from '../completion.ts';
import { errorText } from '../errors.ts';
import type { ParsedOllama } from './chat.ts';

export const ndjson = 'application/x-ndjson';

/** Which of the two answers: the text stands in a message, or in `response`. */
export type OllamaShape = 'chat' | 'generate';

interface Piece {
  text?: string;
  thinking?: string;
  calls?: readonly object[];
}

function contentOf(shape: OllamaShape, { text = '', thinking = '', calls = [] }: Piece): object {
  const more = { ...(thinking === '' ? {} : { thinking }), ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  return shape === 'chat' ? { message: { role: 'assistant', content: text, ...more } } : { response: text, ...more };
}

const callOf = (index: number, id: string, name: string, input: unknown) => ({
  id,
  function: { index, name, arguments: input },
});

const headOf = ({ model, createdSeconds }: Pick<AnswerMeta, 'model' | 'createdSeconds'>) => ({
  model,
  created_at: new Date(createdSeconds * 1000).toISOString(),
});

function doneReason(reason: StopReason): string {
  switch (reason) {
    case 'end-turn':
    case 'stop-sequence':
    case 'tool-use':
    case 'refusal':
      return 'stop';
    case 'max-tokens':
    case 'context-full':
      return 'length';
    default:
      return reason satisfies never;
  }
}

const nanoseconds = (ms: number) => Math.max(0, Math.round(ms * 1e6));

/** What the last line adds. Durations are in nanoseconds. */
function endOf(reason: StopReason, usage: Usage, meta: AnswerMeta): object {
  const times = meta.durations?.();
  return {
    done: true,
    done_reason: doneReason(reason),
    total_duration: nanoseconds(times?.totalMs ?? 0),
    load_duration: nanoseconds(times?.loadMs ?? 0),
    prompt_eval_count: usage.inputTokens,
    prompt_eval_duration: nanoseconds(times?.promptMs ?? 0),
    eval_count: usage.outputTokens,
    eval_duration: nanoseconds(times?.answerMs ?? 0),
  };
}

/** JSON has no infinity: what is said for a token that could not come at all. */
const impossible = -9999;

function logprobsOf(tokens: readonly GeneratedToken[] | undefined): object {
  if (!tokens) return {};
  const entry = ({ bytes, logprob }: TokenLogprob & { bytes: number[] }) => ({
    token: new TextDecoder().decode(Uint8Array.from(bytes)),
    logprob: Number.isFinite(logprob) ? logprob : impossible,
    bytes,
  });
  return {
    logprobs: tokens.map((token) => ({
      ...entry(token),
      ...(token.top.length === 0 ? {} : { top_logprobs: token.top.map(entry) }),
    })),
  };
}

/** A whole answer. */
export function ollamaBody(
  shape: OllamaShape,
  completion: Completion,
  meta: AnswerMeta,
  parsed: ParsedOllama,
): unknown {
  const textOf = (type: 'text' | 'thinking') =>
    completion.blocks.flatMap((block) => (block.type === type ? [block.text] : [])).join('');
  const calls = completion.blocks
    .flatMap((block) => (block.type === 'tool-use' ? [block] : []))
    .map(({ id, name, input }, index) => callOf(index, id, name, input));
  return {
    ...headOf(meta),
    ...contentOf(shape, { text: textOf('text'), thinking: parsed.showThinking ? textOf('thinking') : '', calls }),
    ...logprobsOf(completion.logprobs),
    ...endOf(completion.stopReason, completion.usage, meta),
  };
}

/** The answer to a request that holds nothing to answer: its model is loaded. */
export function ollamaLoaded(shape: OllamaShape, meta: Pick<AnswerMeta, 'model' | 'createdSeconds'>): object {
  return { ...headOf(meta), ...contentOf(shape, {}), done: true, done_reason: 'load' };
}

/** Encodes one generation as lines of JSON; the last has `done: true`. */
export function ollamaStream(shape: OllamaShape, meta: AnswerMeta, parsed: ParsedOllama): StreamEncoder {
  const head = headOf(meta);
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  let calls = 0;
  let open: { id: string; name: string; parts: string[] } | undefined;

  const line = (data: object) => `${JSON.stringify(data)}\n`;
  const piece = (given: Piece, more: object = {}) =>
    line({ ...head, ...contentOf(shape, given), ...more, done: false });
  const call = () => {
    if (!open) return '';
    const { id, name, parts } = open;
    open = undefined;
    calls += 1;
    return piece({ calls: [callOf(calls - 1, id, name, argumentsOf(parts.join('')))] });
  };

  // of the lines that come for every token only the text differs
  const before = JSON.stringify(head).slice(0, -1);
  const textBefore = shape === 'chat' ? `${before},"message":{"role":"assistant","content":` : `${before},"response":`;
  const textAfter = shape === 'chat' ? '},"done":false}\n' : ',"done":false}\n';

  return {
    contentType: ndjson,
    encode(event: GenerateEvent): string {
      switch (event.type) {
        case 'start':
          usage = { ...usage, inputTokens: event.inputTokens, cachedTokens: event.cachedTokens };
          return '';
        case 'text-delta':
          if (event.logprobs) return piece({ text: event.text }, logprobsOf(event.logprobs));
          return textBefore + JSON.stringify(event.text) + textAfter;
        case 'thinking-delta':
          return parsed.showThinking ? piece({ thinking: event.text }) : '';
        case 'tool-use-start':
          open = { id: event.id, name: event.name, parts: [] };
          return '';
        case 'tool-use-delta':
          open?.parts.push(event.json);
          return '';
        case 'tool-use-stop':
          return call();
        case 'usage':
          usage = event;
          return '';
        case 'stop':
          // a call that was cut off is told as far as it came
          return call() + line({ ...head, ...contentOf(shape, {}), ...endOf(event.reason, usage, meta) });
        default:
          return event satisfies never;
      }
    },
    fail: (error: FreeholdError) => line({ error: errorText(error) }),
    // clients parse every line, so that an empty one would not be harmless
    keepAlive: () => piece({}),
  };
}

function argumentsOf(json: string): unknown {
  if (json.trim() === '') return {};
  try {
    return JSON.parse(json);
  } catch {
    return { partial_json: json };
  }
}
