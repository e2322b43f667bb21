// A request for a stream in each protocol, by the path of its route; and the socket of a caller that can leave.
import { connect, type Socket } from 'node:net';

export interface StreamingRequest {
  /** As people write it (`writtenPath`). */
  route: string;
  /** Where it is sent. */
  path: string;
  body: object;
}

const messages = [{ role: 'user', content: 'hi' }];
const bedrockMessages = [{ role: 'user', content: [{ text: 'hi' }] }];

/** Every route that answers with a stream of what a model says. */
export const streamingRequests: readonly StreamingRequest[] = [
  { route: '/v1/messages', body: { model: 'default', max_tokens: 5000, stream: true, messages } },
  { route: '/v1/chat/completions', body: { model: 'default', stream: true, messages } },
  { route: '/v1/completions', body: { model: 'default', max_tokens: 5000, stream: true, prompt: 'hi' } },
  { route: '/v1/responses', body: { model: 'default', stream: true, input: 'hi' } },
  { route: '/api/chat', body: { model: 'default', messages } },
  { route: '/api/generate', body: { model: 'default', prompt: 'hi' } },
  { route: '/model/:modelId/converse-stream', body: { messages: bedrockMessages } },
  {
    route: '/model/:modelId/invoke-with-response-stream',
    body: { anthropic_version: 'bedrock-2023-05-31', max_tokens: 5000, messages },
  },
].map((request) => ({ ...request, path: request.route.replace(':modelId', 'default') }));

/** A raw HTTP request with a key. */
export function rawRequest(path: string, key: string, body: string, headers: Record<string, string> = {}): string {
  const all = {
    host: '127.0.0.1',
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

export interface Caller {
  socket: Socket;
  /** What the server has said, a character a byte. */
  heard(): string;
  /** Settles when the connection is closed. */
  closed: Promise<void>;
}

/** Calls and listens. */
export async function call(port: number): Promise<Caller> {
  let heard = '';
  const socket = connect(port, '127.0.0.1');
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    heard += chunk;
  });
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, heard: () => heard, closed };
}

/** Bytes of the answer's body so far. */
export function bodyLength(heard: string): number {
  const head = heard.indexOf('\r\n\r\n');
  return head < 0 ? 0 : heard.length - head - 4;
}
