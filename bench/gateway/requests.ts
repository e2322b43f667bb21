// What the load sends: whole HTTP requests with a key, of the size a conversation has, whose last turn tells the stub what
// to do. And what ours answers, for a server that answers the same without any work.
import type { CannedAnswer } from './serving.ts';
import type { StubPrompt } from './stub.ts';

const system = 'You are a helpful assistant who answers briefly and says so when something is not known. '.repeat(10);
const turns = (prompt: StubPrompt) => [
  { role: 'user', content: 'What does a gateway cost each request that passes through it?' },
  { role: 'assistant', content: 'A part of a millisecond, where it is written with care. '.repeat(4) },
  { role: 'user', content: prompt },
];

function post(path: string, headers: string[], body: object): string {
  const text = JSON.stringify(body);
  const lines = ['host: 127.0.0.1', 'content-type: application/json', ...headers, `content-length: ${text.length}`];
  return `POST ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${text}`;
}

export const messagesRequest = (key: string, prompt: StubPrompt, stream = false): string =>
  post('/v1/messages', [`x-api-key: ${key}`, 'anthropic-version: 2023-06-01'], {
    model: 'default',
    max_tokens: 1024,
    system,
    messages: turns(prompt),
    stream,
  });

export const chatRequest = (key: string, prompt: StubPrompt, model = 'default'): string =>
  post('/v1/chat/completions', [`authorization: Bearer ${key}`], {
    model,
    max_tokens: 1024,
    temperature: 0.7,
    messages: [{ role: 'system', content: system }, ...turns(prompt)],
  });

/** Asks ours once for each path, and keeps the bytes. @throws when it does not answer */
export async function cannedAnswers(port: number, requests: readonly string[]): Promise<CannedAnswer[]> {
  return Promise.all(
    requests.map(async (request) => {
      const [head, body] = request.split('\r\n\r\n') as [string, string];
      const [first, ...lines] = head.split('\r\n') as [string, ...string[]];
      const path = first.split(' ')[1] as string;
      const headers = lines.map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]);
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: headers.filter(([name]) => name !== 'host' && name !== 'content-length'),
        body,
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
      const kept = [...response.headers].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name));
      return { path, headers: Object.fromEntries(kept), body: text };
    }),
  );
}
