// A request may name addresses: of images, of documents, of tools' servers. The server fetches none of them, whatever the
// protocol, wherever in the request, however the address is written (WIRE.md, lesson 5). A server that must hear nothing
// stands in for everything an attacker may want asked.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';

let test: TestApp;
let server: Server;
let port: number;
/** What the server that must hear nothing has heard. */
const heard: string[] = [];
let connections = 0;

beforeAll(async () => {
  test = await createTestApp();
  server = createServer((request, response) => {
    heard.push(request.url ?? '');
    response.end('a secret of the inner network');
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(async () => {
  server.close();
  await test.stop();
});

/** Ways to write the loopback, and what else lies behind a server. `PORT` is the port of the one that listens. */
const addresses = [
  'http://127.0.0.1:PORT/secret',
  'http://localhost:PORT/secret',
  'http://[::ffff:127.0.0.1]:PORT/secret',
  'http://[::ffff:7f00:1]:PORT/secret',
  'http://2130706433:PORT/secret',
  'http://0x7f.1:PORT/secret',
  'http://127.1:PORT/secret',
  'http://someone@127.0.0.1:PORT/secret',
  'HTTP://127.0.0.1:PORT/secret',
  ' http://127.0.0.1:PORT/secret',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::ffff:169.254.169.254]/',
  'file:///etc/passwd',
  'gopher://127.0.0.1:PORT/_secret',
];

type Place = [name: string, path: string, body: (url: string) => object];

const user = (content: unknown) => [{ role: 'user', content }];
const anthropic = (block: object) => ({ model: 'default', max_tokens: 5, messages: user([block]) });
const openai = (part: object) => ({ model: 'default', messages: user([part]) });
const responses = (part: object) => ({ model: 'default', input: user([part]) });
const invoke = (block: object) => ({ anthropic_version: 'bedrock-2023-05-31', max_tokens: 5, messages: user([block]) });
const urlSource = (url: string) => ({ source: { type: 'url', url } });

/** Every place of a request where an address may stand, and is refused. */
const refused: Place[] = [
  ['Anthropic image', '/v1/messages', (url) => anthropic({ type: 'image', ...urlSource(url) })],
  ['Anthropic document', '/v1/messages', (url) => anthropic({ type: 'document', ...urlSource(url) })],
  [
    'Anthropic image in a tool result',
    '/v1/messages',
    (url) => ({
      model: 'default',
      max_tokens: 5,
      messages: [
        ...user('hi'),
        { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'look', input: {} }] },
        ...user([{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'image', ...urlSource(url) }] }]),
      ],
      tools: [{ name: 'look', input_schema: { type: 'object' } }],
    }),
  ],
  [
    'Anthropic MCP server',
    '/v1/messages',
    (url) => ({ ...anthropic({ type: 'text', text: 'hi' }), mcp_servers: [{ type: 'url', url, name: 'x' }] }),
  ],
  ['Anthropic count', '/v1/messages/count_tokens', (url) => anthropic({ type: 'document', ...urlSource(url) })],
  ['OpenAI image', '/v1/chat/completions', (url) => openai({ type: 'image_url', image_url: { url } })],
  ['OpenAI file', '/v1/chat/completions', (url) => openai({ type: 'file', file: { file_url: url } })],
  ['OpenAI responses image', '/v1/responses', (url) => responses({ type: 'input_image', image_url: url })],
  ['OpenAI responses file', '/v1/responses', (url) => responses({ type: 'input_file', file_url: url })],
  [
    'OpenAI responses MCP server',
    '/v1/responses',
    (url) => ({ model: 'default', input: 'hi', tools: [{ type: 'mcp', server_label: 'x', server_url: url }] }),
  ],
  [
    'Ollama image',
    '/api/chat',
    (url) => ({ model: 'default', messages: [{ role: 'user', content: 'hi', images: [url] }] }),
  ],
  ['Ollama pull', '/api/pull', (url) => ({ model: url })],
  ['Ollama pull from a registry', '/api/pull', (url) => ({ model: `${url.replace(/^[ a-z]+:\/\//i, '')}/x` })],
  ['Ollama prompt with an image', '/api/generate', (url) => ({ model: 'default', prompt: 'hi', images: [url] })],
  [
    'Bedrock image',
    '/model/default/converse',
    (url) => ({ messages: user([{ image: { format: 'png', source: { s3Location: { uri: url } } } }]) }),
  ],
  [
    'Bedrock document',
    '/model/default/converse',
    (url) => ({ messages: user([{ document: { format: 'pdf', name: 'x', source: { s3Location: { uri: url } } } }]) }),
  ],
  ['Bedrock invoke image', '/model/default/invoke', (url) => invoke({ type: 'image', ...urlSource(url) })],
  ['Bedrock invoke document', '/model/default/invoke', (url) => invoke({ type: 'document', ...urlSource(url) })],
];

/** An address as text is text, and goes to the model as it is. */
const asText: Place[] = [
  ['Anthropic', '/v1/messages', (url) => anthropic({ type: 'text', text: `Read ${url}` })],
  ['OpenAI', '/v1/chat/completions', (url) => ({ model: 'default', messages: user(`![](${url})`) })],
  ['OpenAI embeddings', '/v1/embeddings', (url) => ({ model: 'vectors', input: url })],
  ['rerank', '/v1/rerank', (url) => ({ model: 'scores', query: 'x', documents: [url] })],
];

const urlsOf = () => addresses.map((address) => address.replace('PORT', String(port)));

describe.each(refused)('%s', (_, path, body) => {
  it('by address is refused with 400, and never fetched', async () => {
    const asked = test.model.requests.length;
    for (const url of urlsOf()) {
      const response = await test.send('POST', path, body(url));
      expect([response.status, url], await response.text()).toEqual([400, url]);
    }
    expect(test.model.requests.length).toBe(asked);
    expect([heard, connections]).toEqual([[], 0]);
  });
});

it.each(asText)('%s: an address in text is not followed', async (_, path, body) => {
  for (const url of urlsOf()) {
    const response = await test.send('POST', path, body(url));
    expect([response.status, url]).toEqual([200, url]);
  }
  expect([heard, connections]).toEqual([[], 0]);
});

it('the server that must hear nothing would hear', async () => {
  await fetch(`http://127.0.0.1:${port}/secret`);
  expect([heard, connections]).toEqual([['/secret'], 1]);
});
