// The real OpenAI SDK uses the Responses API, unmodified: answers that are kept and gone on from, streams and their events,
// tools, schemas, thoughts, and what is answered in the background.
import OpenAI from 'openai';
import { zodResponsesFunction, zodTextFormat } from 'openai/helpers/zod';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FreeholdError } from '../../src/lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../src/lib/text-model.ts';
import { createKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open.ts';
import { findResponse } from '../../src/store/responses.ts';
import { endless, failing, silent } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let server: TestServer;
let client: OpenAI;
let stranger: OpenAI;
beforeAll(async () => {
  server = await startTestServer();
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: server.key, maxRetries: 0 });
  const store = openStore(server.home);
  const { key } = await createKey(store, { name: 'stranger', role: 'admin' });
  await store.close();
  stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const call = (id: string, name: string, ...pieces: string[]): GenerateEvent[] => [
  { type: 'tool-use-start', id, name },
  ...pieces.map((json): GenerateEvent => ({ type: 'tool-use-delta', json })),
  { type: 'tool-use-stop' },
];
const say = (...texts: string[]): GenerateEvent[] => texts.map((text) => ({ type: 'text-delta', text }));
const think = (...texts: string[]): GenerateEvent[] => texts.map((text) => ({ type: 'thinking-delta', text }));

/** The model answers so. */
function script(events: GenerateEvent[], reason?: 'max-tokens'): void {
  server.model.behaviour = async function* () {
    const calls = events.some(({ type }) => type === 'tool-use-start');
    yield { type: 'start', inputTokens: 9, cachedTokens: 3 };
    yield* events;
    yield { type: 'usage', inputTokens: 9, cachedTokens: 3, outputTokens: events.length, thinkingTokens: 1 };
    yield { type: 'stop', reason: reason ?? (calls ? 'tool-use' : 'end-turn') };
  };
}
const lastRequest = () => server.model.requests.at(-1) as GenerateRequest;
const textsOf = ({ messages }: GenerateRequest) =>
  messages.map(({ content }) => content.map((block) => ('text' in block ? block.text : block.type)).join());

const ask = { model: 'default', input: 'hello there' };
const whole = 'Hello from the fake model.';
const look = {
  type: 'function' as const,
  name: 'look',
  description: 'Looks.',
  strict: true,
  parameters: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'], additionalProperties: false },
};

describe('a response', () => {
  it('answers whole', async () => {
    const response = await client.responses.create({ ...ask, instructions: 'be brief', metadata: { a: 'b' } });
    expect(response).toMatchObject({
      id: expect.stringMatching(/^resp_/),
      object: 'response',
      status: 'completed',
      model: 'fake',
      output_text: whole,
      output: [{ type: 'message', role: 'assistant', status: 'completed' }],
      error: null,
      incomplete_details: null,
      instructions: 'be brief',
      metadata: { a: 'b' },
      usage: { input_tokens: 4, input_tokens_details: { cached_tokens: 1 }, output_tokens: 6, total_tokens: 10 },
    });
    expect(response._request_id).toMatch(/^req_/);
    expect(lastRequest()).toMatchObject({ system: [{ text: 'be brief' }] });
  });

  it('streams the vendor’s events, numbered, and the SDK puts the same response together', async () => {
    const stream = client.responses.stream(ask);
    const numbers: number[] = [];
    const names: string[] = [];
    const snapshots: string[] = [];
    stream.on('event', (event) => {
      numbers.push(event.sequence_number);
      names.push(event.type);
    });
    stream.on('response.output_text.delta', ({ snapshot }) => snapshots.push(snapshot));
    const response = await stream.finalResponse();
    expect(response).toMatchObject({ status: 'completed', output_text: whole, usage: { output_tokens: 6 } });
    expect(numbers).toEqual(numbers.map((_, index) => index));
    expect(snapshots.at(-1)).toBe(whole);
    expect([...new Set(names)]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(await client.responses.retrieve(response.id)).toMatchObject({ output_text: whole });
  });

  it('is incomplete where it was cut off', async () => {
    expect(await client.responses.create({ ...ask, max_output_tokens: 2 })).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output_text: 'Hello from',
    });
  });

  it('is held to a schema, and parsed by the SDK, whole and streamed', async () => {
    script(say('{"answer":"y', 'es"}'));
    const text = { format: zodTextFormat(z.object({ answer: z.string() }), 'answer') };
    expect((await client.responses.parse({ ...ask, text })).output_parsed).toEqual({ answer: 'yes' });
    expect(lastRequest().responseSchema).toMatchObject({ properties: { answer: { type: 'string' } } });
    const streamed = await client.responses.stream({ ...ask, text }).finalResponse();
    expect(streamed.output_parsed).toEqual({ answer: 'yes' });
    await client.responses.create({ ...ask, text: { format: { type: 'json_object' } } });
    expect(lastRequest().responseSchema).toEqual({ type: 'object' });
  });

  it('tells thoughts apart, as text or as a summary', async () => {
    script([...think('hm', ', bees'), ...say('Bees.')]);
    const response = await client.responses.create({ ...ask, reasoning: { effort: 'low' } });
    expect(response.output).toMatchObject([
      { type: 'reasoning', summary: [], content: [{ type: 'reasoning_text', text: 'hm, bees' }] },
      { type: 'message' },
    ]);
    expect(response.usage?.output_tokens_details.reasoning_tokens).toBe(1);
    expect(lastRequest().thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
    const stream = client.responses.stream({ ...ask, reasoning: { effort: 'high', summary: 'auto' } });
    let summary = '';
    stream.on('response.reasoning_summary_text.delta', ({ delta }) => {
      summary += delta;
    });
    expect((await stream.finalResponse()).output[0]).toMatchObject({
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'hm, bees' }],
    });
    expect(summary).toBe('hm, bees');
  });

  it('tells log probabilities where they are included', async () => {
    const asked = { ...ask, include: ['message.output_text.logprobs' as const], top_logprobs: 2 };
    const { output } = await client.responses.create(asked);
    const tokens = [{ token: 'Hello', logprob: -0.5 }, { token: ' from' }];
    expect(output[0]).toMatchObject({ content: [{ logprobs: expect.objectContaining({ length: 6 }) }] });
    expect((output[0] as OpenAI.Responses.ResponseOutputMessage).content[0]).toMatchObject({
      logprobs: [...tokens, {}, {}, {}, {}],
    });
    const streamed = await client.responses.stream(asked).finalResponse();
    expect(streamed.output).toMatchObject([{ content: [{ logprobs: [...tokens, {}, {}, {}, {}] }] }]);
  });

  it('counts its input beforehand', async () => {
    expect(await client.responses.inputTokens.count(ask)).toEqual({ object: 'response.input_tokens', input_tokens: 2 });
  });
});

describe('tools', () => {
  it('are called, streamed, and their results are answered', async () => {
    script([...call('call_1', 'look', '{"at":', '"bees"}'), ...call('call_2', 'look', '{"at":"honey"}')]);
    const stream = client.responses.stream({ ...ask, tools: [look], tool_choice: 'required' });
    const snapshots: string[] = [];
    stream.on('response.function_call_arguments.delta', ({ snapshot }) => snapshots.push(snapshot));
    const first = await stream.finalResponse();
    expect(snapshots).toEqual(['{"at":', '{"at":"bees"}', '{"at":"honey"}']);
    expect(first.output).toMatchObject([
      { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{"at":"bees"}', status: 'completed' },
      { type: 'function_call', call_id: 'call_2', arguments: '{"at":"honey"}' },
    ]);
    expect(lastRequest()).toMatchObject({ tools: [{ name: 'look' }], toolChoice: { type: 'any' } });

    script(say('They are well.'));
    const second = await client.responses.create({
      model: 'default',
      previous_response_id: first.id,
      tools: [look],
      input: [
        { type: 'function_call_output', call_id: 'call_1', output: 'buzz' },
        { type: 'function_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'sweet' }] },
      ],
    });
    expect(second.output_text).toBe('They are well.');
    expect(lastRequest().messages).toMatchObject([
      { role: 'user', content: [{ text: 'hello there' }] },
      {
        role: 'assistant',
        content: [
          { type: 'tool-use', id: 'call_1', name: 'look', input: { at: 'bees' } },
          { type: 'tool-use', id: 'call_2' },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool-result', toolUseId: 'call_1', content: [{ text: 'buzz' }] },
          { type: 'tool-result', toolUseId: 'call_2', content: [{ text: 'sweet' }] },
        ],
      },
    ]);
  });

  it('are parsed by the SDK’s own schemas', async () => {
    script(call('call_1', 'look', '{"at":"bees"}'));
    const { output } = await client.responses.parse({
      ...ask,
      tools: [zodResponsesFunction({ name: 'look', parameters: z.object({ at: z.string() }) })],
    });
    // this release of the SDK puts the whole call where its arguments belong
    expect(output[0]).toMatchObject({ parsed_arguments: { parsed_arguments: { at: 'bees' } } });
  });

  it('may be sent back with what was thought and said, without anything kept', async () => {
    script([...think('hm'), ...call('call_1', 'look', '{"at":"bees"}')]);
    const first = await client.responses.create({ ...ask, tools: [look], store: false });
    script(say('Done.'));
    await client.responses.create({
      model: 'default',
      store: false,
      tools: [look],
      input: [
        { role: 'user', content: 'hello there' },
        ...(first.output as OpenAI.Responses.ResponseInputItem[]),
        { type: 'function_call_output', call_id: 'call_1', output: 'buzz' },
      ],
    });
    expect(lastRequest().messages[1]?.content).toMatchObject([
      { type: 'thinking', text: 'hm' },
      { type: 'tool-use', id: 'call_1' },
    ]);
  });
});

describe('what is kept', () => {
  it('can be gone on from; instructions are not inherited', async () => {
    const first = await client.responses.create({ ...ask, instructions: 'be brief' });
    const second = await client.responses.create({ model: 'default', input: 'and?', previous_response_id: first.id });
    expect(second.previous_response_id).toBe(first.id);
    await client.responses.create({ model: 'default', input: 'so?', previous_response_id: second.id });
    expect(textsOf(lastRequest())).toEqual(['hello there', whole, 'and?', whole, 'so?']);
    expect(lastRequest()).not.toHaveProperty('system');
  });

  it('is retrieved, listed and deleted', async () => {
    const created = await client.responses.create({
      ...ask,
      input: [
        { role: 'user', content: 'one' },
        { role: 'user', content: 'two' },
      ],
    });
    expect(await client.responses.retrieve(created.id)).toMatchObject({ id: created.id, output_text: whole });
    const items: unknown[] = [];
    for await (const item of client.responses.inputItems.list(created.id, { order: 'asc', limit: 1 })) items.push(item);
    expect(items).toMatchObject([
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'one' }] },
      { content: [{ text: 'two' }] },
    ]);
    await client.responses.delete(created.id);
    await expect(client.responses.retrieve(created.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect(client.responses.delete(created.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('is referred to by its items', async () => {
    const first = await client.responses.create(ask);
    const reference = { type: 'item_reference' as const, id: first.output[0]?.id ?? '' };
    await client.responses.create({
      model: 'default',
      input: [{ role: 'user', content: 'hello' }, reference, { role: 'user', content: 'and?' }],
    });
    expect(textsOf(lastRequest())).toEqual(['hello', whole, 'and?']);
  });

  it('is told again as a stream', async () => {
    const { id } = await client.responses.create(ask);
    const types: string[] = [];
    for await (const event of await client.responses.retrieve(id, { stream: true })) types.push(event.type);
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
  });

  it('is nothing, where store is false', async () => {
    const { id } = await client.responses.create({ ...ask, store: false });
    await expect(client.responses.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    const next = client.responses.create({ ...ask, previous_response_id: id });
    await expect(next).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  it('is on the disk before a stream says that it is complete', async () => {
    const store = openStore(server.home);
    let kept: unknown;
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      if (event.type !== 'response.completed') continue;
      const owner = (
        await store.db.selectFrom('responses').select('owner').where('id', '=', event.response.id).executeTakeFirst()
      )?.owner;
      kept = await findResponse(store, owner ?? '', event.response.id);
    }
    await store.close();
    expect(kept).toMatchObject({ status: 'completed', output: [{ type: 'message' }] });
  });

  it('does not exist for anyone else', async () => {
    const { id, output } = await client.responses.create(ask);
    const answerTo = async (use: (client: OpenAI, id: string) => PromiseLike<unknown>, of: string) => {
      const error = await Promise.resolve(use(stranger, of)).then(
        () => undefined,
        (thrown: InstanceType<typeof OpenAI.APIError>) => thrown,
      );
      return JSON.stringify([error?.status, error?.error]).replaceAll(of, 'ID');
    };
    const uses: ((client: OpenAI, id: string) => PromiseLike<unknown>)[] = [
      (as, of) => as.responses.retrieve(of),
      (as, of) => as.responses.retrieve(of, { stream: true }),
      (as, of) => as.responses.delete(of),
      (as, of) => as.responses.cancel(of),
      (as, of) => as.responses.inputItems.list(of),
      (as, of) => as.responses.create({ ...ask, previous_response_id: of }),
    ];
    const missing = `${id.slice(0, -4)}zzzz`;
    for (const use of uses) {
      const answer = await answerTo(use, id);
      expect(answer).toBe(await answerTo(use, missing));
      expect(answer).toMatch(/^\[40[04],/);
    }
    const item = output[0]?.id ?? '';
    const refer = (as: OpenAI, of: string) =>
      as.responses.create({ model: 'default', input: [{ type: 'item_reference', id: of }] });
    expect(await answerTo(refer, item)).toBe(await answerTo(refer, `${item}x`));
    expect(await client.responses.retrieve(id)).toMatchObject({ id });
  });
});

describe('in the background', () => {
  const background = { ...ask, background: true };
  const over = async (id: string) => {
    await expect.poll(async () => (await client.responses.retrieve(id)).status, soon).not.toMatch(/queued|in_progress/);
    return client.responses.retrieve(id);
  };

  it('a response is queued, and there when it is over', async () => {
    const queued = await client.responses.create(background);
    expect(queued).toMatchObject({ status: 'queued', background: true, output: [] });
    expect(await over(queued.id)).toMatchObject({
      status: 'completed',
      output_text: whole,
      usage: { output_tokens: 6 },
    });
    const next = await client.responses.create({ model: 'default', input: 'and?', previous_response_id: queued.id });
    expect(next.status).toBe('completed');
  });

  it('it can be cancelled, more than once, and not gone on from', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const { id } = await client.responses.create(background);
    await expect.poll(async () => (await client.responses.retrieve(id)).status, soon).toBe('in_progress');
    const early = client.responses.create({ ...ask, previous_response_id: id });
    await expect(early).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
    expect(await client.responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    expect(server.model.aborted).toBe(before + 1);
    expect(await client.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
    expect(await client.responses.retrieve(id)).toMatchObject({ status: 'cancelled' });
  });

  it('it goes on when its reader leaves, and is followed from where the reader was', async () => {
    let goOn = () => {};
    const waiting = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    server.model.behaviour = async function* () {
      yield { type: 'start', inputTokens: 9, cachedTokens: 3 };
      yield* say('one ', 'two ');
      await waiting;
      yield* say('three');
      yield { type: 'usage', inputTokens: 9, cachedTokens: 3, outputTokens: 3 };
      yield { type: 'stop', reason: 'end-turn' };
    };
    let id = '';
    let last = -1;
    for await (const event of await client.responses.create({ ...background, stream: true })) {
      if (event.type === 'response.created') id = event.response.id;
      last = event.sequence_number;
      if (event.type === 'response.output_text.delta' && event.delta === 'two ') break;
    }
    const follow = async (starting_after: number) => {
      const events: OpenAI.Responses.ResponseStreamEvent[] = [];
      const stream = await client.responses.retrieve(id, { stream: true, starting_after });
      for await (const event of stream) events.push(event);
      return events;
    };
    const following = follow(last);
    goOn();
    const rest = await following;
    expect(rest[0]).toMatchObject({ type: 'response.output_text.delta', delta: 'three', sequence_number: last + 1 });
    expect(rest.at(-1)).toMatchObject({ type: 'response.completed', response: { output: [{ type: 'message' }] } });
    // the same, when it is long over
    expect(await follow(last)).toEqual(rest);
    expect((await client.responses.stream({ response_id: id }).finalResponse()).output_text).toBe('one two three');
  });

  it('its id is told before the model is heard of', async () => {
    server.model.behaviour = silent;
    let id = '';
    for await (const event of await client.responses.create({ ...background, stream: true })) {
      if (event.type === 'response.created') id = event.response.id;
      if (event.type === 'response.queued') break;
    }
    expect((await client.responses.retrieve(id)).status).toBe('queued');
    expect(await client.responses.cancel(id)).toMatchObject({ status: 'cancelled' });
  });

  it('a failure is told by the response', async () => {
    server.model.behaviour = failing(
      new FreeholdError('model_process_lost', 'The process that ran the model died.'),
      1,
    );
    const { id } = await client.responses.create(background);
    expect(await over(id)).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringContaining('died') },
    });
  });

  it('it is deleted while it is answered', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const { id } = await client.responses.create(background);
    await client.responses.delete(id);
    await expect(client.responses.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    await expect.poll(() => server.model.aborted, soon).toBeGreaterThanOrEqual(before);
  });

  it('what nobody knows is refused at once; what is answered at once cannot be cancelled', async () => {
    await expect(client.responses.create({ ...background, model: 'nothing' })).rejects.toMatchObject({ status: 404 });
    const { id } = await client.responses.create(ask);
    await expect(client.responses.cancel(id)).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  });
});

describe('errors', () => {
  it('are the SDK’s own classes, with the field at fault', async () => {
    await expect(client.responses.create({ ...ask, input: [] })).rejects.toMatchObject({ status: 400, param: 'input' });
    await expect(client.responses.create({ ...ask, conversation: 'conv_1' })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_parameter',
      param: 'conversation',
    });
    await expect(client.responses.create({ ...ask, tools: [{ type: 'web_search' }] })).rejects.toMatchObject({
      param: 'tools[0]',
    });
    await expect(client.responses.create({ ...ask, model: 'nothing' })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
    server.model.behaviour = failing(new FreeholdError('context_exceeded', 'Too long.', { field: 'messages' }));
    await expect(client.responses.create(ask)).rejects.toMatchObject({
      param: 'input',
      code: 'context_length_exceeded',
    });
  });

  it('in the middle of a stream end it, and are kept with the response', async () => {
    server.model.behaviour = failing(new FreeholdError('model_process_lost', 'The process died.'), 2);
    const failed = await client.responses.stream(ask).finalResponse();
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
    await expect
      .poll(() => client.responses.retrieve(failed.id).catch(() => undefined), soon)
      .toMatchObject({ status: 'failed', output: [{ status: 'incomplete' }] });
  });

  it('of a caller that leaves: the generation ends, and the response is cancelled', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    let id = '';
    for await (const event of await client.responses.create({ ...ask, stream: true })) {
      if (event.type === 'response.created') id = event.response.id;
      if (event.type === 'response.output_text.delta') break;
    }
    await expect.poll(() => server.model.aborted, soon).toBe(before + 1);
    await expect
      .poll(() => client.responses.retrieve(id).catch(() => undefined), soon)
      .toMatchObject({ status: 'cancelled' });
  });
});

it('truncation auto leaves out the oldest turns of what is too long', async () => {
  const long = Array.from({ length: 20 }, (_, index) => ({
    role: 'user' as const,
    content: `${index} ${'word '.repeat(99)}`,
  }));
  const asked = { model: 'default', instructions: 'be brief', input: long, max_output_tokens: 50 };
  await expect(client.responses.create(asked)).rejects.toMatchObject({ code: 'context_length_exceeded' });
  await client.responses.create({ ...asked, truncation: 'auto' });
  // 1000 tokens, 50 of them for the answer, 2 for the instructions, 100 for each turn
  expect(textsOf(lastRequest()).map((text) => text.split(' ')[0])).toEqual(
    Array.from({ length: 9 }, (_, index) => String(index + 11)),
  );
  expect(lastRequest().system).toMatchObject([{ text: 'be brief' }]);
});
