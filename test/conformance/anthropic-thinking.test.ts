// Thoughts, documents and the cache through the real Anthropic SDK.
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open.ts';
import { answering, calls, says, thinks } from '../support/model-script.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let client: Anthropic;
beforeAll(async () => {
  server = await startTestServer();
  client = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 0 });
});
afterAll(() => server.stop());
afterEach(() => {
  server.model.behaviour = undefined;
});

const ask = { model: 'default', max_tokens: 4000, messages: [{ role: 'user' as const, content: 'hello' }] };
const enabled = { type: 'enabled', budget_tokens: 2048 } as const;
const lastRequest = () => server.model.requests.at(-1);

describe('thoughts', () => {
  const thoughtful = () => answering([...thinks('Well', ', hm.'), ...says('Yes', '.')]);

  it('are not in an answer that did not ask for them, so that its text comes first', async () => {
    server.model.behaviour = thoughtful();
    const text = { type: 'text', text: 'Yes.' };
    expect((await client.messages.create(ask)).content).toEqual([text]);
    expect((await client.messages.stream(ask).finalMessage()).content).toMatchObject([text]);
    expect(lastRequest()?.thinking).toEqual({ type: 'disabled' });
  });

  it.each([
    [enabled, { type: 'enabled', budgetTokens: 2048 }],
    [{ type: 'adaptive' } as const, { type: 'enabled' }],
  ])('are blocks with a signature where they are asked for: %j', async (thinking, expected) => {
    server.model.behaviour = thoughtful();
    const content = [
      { type: 'thinking', thinking: 'Well, hm.', signature: expect.stringMatching(/^[\w+/=]{8,}$/) },
      { type: 'text', text: 'Yes.' },
    ];
    const whole = await client.messages.create({ ...ask, thinking });
    expect(whole.content).toMatchObject(content);
    expect(whole.usage.output_tokens_details).toEqual({ thinking_tokens: 2 });
    expect(lastRequest()?.thinking).toEqual(expected);
    const stream = client.messages.stream({ ...ask, thinking });
    const thoughts: string[] = [];
    const signatures: string[] = [];
    stream.on('thinking', (delta) => thoughts.push(delta));
    stream.on('signature', (signature) => signatures.push(signature));
    const streamed = await stream.finalMessage();
    expect(thoughts).toEqual(['Well', ', hm.']);
    expect(signatures).toHaveLength(1);
    expect(streamed.content).toMatchObject(content);
    expect(streamed.usage.output_tokens_details).toEqual({ thinking_tokens: 2 });
  });

  it('may be asked for and not shown', async () => {
    server.model.behaviour = thoughtful();
    const thinking = { ...enabled, display: 'omitted' } as const;
    for (const { content } of [
      await client.messages.create({ ...ask, thinking }),
      await client.messages.stream({ ...ask, thinking }).finalMessage(),
    ]) {
      expect(content[0]).toMatchObject({ type: 'thinking', thinking: '', signature: expect.stringMatching(/./) });
    }
  });

  it('go back to the model while it works with tools, as the SDK got them', async () => {
    server.model.behaviour = answering([...thinks('I should look.'), ...calls('look', {})], says('Seen.'));
    const tools: Anthropic.Tool[] = [{ name: 'look', input_schema: { type: 'object' } }];
    const first = await client.messages.stream({ ...ask, tools, thinking: enabled }).finalMessage();
    expect(first.content.map(({ type }) => type)).toEqual(['thinking', 'tool_use']);
    const use = first.content.find((block) => block.type === 'tool_use');
    const turns: Anthropic.MessageParam[] = [
      ...ask.messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: use?.id ?? '', content: 'a cat' }] },
    ];
    const second = await client.messages.create({ ...ask, tools, thinking: enabled, messages: turns });
    expect(lastRequest()?.messages[1]?.content[0]).toEqual({ type: 'thinking', text: 'I should look.' });
    const next: Anthropic.MessageParam[] = [
      ...turns,
      { role: 'assistant', content: second.content },
      { role: 'user', content: 'thanks' },
    ];
    await client.messages.create({ ...ask, tools, thinking: enabled, messages: next });
    expect(JSON.stringify(lastRequest()?.messages)).not.toContain('I should look.');
  });

  it('with a budget that leaves no room are refused', async () => {
    await expect(client.messages.create({ ...ask, max_tokens: 2048, thinking: enabled })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining('`thinking.budget_tokens`'),
    });
  });
});

describe('documents', () => {
  it('of text are read, search results too', async () => {
    await client.messages.create({
      ...ask,
      messages: [
        {
          role: 'user',
          content: [
            {
              type: 'document',
              title: 'A letter',
              source: { type: 'text', media_type: 'text/plain', data: 'Dear all.' },
              cache_control: { type: 'ephemeral', ttl: '1h' },
            },
            {
              type: 'search_result',
              source: 'https://a.example',
              title: 'B',
              content: [{ type: 'text', text: 'Found.' }],
            },
            { type: 'text', text: 'What do they say?' },
          ],
        },
      ],
    });
    expect(lastRequest()?.messages[0]?.content).toEqual([
      { type: 'document', title: 'A letter', text: 'Dear all.' },
      { type: 'document', title: 'B (https://a.example)', text: 'Found.' },
      { type: 'text', text: 'What do they say?' },
    ]);
  });

  it('that were uploaded are read by their id, by their owner alone', async () => {
    const file = await client.beta.files.upload({
      file: new File(['From a file.'], 'notes.txt', { type: 'text/plain' }),
    });
    const messages = [
      {
        role: 'user' as const,
        content: [{ type: 'document' as const, source: { type: 'file' as const, file_id: file.id } }],
      },
    ];
    await client.beta.messages.create({ ...ask, messages });
    expect(lastRequest()?.messages[0]?.content).toEqual([
      { type: 'document', title: 'notes.txt', text: 'From a file.' },
    ]);
    const store = openStore(server.home);
    const { key } = await createKey(store, { name: 'other', role: 'service' });
    await store.close();
    const other = new Anthropic({ baseURL: server.url, apiKey: key, maxRetries: 0 });
    const asked = server.model.requests.length;
    await expect(other.beta.messages.create({ ...ask, messages })).rejects.toMatchObject({
      status: 400,
      message: expect.stringContaining(`There is no file \\"${file.id}\\" here`),
    });
    await expect(other.messages.countTokens({ model: 'default', messages })).rejects.toMatchObject({ status: 400 });
    expect(server.model.requests).toHaveLength(asked);
  });

  it.each<[string, Anthropic.ContentBlockParam]>([
    [
      'Local models cannot read images',
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA==' } },
    ],
    [
      'Local models cannot read images',
      { type: 'image', source: { type: 'url', url: 'http://169.254.169.254/x.png' } },
    ],
    [
      'PDF documents are not read',
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'AA==' } },
    ],
    ['not fetched', { type: 'document', source: { type: 'url', url: 'http://169.254.169.254/' } }],
    [
      'Citations are not supported',
      {
        type: 'document',
        citations: { enabled: true },
        source: { type: 'text', media_type: 'text/plain', data: 'x' },
      },
    ],
  ])('or images that cannot be read are refused: %s', async (message, block) => {
    const request = client.messages.create({ ...ask, messages: [{ role: 'user', content: [block] }] });
    await expect(request).rejects.toBeInstanceOf(Anthropic.BadRequestError);
    await expect(request).rejects.toMatchObject({ message: expect.stringContaining(message) });
  });
});

it('cache_control is taken everywhere, and usage tells what the cache saved and no more', async () => {
  server.model.behaviour = answering(says('Yes.'));
  const cache_control = { type: 'ephemeral' } as const;
  const message = await client.messages.create({
    ...ask,
    cache_control,
    system: [{ type: 'text', text: 'Be brief.', cache_control }],
    tools: [{ name: 'look', input_schema: { type: 'object' }, cache_control }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'hello', cache_control }] }],
    metadata: { user_id: 'someone' },
    service_tier: 'auto',
  });
  // of 10 tokens of prompt the script says that 4 were cached
  expect(message.usage).toMatchObject({
    input_tokens: 6,
    cache_read_input_tokens: 4,
    cache_creation_input_tokens: 0,
    output_tokens: 1,
  });
});

it('max_tokens of 0 warms the cache and answers nothing, whole and streamed', async () => {
  server.model.behaviour = answering([...thinks('Hm.'), ...says('Never seen.')]);
  const nothing = {
    content: [],
    stop_reason: 'max_tokens',
    usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 0 },
  };
  expect(await client.messages.create({ ...ask, max_tokens: 0 })).toMatchObject(nothing);
  expect(lastRequest()?.maxTokens).toBe(1);
  expect(await client.messages.stream({ ...ask, max_tokens: 0 }).finalMessage()).toMatchObject(nothing);
  server.model.behaviour = answering(calls('look', {}));
  expect(await client.messages.stream({ ...ask, max_tokens: 0 }).finalMessage()).toMatchObject(nothing);
});

it('system messages amid a conversation join the system text', async () => {
  await client.messages.create({
    ...ask,
    system: 'Be brief.',
    messages: [...ask.messages, { role: 'system', content: 'Speak French.' }],
  });
  expect(lastRequest()?.system).toEqual([{ type: 'text', text: 'Be brief.\n\nSpeak French.' }]);
});
