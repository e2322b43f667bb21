import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent } from '../../lib/text-model.ts';
import { type AnswerMeta, startGathering } from '../completion.ts';
import type { ServedModel } from '../models.ts';
import { type OllamaShape, ollamaBody, ollamaStream } from './answer.ts';
import { type ParsedOllama, parseOllamaChat } from './chat.ts';
import { ollamaEmbedBody } from './embed.ts';
import { ollamaRunning, ollamaShow, ollamaTags } from './models.ts';
import { pullLine } from './pull.ts';

const meta: AnswerMeta = {
  id: 'ollama_1',
  model: 'm',
  createdSeconds: 1_700_000_000,
  timing: () => ({ timeToFirstTokenMs: 5, tokensPerSecond: 1 }),
  durations: () => ({ totalMs: 20, loadMs: 1.5, promptMs: 8, answerMs: 10 }),
};
const parsed = parseOllamaChat({ model: 'm', messages: [] }, { tenant: 't', traceId: 'trace' });
const events: GenerateEvent[] = [
  { type: 'start', inputTokens: 10, cachedTokens: 4 },
  { type: 'thinking-delta', text: 'h' },
  { type: 'thinking-delta', text: 'm' },
  { type: 'text-delta', text: 'a\n"' },
  { type: 'text-delta', text: 'b' },
  { type: 'tool-use-start', id: 'call_1', name: 'look' },
  { type: 'tool-use-delta', json: '{"at":' },
  { type: 'tool-use-delta', json: '1}' },
  { type: 'tool-use-stop' },
  { type: 'tool-use-start', id: 'call_2', name: 'now' },
  { type: 'tool-use-stop' },
  { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: 7 },
  { type: 'stop', reason: 'tool-use' },
];
const end = {
  done: true,
  done_reason: 'stop',
  total_duration: 20_000_000,
  load_duration: 1_500_000,
  prompt_eval_count: 10,
  prompt_eval_duration: 8_000_000,
  eval_count: 7,
  eval_duration: 10_000_000,
};
const calls = [
  { id: 'call_1', function: { index: 0, name: 'look', arguments: { at: 1 } } },
  { id: 'call_2', function: { index: 1, name: 'now', arguments: {} } },
];
const head = { model: 'm', created_at: '2023-11-14T22:13:20.000Z' };

function whole(shape: OllamaShape, given: readonly GenerateEvent[], request: ParsedOllama = parsed) {
  const gathering = startGathering();
  for (const event of given) gathering.add(event);
  return ollamaBody(shape, gathering.end(), meta, request) as Record<string, never>;
}

/** Reads a stream as clients do: every line is JSON. */
function lines(shape: OllamaShape, given: readonly GenerateEvent[], request: ParsedOllama = parsed) {
  const encoder = ollamaStream(shape, meta, request);
  const text = given.map((event) => encoder.encode(event)).join('');
  expect(text.endsWith('\n')).toBe(true);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('a whole answer', () => {
  it('to a chat', () => {
    expect(whole('chat', events)).toEqual({
      ...head,
      message: { role: 'assistant', content: 'a\n"b', thinking: 'hm', tool_calls: calls },
      ...end,
    });
  });

  it('to a prompt', () => {
    expect(whole('generate', events)).toEqual({
      ...head,
      response: 'a\n"b',
      thinking: 'hm',
      tool_calls: calls,
      ...end,
    });
  });

  it('keeps its thoughts to itself where they are not wanted', () => {
    expect(whole('chat', events, { ...parsed, showThinking: false }).message).not.toHaveProperty('thinking');
  });

  it.each([
    ['end-turn', 'stop'],
    ['stop-sequence', 'stop'],
    ['max-tokens', 'length'],
    ['context-full', 'length'],
  ] as const)('that ended by %s says %s', (reason, said) => {
    expect(whole('chat', [{ type: 'stop', reason }])).toMatchObject({ done: true, done_reason: said });
  });
});

describe('a stream', () => {
  it('has a line for every piece, one for a whole call, and a last one with the figures', () => {
    expect(lines('chat', events)).toEqual([
      { ...head, message: { role: 'assistant', content: '', thinking: 'h' }, done: false },
      { ...head, message: { role: 'assistant', content: '', thinking: 'm' }, done: false },
      { ...head, message: { role: 'assistant', content: 'a\n"' }, done: false },
      { ...head, message: { role: 'assistant', content: 'b' }, done: false },
      { ...head, message: { role: 'assistant', content: '', tool_calls: [calls[0]] }, done: false },
      { ...head, message: { role: 'assistant', content: '', tool_calls: [calls[1]] }, done: false },
      { ...head, message: { role: 'assistant', content: '' }, ...end },
    ]);
  });

  it('of a prompt has the same in its own shape', () => {
    const answer = lines('generate', events);
    expect(answer.map(({ response }) => response).join('')).toBe('a\n"b');
    expect(answer.map(({ thinking }) => thinking ?? '').join('')).toBe('hm');
    expect(answer.at(-1)).toEqual({ ...head, response: '', ...end });
  });

  it('tells a call that was cut off as far as it came', () => {
    const cut = events.slice(0, 7).concat({ type: 'stop', reason: 'max-tokens' });
    expect(lines('chat', cut).at(-2).message.tool_calls[0].function.arguments).toEqual({ partial_json: '{"at":' });
    expect(lines('chat', cut).at(-1)).toMatchObject({ done: true, done_reason: 'length' });
  });

  it('says nothing of thoughts that are not wanted', () => {
    const quiet = { ...parsed, showThinking: false };
    expect(JSON.stringify(lines('chat', events, quiet))).not.toContain('thinking');
  });

  it('carries log probabilities', () => {
    const token = { token: 1, logprob: -0.5, bytes: [97], top: [{ token: 2, logprob: -Infinity, bytes: [98] }] };
    const [line] = lines('chat', [{ type: 'text-delta', text: 'a', logprobs: [token] }]);
    expect(line.logprobs).toEqual([
      { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -9999, bytes: [98] }] },
    ]);
  });

  it('keeps awake with a line that is an answer without text, and fails with one that tells why', () => {
    const encoder = ollamaStream('chat', meta, parsed);
    expect(JSON.parse(encoder.keepAlive())).toMatchObject({ done: false, message: { content: '' } });
    const error = new FreeholdError('model_process_lost', 'Gone.', { hint: 'Again.' });
    expect(encoder.fail(error, 'req_1')).toBe('{"error":"Gone. Again."}\n');
  });
});

describe('models', () => {
  const model: ServedModel = {
    id: 'qwen3-4b',
    title: 'Qwen3 4B',
    createdSeconds: 1_700_000_000,
    owner: 'freehold',
    details: {
      kind: 'chat',
      sizeBytes: 2_500_000_000,
      parameters: 4_022_468_096,
      quantisation: 'Q4_K_M',
      contextTokens: 8192,
      trainedContextTokens: 40_960,
      architecture: 'qwen3',
      abilities: { tools: true, thinking: true, vision: false },
    },
  };
  const details = {
    parent_model: '',
    format: 'gguf',
    family: 'qwen3',
    families: ['qwen3'],
    parameter_size: '4.0B',
    quantization_level: 'Q4_K_M',
    context_length: 8192,
  };

  it('are listed with a tag, as clients look for them', () => {
    expect(ollamaTags([model, { ...model, id: 'qwen3-4b:q8_0' }])).toMatchObject({
      models: [
        {
          name: 'qwen3-4b:latest',
          model: 'qwen3-4b:latest',
          modified_at: '2023-11-14T22:13:20.000Z',
          size: 2_500_000_000,
          digest: expect.stringMatching(/^[0-9a-f]{64}$/),
          details,
          capabilities: ['completion', 'tools', 'thinking'],
        },
        { name: 'qwen3-4b:q8_0' },
      ],
    });
  });

  it('have another digest once another file takes their place', () => {
    const digests = [model, { ...model, createdSeconds: 1 }].map((each) => JSON.stringify(ollamaTags([each])));
    expect(digests[0]).not.toBe(digests[1]);
  });

  it('are shown with the context that is served', () => {
    expect(ollamaShow(model)).toMatchObject({
      details,
      model_info: {
        'general.architecture': 'qwen3',
        'general.parameter_count': 4_022_468_096,
        'qwen3.context_length': 8192,
        'qwen3.trained_context_length': 40_960,
      },
      capabilities: ['completion', 'tools', 'thinking'],
    });
  });

  it('of which nothing is known are listed all the same', () => {
    const bare = { ...model, createdSeconds: 0, details: {} };
    expect(ollamaTags([bare])).toMatchObject({ models: [{ size: 0, details: { family: '', families: [] } }] });
    expect(ollamaShow({ ...bare, details: { kind: 'embedding' } })).toMatchObject({ capabilities: ['embedding'] });
  });

  it('that run tell where and with which context', () => {
    expect(
      ollamaRunning([
        { model, contextTokens: 4096, onDevice: true },
        { model, contextTokens: undefined, onDevice: false },
      ]),
    ).toMatchObject({
      models: [
        { name: 'qwen3-4b:latest', size: 2_500_000_000, size_vram: 2_500_000_000, context_length: 4096 },
        { size_vram: 0, context_length: 8192 },
      ],
    });
  });
});

it('vectors come with the count of their tokens and the time they took', () => {
  const result = { embeddings: [Float32Array.of(0.5, 0.25)], inputTokens: 3 };
  expect(ollamaEmbedBody(result, 'v', 2)).toEqual({
    model: 'v',
    embeddings: [[0.5, 0.25]],
    total_duration: 2_000_000,
    load_duration: 0,
    prompt_eval_count: 3,
  });
});

it('a pull tells how far it is', () => {
  const state = { source: 'huggingface.co a/b', receivedBytes: 5, totalBytes: 10 };
  const told = (['resolve', 'download', 'verify', 'done'] as const).map((phase) =>
    JSON.parse(pullLine({ ...state, phase })),
  );
  expect(told).toEqual([
    { status: 'pulling manifest' },
    { status: 'pulling huggingface.co a/b', digest: 'huggingface.co a/b', total: 10, completed: 5 },
    { status: 'verifying sha256 digest' },
    { status: 'success' },
  ]);
});
