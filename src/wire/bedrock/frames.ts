// Events of Bedrock's streams as frames: which headers say what a frame holds. Pure.
import { encodeFrame, encodeHeaders } from './event-stream.ts';

/** Of a stream's answer. */
export const eventStreamType = 'application/vnd.amazon.eventstream';

/** The headers of a frame that holds JSON. @param type the event's or the exception's */
export function frameHeaders(kind: 'event' | 'exception', type: string): Uint8Array {
  return encodeHeaders(
    new Map([
      [`:${kind}-type`, { type: 'string', value: type }],
      [':content-type', { type: 'string', value: 'application/json' }],
      [':message-type', { type: 'string', value: kind }],
    ]),
  );
}

/** Made once for each type: they come with every token. */
const known = new Map<string, Uint8Array>();

/** An event as a frame. @param type one of the few the protocol has */
export function eventFrame(type: string, json: string): Uint8Array {
  let headers = known.get(type);
  if (!headers) {
    headers = frameHeaders('event', type);
    known.set(type, headers);
  }
  return encodeFrame(headers, Buffer.from(json));
}

/** An event of a type the vendor's clients do not know, and pass over: there is none to keep a connection awake. */
export const keepAliveFrame = (): Uint8Array => eventFrame('ping', '{}');
