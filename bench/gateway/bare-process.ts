// The least a server can be: node:http, the same bytes as ours, nothing looked at but the path. Also the upstream of
// gateways that need one.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerQuestions } from './child.ts';
import { nowMs } from './clock.ts';
import { type CannedAnswer, cpuMs, memory, type ServerAnswer, type ServerQuestion } from './serving.ts';
import { stampedPiece } from './stub.ts';

let canned = new Map<string, CannedAnswer>();

/** As ours streams: an event for each piece. */
function streamPieces(response: ServerResponse, everyMs: number, count: number): void {
  const startedAt = nowMs();
  let sent = 0;
  const next = () => {
    const data = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${stampedPiece()}"}}`;
    response.write(`event: content_block_delta\ndata: ${data}\n\n`);
    sent += 1;
    if (sent === count) response.end();
    else setTimeout(next, startedAt + (sent + 1) * everyMs - nowMs());
  };
  setTimeout(next, everyMs);
}

const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => {
    body += chunk;
  });
  request.on('end', () => {
    const paced = /every (\d+) ms, (\d+) pieces/.exec(body);
    const answer = canned.get(request.url ?? '');
    if (paced) {
      response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
      streamPieces(response, Number(paced[1]), Number(paced[2]));
    } else if (answer) {
      response.writeHead(200, answer.headers);
      response.end(answer.body);
    } else response.writeHead(404).end();
  });
});

answerQuestions<ServerQuestion, ServerAnswer>(async (question) => {
  switch (question.type) {
    case 'start':
      canned = new Map(question.answers?.map((answer) => [answer.path, answer]));
      if (!server.listening) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return { port: (server.address() as AddressInfo).port };
    case 'cpu':
      return { cpuMs: cpuMs() };
    case 'memory':
      return memory();
    default:
      return {};
  }
});
