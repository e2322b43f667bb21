// Stands in for Freehold while the page is developed and in the page's browser tests: sessions, models and streamed answers,
// and the built page from web/dist under the strict content-security policy. No model, no store, nothing kept.
//
//   node web/dev/mock-server.mjs [--port 8080]      then: cd web && npx vite     (or build, and open the printed address)
//
// Words in the last message choose what comes back: `table` (Markdown with table and code), `script` (hostile Markdown), `slow`,
// `long`, `think`, `refuse` (529), `break` (error event in mid-stream), `drop` (connection cut), `expire` (session ends).
// The key is fh_mock; the token `mock` works any number of times, any other never.
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const dist = path.join(import.meta.dirname, '../dist');
const portAt = process.argv.indexOf('--port');
const port = portAt < 0 ? 8080 : Number(process.argv[portAt + 1]);

const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

const sentence = 'A freehold is land that is owned outright, with no landlord and no end date. ';
const table = `Here is the comparison you asked for, with **rent** on one side and *ownership* on the other.

## What it costs

| Model | Parameters | Memory | Context | Licence | Good for |
|---|---:|---:|---:|---|---|
| SmolLM2 135M | 135 million | 0.2 GB | 8,192 | Apache-2.0 | short texts |
| Qwen3 0.6B | 600 million | 0.8 GB | 32,768 | Apache-2.0 | drafts, summaries |
| Qwen3 4B | 4 billion | 3.1 GB | 32,768 | Apache-2.0 | reasoning, code |

Reading it takes three steps:

1. Find the memory your machine has, with \`free -h\`.
2. Take the largest model that fits:
   - leave a gigabyte for the context
   - and one for everything else
3. Pull it.

\`\`\`ts
interface Order { id: string; customer: string; total: number }

/** Orders by customer, in the order they came. */
export function groupByCustomer(orders: readonly Order[]): Map<string, Order[]> {
  const groups = new Map<string, Order[]>();
  for (const order of orders) groups.set(order.customer, [...(groups.get(order.customer) ?? []), order]);
  return groups;
}
\`\`\`

> What you own cannot be taken from you by a change of terms.

- [x] model chosen
- [ ] model pulled

More in [the guide](https://example.com/guide).
`;
const hostile = `Before. <script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1">

![a picture](https://example.com/spy.png?said=secret)

[run](javascript:window.hacked=1) and [go](https://example.com/) <iframe src="/"></iframe>

<div onclick="window.hacked = 1">press</div>

After.
`;

function answerFor(asked) {
  if (/table/.test(asked)) return { text: table, delayMs: 12 };
  if (/script/.test(asked)) return { text: hostile, delayMs: 5 };
  if (/slow/.test(asked)) return { text: sentence.repeat(200), delayMs: 60, firstMs: 1200 };
  if (/long/.test(asked)) return { text: `${sentence.repeat(4)}\n\n`.repeat(60), delayMs: 4 };
  return { text: `You said: “${asked}”. ${sentence}`, delayMs: 15 };
}

async function answer(response, body) {
  const asked = String(body.messages.at(-1).content);
  if (/refuse/.test(asked))
    return fail(
      response,
      529,
      'overloaded_error',
      'The queue of smollm2-135m is full: 64 requests wait. Try again in 2 seconds.',
    );
  if (/expire/.test(asked)) return fail(response, 401, 'authentication_error', 'The session is not known any more.');
  const { text, delayMs, firstMs = 150 } = answerFor(asked);
  const startedAt = performance.now();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'freehold-model': 'smollm2-135m' });
  const send = (event) => response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  const delta = (kind, field, value) =>
    send({ type: 'content_block_delta', index: 0, delta: { type: `${kind}_delta`, [field]: value } });
  send({
    type: 'message_start',
    message: { id: 'msg_1', model: body.model, usage: { input_tokens: 12, output_tokens: 0 } },
  });
  await sleep(firstMs);
  if (/think/.test(asked))
    for (const word of sentence.split(/(?<= )/)) await sleep(20).then(() => delta('thinking', 'thinking', word));
  const timeToFirstTokenMs = performance.now() - startedAt;
  const pieces = text.match(/\s*\S{1,6}/g) ?? [];
  let sent = 0;
  for (const piece of pieces) {
    if (response.destroyed) return;
    delta('text', 'text', piece);
    sent += 1;
    if (sent === 20 && /drop/.test(asked)) return response.destroy();
    if (sent === 20 && /break/.test(asked)) {
      send({
        type: 'error',
        error: { type: 'api_error', message: 'The model process died; it is being restarted. Try again.' },
      });
      return response.end();
    }
    if (sent >= body.max_tokens) break;
    await sleep(delayMs);
  }
  const seconds = (performance.now() - startedAt - timeToFirstTokenMs) / 1000;
  send({
    type: 'message_delta',
    delta: { stop_reason: sent >= body.max_tokens ? 'max_tokens' : 'end_turn' },
    usage: { output_tokens: sent },
    freehold: { model: 'smollm2-135m', timeToFirstTokenMs, tokensPerSecond: sent / seconds },
  });
  send({ type: 'message_stop' });
  response.end();
}

function fail(response, status, type, message) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ type: 'error', error: { type, message } }));
}

function json(response, value, headers = {}) {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(value));
}

function page(pathname, response) {
  const wanted = path.join(dist, path.normalize(pathname));
  const file =
    wanted.startsWith(dist) && existsSync(wanted) && statSync(wanted).isFile() ? wanted : path.join(dist, 'index.html');
  response.writeHead(200, {
    'content-type': types[path.extname(file)] ?? 'application/octet-stream',
    ...securityHeaders,
  });
  createReadStream(file).pipe(response);
}

async function readBody(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? {} : JSON.parse(text);
}

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const signedIn = /freehold_session=mock/.test(request.headers.cookie ?? '');
  const route = `${request.method} ${pathname}`;
  if (route === 'POST /api/session') {
    const { token, key } = await readBody(request);
    if (token !== 'mock' && key !== 'fh_mock') return fail(response, 401, 'authentication_error', 'Not known here.');
    return json(response, {}, { 'set-cookie': 'freehold_session=mock; HttpOnly; SameSite=Strict; Path=/' });
  }
  if (route === 'DELETE /api/session')
    return json(response, {}, { 'set-cookie': 'freehold_session=; Max-Age=0; HttpOnly; SameSite=Strict; Path=/' });
  if (!pathname.startsWith('/api/') && !pathname.startsWith('/v1/')) return page(pathname, response);
  if (!signedIn) return fail(response, 401, 'authentication_error', 'Sign in first.');
  if (route === 'GET /api/session') return json(response, { name: 'first admin', role: 'admin' });
  if (route === 'GET /v1/models') {
    const ids = ['smollm2-135m', 'qwen3-0.6b', 'default', 'llama-3.2-1b-instruct-with-a-rather-long-name'];
    const data = ids.map((id) => ({
      id,
      object: 'model',
      ...(id === 'default' && { freehold: { model: 'smollm2-135m' } }),
    }));
    return json(response, { object: 'list', data });
  }
  if (route === 'POST /v1/messages') return answer(response, await readBody(request));
  return fail(response, 404, 'not_found_error', `No such path: ${pathname}`);
});

server.listen(port, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/#token=mock`));
