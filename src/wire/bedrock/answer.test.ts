import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, StopReason } from '../../lib/text-model.ts';
import { type AnswerMeta, type StreamEncoder, startGathering } from '../completion.ts';
import { converseBody, converseStream } from './answer.ts';
import { decodeFrames } from './event-stream.ts';
import { parseInvoke } from './invoke.ts';

const meta: AnswerMeta = {
  id: 'msg_1',
  model: 'm',
  createdSeconds: 0,
  timing: () => ({ timeToFirstTokenMs: 1, tokensPerSecond: 2 }),
  durations: () => ({ totalMs: 12.6, loadMs: 1, promptMs: 2, answerMs: 3 }),
};
// biome-ignore lint/suspicious/noExplicitAny: JSON of any shape
type Json = any;

/** Events of one generation, as an engine may yield them. */
const part = fc.oneof(
  fc.record({
    type: fc.constant('text' as const),
    pieces: fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1 }),
  }),
  fc.record({ type: fc.constant('thinking' as const), pieces: fc.array(fc.string(), { minLength: 1 }) }),
  fc.record({ type: fc.constant('tool' as const), input: fc.dictionary(fc.string(), fc.jsonValue()), cut: fc.nat(9) }),
);
const reasons: StopReason[] = ['end-turn', 'max-tokens', 'stop-sequence', 'tool-use', 'context-full', 'refusal'];
const generation = fc
  .record({ parts: fc.array(part, { maxLength: 6 }), reason: fc.constantFrom(...reasons) })
  .map(({ parts, reason }): GenerateEvent[] => [
    { type: 'start', inputTokens: 7, cachedTokens: 3 },
    ...parts.flatMap((given, index): GenerateEvent[] => {
      if (given.type !== 'tool') return given.pieces.map((text) => ({ type: `${given.type}-delta`, text }));
      const json = JSON.stringify(given.input);
      return [
        { type: 'tool-use-start', id: `call_${index}`, name: 'f' },
        { type: 'tool-use-delta', json: json.slice(0, given.cut) },
        { type: 'tool-use-delta', json: json.slice(given.cut) },
        { type: 'tool-use-stop' },
      ];
    }),
    { type: 'usage', inputTokens: 7, cachedTokens: 3, outputTokens: 5 },
    { type: 'stop', reason, ...(reason === 'stop-sequence' && { stopSequence: 'END' }) },
  ]);

function streamed(encoder: StreamEncoder<Uint8Array>, events: GenerateEvent[]): { type: string; data: Json }[] {
  const { frames, rest } = decodeFrames(Buffer.concat(events.map((event) => encoder.encode(event))));
  expect(rest).toHaveLength(0);
  return frames.map(({ headers, body }) => {
    expect([...headers.keys()]).toEqual([':event-type', ':content-type', ':message-type']);
    expect(headers.get(':message-type')?.value).toBe('event');
    return { type: String(headers.get(':event-type')?.value), data: JSON.parse(Buffer.from(body).toString()) };
  });
}

/** Puts the events of a stream together as a client does. */
function together(events: { type: string; data: Json }[]): Json {
  const blocks: Json[] = [];
  const answer: Json = {};
  for (const { type, data } of events) {
    const at = data.contentBlockIndex;
    if (type === 'messageStart') answer.role = data.role;
    if (type === 'contentBlockStart') blocks[at] = { toolUse: { ...data.start.toolUse, input: '' } };
    if (type === 'contentBlockDelta') {
      const { text, toolUse, reasoningContent } = data.delta;
      if (text !== undefined) blocks[at] = { text: (blocks[at]?.text ?? '') + text };
      if (toolUse) blocks[at].toolUse.input += toolUse.input;
      if (reasoningContent) {
        blocks[at] ??= { reasoningContent: { reasoningText: { text: '' } } };
        const { reasoningText } = blocks[at].reasoningContent;
        reasoningText.text += reasoningContent.text ?? '';
        if (reasoningContent.signature) reasoningText.signature = reasoningContent.signature;
      }
    }
    if (type === 'contentBlockStop' && blocks[at].toolUse)
      blocks[at].toolUse.input = JSON.parse(blocks[at].toolUse.input || '{}');
    if (type === 'messageStop' || type === 'metadata') Object.assign(answer, data);
  }
  const { role, ...rest } = answer;
  return { output: { message: { role, content: blocks } }, ...rest };
}

describe('an answer', () => {
  it('is the same whole and streamed', () => {
    fc.assert(
      fc.property(generation, fc.boolean(), fc.boolean(), (events, showThoughts, showStopSequence) => {
        const shown = { showThoughts, showStopSequence };
        const gathering = startGathering();
        for (const event of events) gathering.add(event);
        const whole = JSON.parse(JSON.stringify(converseBody(gathering.end(), meta, shown)));
        const put = together(streamed(converseStream(meta, shown), events));
        expect(put).toEqual(whole);
      }),
    );
  });

  it('counts what the cache gave apart, and all of it in the total', () => {
    const gathering = startGathering();
    gathering.add({ type: 'usage', inputTokens: 7, cachedTokens: 3, outputTokens: 5 });
    expect(converseBody(gathering.end(), meta, { showThoughts: false, showStopSequence: false })).toMatchObject({
      usage: { inputTokens: 4, cacheReadInputTokens: 3, cacheWriteInputTokens: 0, outputTokens: 5, totalTokens: 12 },
      metrics: { latencyMs: 13 },
    });
  });

  it('that fails ends with a frame of an exception', () => {
    const encoder = converseStream(meta, { showThoughts: false, showStopSequence: false });
    const { frames } = decodeFrames(encoder.fail(new FreeholdError('overloaded', 'Full.', { hint: 'Wait.' }), 'req_1'));
    expect([...(frames[0]?.headers ?? [])].map(([name, { value }]) => [name, value])).toEqual([
      [':exception-type', 'throttlingException'],
      [':content-type', 'application/json'],
      [':message-type', 'exception'],
    ]);
    expect(JSON.parse(Buffer.from(frames[0]?.body ?? []).toString())).toEqual({ message: 'Full. Wait.' });
  });
});

it('an invocation may say what ends lines elsewhere', () => {
  const body = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };
  const { encoder } = parseInvoke(body, { model: 'm', stream: true }, { tenant: 't', traceId: 'trace' });
  const text = 'a\u2028b\u2029c\rd\r\ne\u0085f\n\ndata: {"g":1}';
  const chunks = streamed(encoder(meta), [
    { type: 'start', inputTokens: 1, cachedTokens: 0 },
    { type: 'text-delta', text },
  ]).map(({ data }) => JSON.parse(Buffer.from(data.bytes, 'base64').toString()));
  expect(chunks.at(-1)).toMatchObject({ delta: { text } });
});

it('an invocation in any shape is streamed as chunks, each one JSON', () => {
  const context = { tenant: 't', traceId: 'trace' };
  const user = { role: 'user', content: 'hi' };
  const bodies = [
    { anthropic_version: 'bedrock-2023-05-31', max_tokens: 5, messages: [user] },
    { messages: [user] },
    { schemaVersion: 'messages-v1', messages: [{ role: 'user', content: [{ text: 'hi' }] }] },
  ];
  fc.assert(
    fc.property(generation, fc.constantFrom(...bodies), (events, body) => {
      const { encoder } = parseInvoke(body, { model: 'm', stream: true }, context);
      const chunks = streamed(encoder(meta), events).map(({ type, data }) => {
        expect(type).toBe('chunk');
        return JSON.parse(Buffer.from(data.bytes, 'base64').toString());
      });
      const metrics = chunks.filter((chunk) => 'amazon-bedrock-invocationMetrics' in chunk);
      expect(metrics).toEqual([chunks.at(-1)]);
      expect(metrics[0]['amazon-bedrock-invocationMetrics']).toEqual({
        inputTokenCount: 7,
        outputTokenCount: 5,
        invocationLatency: 13,
        firstByteLatency: 3,
      });
    }),
  );
});
