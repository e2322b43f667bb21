// HTTP/2 without TLS on the port of HTTP/1: the AWS SDK for Node speaks it to Bedrock from the first byte on, whether or
// not the address says https. A connection that begins with its preface is handed over; all others cost nothing more.
// Knows no routes.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

export interface Http2Options {
  /** Longest a connection without requests is kept, in milliseconds. */
  idleMs: number;
  /** Longest a whole request may take to arrive, in milliseconds. */
  requestTimeoutMs: number;
}

export interface Http2 {
  /** Takes no more requests; connections end with their last answer. */
  close(): void;
  /** Ends all connections at once. */
  destroy(): void;
}

/** What a client sends first; the HTTP/1 parser has read exactly this when it gives up. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Streams one connection may have at once, and bytes of each that may be under way unread. */
const mostStreams = 128;
const windowBytes = 1 << 20;

/** @param listener answers a request of either version */
export function acceptHttp2(
  server: Server,
  listener: (incoming: IncomingMessage, outgoing: ServerResponse) => unknown,
  { idleMs, requestTimeoutMs }: Http2Options,
): Http2 {
  const sessions = new Set<ServerHttp2Session>();
  const http2 = createServer({
    settings: { maxConcurrentStreams: mostStreams, initialWindowSize: windowBytes, enablePush: false },
  });
  http2.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
    // a session that is closed still answers what it was asked
    session.setTimeout(idleMs, () => session.close());
    // whoever breaks the protocol is cut off; nobody else is concerned
    session.on('error', () => session.destroy());
  });
  http2.on('request', (incoming, outgoing) => {
    limitArrival(incoming, outgoing, requestTimeoutMs);
    // as of a response of HTTP/1: whoever comes to it later learns that its caller has gone
    Object.defineProperty(outgoing, 'destroyed', { get: () => outgoing.stream?.destroyed ?? true });
    listener(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse);
  });

  const emit = server.emit.bind(server) as (event: string, ...values: unknown[]) => boolean;
  // Node answers what it cannot parse by itself as long as nobody listens to clientError: so nobody does
  server.emit = ((event: string, ...values: unknown[]) => {
    if (event === 'clientError' && isPreface(values[0])) {
      handOver(values[0], values[1] as Socket);
      return http2.emit('connection', values[1]);
    }
    return emit(event, ...values);
  }) as Server['emit'];

  return {
    close() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
    },
  };
}

type ParserError = Error & { code: string; rawPacket: Buffer; bytesParsed: number };

const isPreface = (error: unknown): error is ParserError =>
  (error as Partial<ParserError>).code === 'HPE_PAUSED_H2_UPGRADE' &&
  Buffer.isBuffer((error as Partial<ParserError>).rawPacket);

/** What the HTTP/1 server listens to; left in place, it would stop reading where HTTP/2 pauses. */
const events = ['data', 'end', 'close', 'drain', 'error', 'timeout', 'pause', 'resume'];

/** Takes a socket from the HTTP/1 server, and puts back what it has read of it. */
function handOver({ rawPacket, bytesParsed }: ParserError, socket: Socket): void {
  // to the server the connection is over: it lets go of its parser, and of its time limits
  for (const listener of socket.listeners('close')) listener.call(socket);
  for (const event of events) socket.removeAllListeners(event);
  socket.pause();
  socket.setTimeout(0);
  // HTTP/1 answers a caller that has ended its side; HTTP/2 has no such callers
  socket.allowHalfOpen = false;
  socket.unshift(Buffer.concat([preface, rawPacket.subarray(bytesParsed)]));
}

/** A body that trickles in holds a stream, and room, for as long as it likes. */
function limitArrival(incoming: Http2ServerRequest, outgoing: Http2ServerResponse, limitMs: number): void {
  const timer = setTimeout(() => outgoing.stream?.close(), limitMs).unref();
  incoming.once('end', () => clearTimeout(timer));
  outgoing.once('close', () => clearTimeout(timer));
}
