// A model hub on the loopback, for tests of pulling: lists files, serves ranges, and misbehaves when told to. Speaks
// just enough of the Hugging Face API; knows nothing of how it is called.
import { createHash } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface SeenRequest {
  path: string;
  headers: http.IncomingHttpHeaders;
}

/** What to do with one request in place of serving it; returns false to let the next one, or the hub, see to it. */
export type Trick = (
  request: http.IncomingMessage,
  response: http.ServerResponse,
  bytes: Buffer | undefined,
) => boolean;

export interface LoopbackHub {
  url: string;
  /** `owner/repo` -> path -> bytes. */
  repositories: Map<string, Map<string, Buffer>>;
  /** Every request so far, in order. */
  seen: SeenRequest[];
  /** Asked first, one after another, until one takes the request; a trick that has done its work removes itself. */
  tricks: Trick[];
  /** Overrides the SHA-256 that the list states for a path. */
  statedSha256: Map<string, string>;
  etagOf: (bytes: Buffer) => string | undefined;
  close(): Promise<void>;
}

export const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

export async function startHub(): Promise<LoopbackHub> {
  const server = http.createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '/');
    hub.seen.push({ path, headers: request.headers });
    const bytes = find(path);
    for (const trick of [...hub.tricks]) if (trick(request, response, bytes)) return;
    const listed = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/main/.exec(path);
    if (listed) list(response, listed[1] ?? '');
    else if (bytes) serve(request, response, bytes);
    else respond(response, 404, 'no such file');
  });
  const hub: LoopbackHub = {
    url: '',
    repositories: new Map(),
    seen: [],
    tricks: [],
    statedSha256: new Map(),
    etagOf: (bytes) => `"${sha256(bytes).slice(0, 16)}"`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };

  const find = (path: string): Buffer | undefined => {
    const found = /^\/([^/]+\/[^/]+)\/resolve\/main\/([^?]+)/.exec(path);
    return found ? hub.repositories.get(found[1] ?? '')?.get(found[2] ?? '') : undefined;
  };

  const list = (response: http.ServerResponse, repo: string): void => {
    const files = hub.repositories.get(repo);
    if (!files) {
      respond(response, 401, 'Invalid username or password.');
      return;
    }
    const entries = [...files].map(([path, bytes]) => ({
      type: 'file',
      path,
      size: bytes.length,
      lfs: { oid: hub.statedSha256.get(path) ?? sha256(bytes), size: bytes.length, pointerSize: 134 },
    }));
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify([{ type: 'directory', path: 'folder', size: 0 }, ...entries]));
  };

  const serve = (request: http.IncomingMessage, response: http.ServerResponse, bytes: Buffer): void => {
    const etag = hub.etagOf(bytes);
    if (etag) response.setHeader('etag', etag);
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const condition = request.headers['if-range'];
    const start = range && (condition === undefined || condition === etag) ? Number(range[1]) : 0;
    if (start >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    response.setHeader('content-length', bytes.length - start);
    if (start > 0) {
      response.writeHead(206, { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
    }
    response.end(bytes.subarray(start));
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  hub.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return hub;
}

export function respond(response: http.ServerResponse, status: number, text: string, headers: object = {}): void {
  response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
}

/** A trick for downloads only: it acts `times` times, then steps aside. */
export function onDownloads(
  times: number,
  act: (request: http.IncomingMessage, response: http.ServerResponse, bytes: Buffer) => void,
): Trick {
  let left = times;
  return (request, response, bytes) => {
    if (!bytes || left === 0) return false;
    left -= 1;
    act(request, response, bytes);
    return true;
  };
}

/** Announces everything from where the request asks, sends `count` bytes of it and breaks the connection. */
export function breakAfter(count: number, times = 1): Trick {
  return onDownloads(times, (request, response, bytes) => {
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const headers = { etag: `"${sha256(bytes).slice(0, 16)}"`, 'content-length': bytes.length - start };
    if (start > 0) {
      response.writeHead(206, { ...headers, 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` });
    } else response.writeHead(200, headers);
    response.write(bytes.subarray(start, start + count), () => setTimeout(() => response.destroy(), 20));
  });
}
