import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, type Completion, startGathering } from '../completion.ts';
import { messageBody, signature } from './answer.ts';
import { messageStream } from './stream.ts';

const meta: AnswerMeta = {
  id: 'msg_1',
  model: 'm',
  createdSeconds: 1,
  timing: (outputTokens) => ({ timeToFirstTokenMs: 5, tokensPerSecond: outputTokens }),
};

const answer: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'hm' },
  { type: 'text-delta', text: 'a\nb' },
  { type: 'tool-use-start', id: 'call_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":' },
  { type: 'tool-use-delta', json: '1}' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7, thinkingTokens: 1 },
  { type: 'stop', reason: 'tool-use' },
];

function gathered(events: readonly GenerateEvent[]): Completion {
  const gathering = startGathering();
  for (const event of events) gathering.add(event);
  return gathering.end();
}

/** Reads an event stream as the vendor's SDK does: by its `event:` lines. */
function readStream(text: string): { event: string; data: Record<string, unknown> }[] {
  return text
    .split('\n\n')
    .filter(Boolean)
    .map((block) => {
      const [event, data] = block.split('\n') as [string, string];
      return { event: event.replace('event: ', ''), data: JSON.parse(data.replace('data: ', '')) };
    });
}

/** Puts the blocks of a stream together as a client does; each begins after the one before it has ended. */
function accumulate(events: readonly { event: string; data: Record<string, unknown> }[]): unknown[] {
  const blocks: Record<string, unknown>[] = [];
  const inputs: string[] = [];
  let open: number | undefined;
  for (const { event, data } of events) {
    const index = data.index as number;
    if (event === 'content_block_start') {
      expect([open, index]).toEqual([undefined, blocks.length]);
      open = index;
      blocks.push({ ...(data.content_block as object) });
    } else if (event === 'content_block_delta') {
      expect(index).toBe(open);
      const { type, ...rest } = data.delta as Record<string, string>;
      const [[field, value] = ['', '']] = Object.entries(rest);
      if (type === 'input_json_delta') inputs[index] = (inputs[index] ?? '') + value;
      else Object.assign(blocks[index] ?? {}, { [field]: String(blocks[index]?.[field] ?? '') + value });
    } else if (event === 'content_block_stop') {
      expect(index).toBe(open);
      open = undefined;
    }
  }
  expect(open).toBeUndefined();
  inputs.forEach((json, index) => {
    Object.assign(blocks[index] ?? {}, { input: JSON.parse(json || '{}') });
  });
  return blocks;
}

const everything = ['shown', 'omitted', 'hidden'] as const;
const thinkingOf = {
  shown: [{ type: 'thinking', thinking: 'hm', signature }],
  omitted: [{ type: 'thinking', thinking: '', signature }],
  hidden: [],
};
const rest = [
  { type: 'text', text: 'a\nb' },
  { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 1 }, caller: { type: 'direct' } },
];

describe('an answer', () => {
  it.each(everything)('is a message with its blocks in order, thoughts %s', (thoughts) => {
    expect(messageBody(gathered(answer), meta, thoughts)).toEqual({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'm',
      content: [...thinkingOf[thoughts], ...rest],
      container: null,
      stop_reason: 'tool_use',
      stop_sequence: null,
      stop_details: null,
      usage: {
        input_tokens: 6,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 4,
        output_tokens: 7,
        output_tokens_details: { thinking_tokens: 1 },
        cache_creation: null,
        server_tool_use: null,
        inference_geo: null,
        service_tier: 'standard',
        speed: null,
      },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('streams as the vendor does', () => {
    const encoder = messageStream(meta, 'shown');
    const events = readStream(answer.map((event) => encoder.encode(event)).join(''));
    expect(events.map(({ event }) => event)).toEqual([
      'message_start',
      'content_block_start',
      'ping',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ]);
    for (const { event, data } of events) expect(data.type).toBe(event);
    expect(events[0]?.data).toMatchObject({
      message: { content: [], stop_reason: null, usage: { input_tokens: 6, cache_read_input_tokens: 4 } },
    });
    // a signature arrives just before its thinking block stops
    expect(events[4]?.data).toMatchObject({ index: 0, delta: { type: 'signature_delta', signature } });
    expect(signature).not.toBe('');
    expect(events[7]?.data).toEqual({
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'text_delta', text: 'a\nb' },
    });
    expect(events[9]?.data).toMatchObject({
      content_block: { type: 'tool_use', id: 'toolu_1', name: 'look', input: {} },
    });
    // the input begins with an empty piece
    expect(events[10]?.data).toMatchObject({ index: 2, delta: { type: 'input_json_delta', partial_json: '' } });
    expect(events[11]?.data).toMatchObject({ index: 2, delta: { type: 'input_json_delta', partial_json: '{"at":' } });
    expect(events[14]?.data).toMatchObject({
      delta: { stop_reason: 'tool_use', stop_sequence: null },
      usage: { output_tokens: 7, output_tokens_details: { thinking_tokens: 1 } },
      freehold: { model: 'm', timeToFirstTokenMs: 5, tokensPerSecond: 7 },
    });
  });

  it('streams no thoughts that are hidden, and only the proof of those that are omitted', () => {
    const kinds = (thoughts: (typeof everything)[number]) => {
      const encoder = messageStream(meta, thoughts);
      return readStream(answer.map((event) => encoder.encode(event)).join('')).flatMap(({ data }) => {
        const { content_block: block, delta, index } = data as Record<string, { type?: string } | undefined>;
        return block ? [`${index} ${block.type}`] : delta?.type ? [`${index} ${delta.type}`] : [];
      });
    };
    expect(kinds('hidden').slice(0, 2)).toEqual(['0 text', '0 text_delta']);
    expect(kinds('hidden').join()).not.toMatch(/thinking|signature/);
    expect(kinds('omitted').slice(0, 3)).toEqual(['0 thinking', '0 signature_delta', '1 text']);
  });

  it('streams two calls of tools as two blocks, an empty input as none at all', () => {
    const encoder = messageStream(meta);
    const calls: GenerateEvent[] = [
      { type: 'start', inputTokens: 1, cachedTokens: 0 },
      { type: 'tool-use-start', id: 'call_a', name: 'one' },
      { type: 'tool-use-stop' },
      { type: 'tool-use-start', id: 'call_b', name: 'two' },
      { type: 'tool-use-delta', json: '{}' },
      { type: 'tool-use-stop' },
      { type: 'stop', reason: 'tool-use' },
    ];
    const events = readStream(calls.map((event) => encoder.encode(event)).join(''));
    const starts = events.filter(({ event }) => event === 'content_block_start');
    expect(starts.map(({ data }) => data.index)).toEqual([0, 1]);
    expect(events.filter(({ event }) => event === 'content_block_stop').map(({ data }) => data.index)).toEqual([0, 1]);
    expect((messageBody(gathered(calls), meta) as { content: unknown[] }).content).toMatchObject([
      { id: 'toolu_a', input: {} },
      { id: 'toolu_b', input: {} },
    ]);
  });

  it('holds the same text whole and streamed, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { minLength: 1 }), async (pieces) => {
        const events: GenerateEvent[] = [
          { type: 'start', inputTokens: 1, cachedTokens: 0 },
          ...pieces.map((text) => ({ type: 'text-delta' as const, text })),
          { type: 'usage', inputTokens: 1, cachedTokens: 0, outputTokens: pieces.length },
          { type: 'stop', reason: 'end-turn' },
        ];
        const encoder = messageStream(meta);
        const streamed = readStream(events.map((event) => encoder.encode(event)).join(''))
          .map(({ data }) => (data.delta as { text?: string } | undefined)?.text ?? '')
          .join('');
        const whole = messageBody(gathered(events), meta) as { content: { text: string }[] };
        expect(streamed).toBe(whole.content[0]?.text ?? '');
      }),
    );
  });

  it('holds the same blocks whole and streamed, whatever the events', () => {
    const pieces = fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1, maxLength: 3 });
    const part = fc.oneof(
      pieces.map((texts) => texts.map((text): GenerateEvent => ({ type: 'text-delta', text }))),
      pieces.map((texts) => texts.map((text): GenerateEvent => ({ type: 'thinking-delta', text }))),
      fc
        .tuple(fc.nat(), fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }))
        .map(([id, input]) => [
          { type: 'tool-use-start', id: `call_${id}`, name: 'x' } as const,
          ...(JSON.stringify(input).match(/.{1,5}/gsu) ?? []).map(
            (json) => ({ type: 'tool-use-delta', json }) as const,
          ),
          { type: 'tool-use-stop' } as const,
        ]),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom(...everything), (parts, thoughts) => {
        const events: GenerateEvent[] = [
          { type: 'start', inputTokens: 1, cachedTokens: 0 },
          ...parts.flat(),
          { type: 'stop', reason: 'end-turn' },
        ];
        const encoder = messageStream(meta, thoughts);
        const streamed = accumulate(readStream(events.map((event) => encoder.encode(event)).join('')));
        expect(streamed).toEqual((messageBody(gathered(events), meta, thoughts) as { content: unknown }).content);
      }),
    );
  });

  it.each([
    ['end-turn', 'end_turn'],
    ['max-tokens', 'max_tokens'],
    ['stop-sequence', 'stop_sequence'],
    ['tool-use', 'tool_use'],
    ['context-full', 'model_context_window_exceeded'],
    ['refusal', 'refusal'],
  ] as const)('that ended by %s says %s', (reason, expected) => {
    const text = messageStream(meta).encode({ type: 'stop', reason });
    expect(readStream(text)[0]?.data).toMatchObject({ delta: { stop_reason: expected } });
  });
});
