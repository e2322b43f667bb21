// The bytes of a request's body as they come in. Node's own stream where there is a socket: a web stream around it costs
// more than all the rest of a small request. Knows no limits; whoever takes the bytes does.
import type { IncomingMessage } from 'node:http';
import { FreeholdError } from '../lib/errors.ts';
import type { AppContext } from './context.ts';

/** How long what follows of a body that is refused is read and dropped, in milliseconds. */
const readOnMs = 300;

/**
 * Reads the whole body.
 * @param onChunk takes the next bytes; what it throws refuses the body. The rest is then read on for a moment and dropped:
 *   a connection that is closed with bytes unread is reset, and the answer may be lost with it
 * @throws what `onChunk` throws; FreeholdError cancelled when the connection closes before the end
 */
export async function readChunks(c: AppContext, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  const known = c.get('body');
  if (known) {
    c.set('body', undefined);
    return onChunk(known);
  }
  const incoming = c.env?.incoming;
  return incoming ? readIncoming(incoming, onChunk) : readWebStream(c.req.raw.body, onChunk);
}

const brokenOff = () => new FreeholdError('cancelled', 'The connection closed before the request was complete.');

function readIncoming(incoming: IncomingMessage, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let refusal: { error: unknown } | undefined;
    let timer: NodeJS.Timeout | undefined;
    const over = () => {
      clearTimeout(timer);
      incoming.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost);
    };
    const refuse = () => {
      over();
      // what may still come is not ours to read; an answer and the end of its connection follow
      incoming.pause();
      reject(refusal?.error);
    };
    const onData = (chunk: Uint8Array) => {
      if (refusal) return;
      try {
        onChunk(chunk);
      } catch (error) {
        refusal = { error };
        timer = setTimeout(refuse, readOnMs);
      }
    };
    const onEnd = () => {
      if (refusal) return refuse();
      over();
      resolve();
    };
    const onLost = () => {
      over();
      reject(refusal ? refusal.error : brokenOff());
    };
    if (incoming.destroyed) return onLost();
    incoming.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost);
  });
}

async function readWebStream(
  body: ReadableStream<Uint8Array> | null,
  onChunk: (chunk: Uint8Array) => void,
): Promise<void> {
  if (!body) return;
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw brokenOff();
      });
      if (done) return;
      onChunk(value);
    }
  } finally {
    reader.releaseLock();
  }
}
