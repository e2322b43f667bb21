// The load: requests at a given rate whatever becomes of those before (an open loop), streams that stay open, streams
// that are read, and streams that are left. Plain sockets that keep alive: what the client takes must not show.
import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { answerQuestions } from './child.ts';
import { nowMs } from './clock.ts';
import { stamp } from './stub.ts';

/** Whole HTTP requests, head and body, as they go onto the wire. */
export type LoadQuestion =
  | { type: 'rate'; port: number; requests: string[]; perSecond: number; seconds: number; seed: number }
  | { type: 'hold'; port: number; request: string; count: number }
  | { type: 'leave' }
  | { type: 'read'; port: number; request: string; streams: number; skipFirst: number };

export interface LoadAnswer {
  /** rate: from when a request was due to its last byte. read: from when a piece was made to its arrival. */
  latenciesMs?: number[];
  /** rate: how late each was sent: what the generator itself adds. */
  lateMs?: number[];
  /** leave: when each stream's socket was destroyed. */
  leftMs?: number[];
  failures?: number;
}

/** A connection that carries one request at a time. */
interface Connection {
  /** A server may have closed it while it was idle. */
  readonly isOpen: boolean;
  send(request: string, onAnswer: (ok: boolean) => void): void;
  destroy(): void;
}

function dial(port: number): Connection {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let received = '';
  let wanted = -1;
  let onAnswer: ((ok: boolean) => void) | undefined;
  const done = (ok: boolean) => {
    const tell = onAnswer;
    onAnswer = undefined;
    received = '';
    wanted = -1;
    tell?.(ok);
  };
  // latin1: a character is a byte
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    received += chunk;
    if (wanted < 0) {
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const length = /content-length: *(\d+)/i.exec(received.slice(0, headEnd))?.[1];
      if (length === undefined) return done(false);
      wanted = headEnd + 4 + Number(length);
    }
    if (received.length >= wanted) done(received.startsWith('HTTP/1.1 200'));
  });
  socket.on('error', () => done(false));
  socket.on('close', () => done(false));
  return {
    get isOpen() {
      return !socket.destroyed && socket.writable;
    },
    send(request, tell) {
      onAnswer = tell;
      socket.write(request);
    },
    destroy: () => socket.destroy(),
  };
}

/** Numbers in 0..1 that a seed decides (mulberry32). */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Wakes at each time; timers of an event loop are a millisecond apart, waiting on memory is not. */
const tickerProgram = `
const { parentPort, workerData } = require('node:worker_threads');
const cell = new Int32Array(new SharedArrayBuffer(4));
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;
workerData.forEach((dueMs, index) => {
  for (let left = dueMs - nowMs(); left > 0.01; left = dueMs - nowMs()) Atomics.wait(cell, 0, 0, left);
  parentPort.postMessage(index);
});`;

/** Requests come as strangers send them: independent of each other (a Poisson process). */
async function atRate({ port, requests, perSecond, seconds, seed }: Extract<LoadQuestion, { type: 'rate' }>) {
  const random = randoms(seed);
  const startMs = nowMs() + 200;
  const dueMs: number[] = [];
  for (let at = 0; ; ) {
    at += (-Math.log(1 - random()) / perSecond) * 1000;
    if (at > seconds * 1000) break;
    dueMs.push(startMs + at);
  }
  const idle: Connection[] = Array.from({ length: 32 }, () => dial(port));
  const all = [...idle];
  const latenciesMs: number[] = [];
  const lateMs: number[] = [];
  let failures = 0;
  await new Promise<void>((resolve) => {
    const ticker = new Worker(tickerProgram, { eval: true, workerData: dueMs });
    ticker.on('message', (index: number) => {
      const due = dueMs[index] as number;
      let connection = idle.pop();
      while (connection && !connection.isOpen) connection = idle.pop();
      if (!connection) {
        connection = dial(port);
        all.push(connection);
      }
      lateMs.push(nowMs() - due);
      connection.send(requests[index % requests.length] as string, (ok) => {
        if (ok) latenciesMs.push(nowMs() - due);
        else failures += 1;
        if (ok) idle.push(connection);
        if (latenciesMs.length + failures === dueMs.length) resolve();
      });
    });
  });
  for (const connection of all) connection.destroy();
  return { latenciesMs, lateMs, failures };
}

let held: Socket[] = [];

/** Opens streams, and waits until each has said its first piece. */
async function hold({ port, request, count }: Extract<LoadQuestion, { type: 'hold' }>): Promise<LoadAnswer> {
  for (let begun = 0; begun < count; begun += 50) {
    const some = Array.from({ length: Math.min(50, count - begun) }, async () => {
      const socket = connect({ port, host: '127.0.0.1' });
      let received = '';
      await new Promise<void>((resolve, reject) => {
        socket.on('data', (chunk) => {
          if (received.length < 4000) received += chunk.toString('latin1');
          if (received.includes('hello')) resolve();
        });
        socket.on('error', reject);
        socket.on('close', () => reject(new Error(`a stream ended: ${received}`)));
        socket.write(request);
      });
      return socket;
    });
    held.push(...(await Promise.all(some)));
  }
  return {};
}

/** Leaves the streams that are held, one after the other. */
async function leave(): Promise<LoadAnswer> {
  const leftMs: number[] = [];
  for (const socket of held) {
    leftMs.push(nowMs());
    socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  held = [];
  return { leftMs };
}

/** Reads streams whose pieces tell when they were made. */
async function read({ port, request, streams, skipFirst }: Extract<LoadQuestion, { type: 'read' }>) {
  const latenciesMs: number[] = [];
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      let pieces = 0;
      let tail = '';
      socket.setEncoding('latin1');
      socket.on('data', (chunk: string) => {
        const arrivedMs = nowMs();
        const text = tail + chunk;
        let end = 0;
        for (const found of text.matchAll(stamp)) {
          end = found.index + found[0].length;
          pieces += 1;
          if (pieces > skipFirst) latenciesMs.push(arrivedMs - Number(found[1]));
        }
        tail = text.slice(Math.max(end, text.length - 200));
        // the last chunk of a chunked body
        if (tail.endsWith('0\r\n\r\n')) {
          socket.destroy();
          resolve();
        }
      });
      socket.on('error', reject);
      socket.write(request);
    });
  const all: Promise<void>[] = [];
  for (let stream = 0; stream < streams; stream++) {
    all.push(one());
    // streams are not in step with each other
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
  await Promise.all(all);
  return { latenciesMs };
}

answerQuestions<LoadQuestion, LoadAnswer>(async (question) => {
  switch (question.type) {
    case 'rate':
      return atRate(question);
    case 'hold':
      return hold(question);
    case 'leave':
      return leave();
    case 'read':
      return read(question);
    default:
      return question satisfies never;
  }
});
