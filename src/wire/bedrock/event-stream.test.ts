import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { client } from '../../../test/clients/load.ts';
import { decodeFrame, decodeFrames, encodeFrame, encodeHeaders, type HeaderValue } from './event-stream.ts';

/** The vendor's codec; its longs are objects of eight bytes. */
interface Codec {
  encode(message: { headers: Record<string, unknown>; body: Uint8Array }): Uint8Array;
  decode(bytes: Uint8Array): { headers: Record<string, { type: string; value: unknown }>; body: Uint8Array };
}
let codec: Codec;
let Int64: new (bytes: Uint8Array) => { bytes: Uint8Array };
beforeAll(async () => {
  const vendor = await client<{
    EventStreamCodec: new (toUtf8: (bytes: Uint8Array) => string, fromUtf8: (text: string) => Uint8Array) => Codec;
    Int64: typeof Int64;
  }>('@smithy/eventstream-codec');
  codec = new vendor.EventStreamCodec(
    (bytes) => Buffer.from(bytes).toString(),
    (text) => new Uint8Array(Buffer.from(text)),
  );
  Int64 = vendor.Int64;
});

const value: fc.Arbitrary<HeaderValue> = fc.oneof(
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('byte' as const), value: fc.integer({ min: -128, max: 127 }) }),
  fc.record({ type: fc.constant('short' as const), value: fc.integer({ min: -32_768, max: 32_767 }) }),
  fc.record({ type: fc.constant('integer' as const), value: fc.integer() }),
  fc.record({ type: fc.constant('long' as const), value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }),
  fc.record({ type: fc.constant('binary' as const), value: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ type: fc.constant('string' as const), value: fc.string({ unit: 'grapheme', maxLength: 300 }) }),
  fc.record({
    type: fc.constant('timestamp' as const),
    value: fc.date({ min: new Date(-1e12), max: new Date(1e13), noInvalidDate: true }),
  }),
  fc.record({ type: fc.constant('uuid' as const), value: fc.uuid() }),
);
// names like numbers would change their order in the vendor's object, and it cannot hold __proto__
const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter((text) => !/^\d+$/.test(text) && text !== '__proto__' && Buffer.byteLength(text) < 256);
const headers = fc.uniqueArray(fc.tuple(name, value), { selector: ([each]) => each, maxLength: 6 });
const body = fc.uint8Array({ maxLength: 2000 });

const toVendor = (pairs: [string, HeaderValue][]) =>
  Object.fromEntries(
    pairs.map(([key, header]) => {
      if (header.type !== 'long') return [key, header];
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(header.value);
      return [key, { type: 'long', value: new Int64(new Uint8Array(bytes)) }];
    }),
  );
const encode = (pairs: [string, HeaderValue][], bytes: Uint8Array) => encodeFrame(encodeHeaders(new Map(pairs)), bytes);
/** Values without the difference between kinds of byte arrays. */
const plain = (header: { type: string; value: unknown }): unknown => {
  const { type, value: given } = header;
  if (type === 'long' && typeof given === 'object') {
    return { type, value: Buffer.from((given as { bytes: Uint8Array }).bytes).readBigInt64BE() };
  }
  return given instanceof Uint8Array ? { type, value: [...given] } : header;
};

describe("frames are the vendor's", () => {
  it('byte for byte as its encoder writes them', () => {
    fc.assert(
      fc.property(headers, body, (pairs, bytes) => {
        const theirs = codec.encode({ headers: toVendor(pairs), body: bytes });
        expect(Buffer.from(encode(pairs, bytes)).equals(theirs)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('and are read as its decoder reads them', () => {
    fc.assert(
      fc.property(headers, body, (pairs, bytes) => {
        const frame = codec.encode({ headers: toVendor(pairs), body: bytes });
        const [ours, theirs] = [decodeFrame(frame), codec.decode(frame)];
        expect([...ours.headers].map(([key, header]) => [key, plain(header)])).toEqual(
          Object.entries(theirs.headers).map(([key, header]) => [key, plain(header)]),
        );
        expect([...ours.headers.keys()]).toEqual(pairs.map(([key]) => key));
        expect(Buffer.from(ours.body).equals(bytes)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

it('come whole out of a stream, however it is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(headers, body), { maxLength: 5 }), fc.array(fc.nat(400)), (each, cuts) => {
      const stream = Buffer.concat(each.map(([pairs, bytes]) => encode(pairs, bytes)));
      const bodies: Uint8Array[] = [];
      let rest: Uint8Array = new Uint8Array();
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        const piece = decodeFrames(Buffer.concat([rest, stream.subarray(at, at + cut)]));
        at += cut;
        rest = piece.rest;
        bodies.push(...piece.frames.map((frame) => frame.body));
      }
      expect(rest.length).toBe(0);
      expect(bodies.map((bytes) => [...bytes])).toEqual(each.map(([, bytes]) => [...bytes]));
    }),
  );
});

describe('what is damaged is refused', () => {
  it('whichever byte it is', () => {
    fc.assert(
      fc.property(headers, body, fc.nat(), fc.integer({ min: 1, max: 255 }), (pairs, bytes, place, change) => {
        const frame = Buffer.from(encode(pairs, bytes));
        const at = place % frame.length;
        frame[at] = (frame[at] ?? 0) ^ change;
        expect(() => decodeFrame(frame)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
      }),
      { numRuns: 500 },
    );
  });

  it('never in another way, whatever comes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => decodeFrame(bytes)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
      }),
    );
  });

  it('never in another way, whatever stands where the headers do', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeFrame(encodeFrame(bytes, new Uint8Array()));
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_request' });
        }
      }),
      { numRuns: 500 },
    );
  });

  it('at its first bytes, before the rest has come', () => {
    const long = Buffer.from(encodeFrame(new Uint8Array(), new Uint8Array(25 << 20)).subarray(0, 12));
    expect(() => decodeFrames(long)).toThrow(/It has 26214416 bytes/);
  });

  it.each<[string, Map<string, HeaderValue>]>([
    ['an empty name', new Map([['', { type: 'boolean', value: true }]])],
    ['a long name', new Map([['n'.repeat(256), { type: 'boolean', value: true }]])],
    ['a long value', new Map([['n', { type: 'string', value: 'v'.repeat(32_768) }]])],
    ['no UUID', new Map([['n', { type: 'uuid', value: '1234' }]])],
  ])('when it is to be written: %s', (_, given) => {
    expect(() => encodeHeaders(given)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });
});
