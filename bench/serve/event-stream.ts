// A lean client of streaming HTTP answers: one keep-alive connection a request, lines cut and looked at, no JSON parsed
// but where it must be. The client shares the cores with what it measures.
import { Agent, type IncomingMessage, request } from 'node:http';

const agent = new Agent({ keepAlive: true, maxSockets: 512 });

export interface StreamedRequest {
  port: number;
  path: string;
  body: object;
  /** Called for every line of the answer that is not empty. */
  onLine: (line: string) => void;
  signal?: AbortSignal;
}

/** @throws when the answer is not 200, or breaks off though nobody aborted it */
export function streamLines({ port, path, body, onLine, signal }: StreamedRequest): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body));
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => (signal?.aborted ? resolve() : reject(error));
    const sent = request(
      {
        agent,
        host: '127.0.0.1',
        port,
        path,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': bytes.length },
      },
      (response: IncomingMessage) => {
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() as string;
          if (response.statusCode !== 200) return;
          try {
            for (const line of lines) if (line !== '') onLine(line);
          } catch (error) {
            sent.destroy();
            reject(error as Error);
          }
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve();
          else reject(new Error(`${path} answered ${response.statusCode}: ${rest.slice(0, 500)}`));
        });
        response.on('error', fail);
      },
    );
    sent.on('error', fail);
    signal?.addEventListener('abort', () => sent.destroy(), { once: true });
    sent.end(bytes);
  });
}
