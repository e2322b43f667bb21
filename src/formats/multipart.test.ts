import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundaryOf, createMultipartReader, type PartHeaders } from './multipart.ts';

interface Read extends PartHeaders {
  bytes: Buffer;
  complete: boolean;
}

function read(body: Uint8Array | string, boundary = 'b', pieces: number[] = []): Read[] {
  const reader = createMultipartReader(boundary);
  const parts: Read[] = [];
  const bytes = Buffer.from(body as string);
  const cuts = [...new Set([0, ...pieces.map((at) => at % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (let index = 1; index < cuts.length; index++) {
    for (const event of reader.feed(bytes.subarray(cuts[index - 1], cuts[index]))) {
      const last = parts.at(-1);
      if (event.type === 'part') parts.push({ ...event.part, bytes: Buffer.alloc(0), complete: false });
      else if (last && event.type === 'data') last.bytes = Buffer.concat([last.bytes, event.bytes]);
      else if (last) last.complete = true;
    }
  }
  reader.end();
  return parts;
}

const field = (name: string, value: string) =>
  `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;

describe('a form', () => {
  it('as the platform writes it is read the same, however it is cut', async () => {
    const parts = fc.array(fc.record({ name: fc.string({ minLength: 1 }), bytes: fc.uint8Array({ maxLength: 300 }) }), {
      maxLength: 4,
    });
    await fc.assert(
      fc.asyncProperty(parts, fc.array(fc.nat(5000)), async (given, cuts) => {
        const form = new FormData();
        for (const { name, bytes } of given) form.append('file', new File([new Uint8Array(bytes)], name));
        form.append('purpose', 'user_data');
        const request = new Request('http://x', { method: 'POST', body: form });
        const boundary = boundaryOf(request.headers.get('content-type') ?? '');
        const found = read(new Uint8Array(await request.arrayBuffer()), boundary, cuts);
        expect(found.every(({ complete }) => complete)).toBe(true);
        expect(found.map(({ name }) => name)).toEqual([...given.map(() => 'file'), 'purpose']);
        for (const [index, { name, bytes }] of given.entries()) {
          expect(found[index]?.bytes.equals(bytes)).toBe(true);
          // the platform writes a backslash as it is, which others write before a quote
          if (!/[\\\r\n%]|[\ud800-\udfff]/.test(name)) expect(found[index]?.filename).toBe(name);
        }
        expect(found.at(-1)?.filename).toBeUndefined();
        expect(found.at(-1)?.bytes.toString()).toBe('user_data');
      }),
      { numRuns: 200 },
    );
  });

  it('holds bytes that look like its boundary, and empty parts', () => {
    const almost = '\r\n--a\r\n-\r\n--\r\n\r\n-b--b';
    const found = read(`${field('x', almost)}${field('y', '')}--b--\r\nwhat follows`);
    expect(found.map(({ bytes }) => bytes.toString())).toEqual([almost, '']);
  });

  it('may have words before it and blanks behind a boundary', () => {
    expect(read(`words\r\n--b \t\r\n${field('x', '1').slice(5)}--b--`)).toMatchObject([{ name: 'x' }]);
  });

  it.each([
    ['filename="C:\\a\\b.txt"', 'C:\\a\\b.txt'],
    ['filename="say \\"hi\\".txt"', 'say "hi".txt'],
    ['filename="say %22hi%22.txt"', 'say "hi".txt'],
    ['filename=plain.txt', 'plain.txt'],
    ['filename="; name=\\"other\\""', '; name="other"'],
    ['filename="x"; filename*=UTF-8\'\'%E2%82%AC.txt', '€.txt'],
    ['filename="x"; filename*=UTF-8\'\'%E2%82.txt', 'x'],
    ['filename=""', ''],
  ])('names its file: %s', (disposition, filename) => {
    const part = `--b\r\nContent-Disposition: form-data; name="file"; ${disposition}\r\nContent-Type: TEXT/plain; charset=x\r\n\r\n\r\n--b--`;
    expect(read(part)).toMatchObject([{ name: 'file', filename, mediaType: 'text/plain' }]);
  });
});

describe('what is no form', () => {
  it.each([
    ['nothing', ''],
    ['no boundary', 'hello'],
    ['another boundary', field('x', '1').replaceAll('--b', '--c')],
    ['cut off in the data', field('x', '1')],
    ['cut off in the headers', '--b\r\nContent-Disposition: form-data; na'],
    ['cut off in the last boundary', `${field('x', '1')}--b-`],
    ['words behind a boundary', '--bword\r\n'],
    ['a part without headers', '--b\r\n\r\nx\r\n--b--'],
    ['a part without a name', '--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--'],
    ['an attachment', '--b\r\nContent-Disposition: attachment; name="a"\r\n\r\nx\r\n--b--'],
    ['a header without a colon', '--b\r\nContent-Disposition\r\n\r\nx\r\n--b--'],
    ['endless headers', `--b\r\nX: ${'a'.repeat(20_000)}`],
    ['an endless preamble', 'a'.repeat(100_000)],
    ['blanks without end behind a boundary', `--b${' '.repeat(1000)}`],
  ])('%s is refused', (_, body) => {
    expect(() => read(body)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
  });

  it('headers that are no UTF-8', () => {
    const bytes = Buffer.from('--b\r\nContent-Disposition: form-data; name="a\xff"\r\n\r\nx\r\n--b--', 'latin1');
    expect(() => read(bytes)).toThrow('UTF-8');
  });

  it('never fails otherwise', () => {
    const soup = fc.array(
      fc.constantFrom('--b', '--b--', '\r\n', 'Content-Disposition: form-data; name="x"', 'x', '-'),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          soup.map((parts) => parts.join('')),
          fc.string(),
        ),
        fc.array(fc.nat(200)),
        (body, cuts) => {
          try {
            read(body, 'b', cuts);
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid_request' });
          }
        },
      ),
    );
  });

  it.each([
    undefined,
    '',
    'application/json',
    'multipart/form-data',
    'multipart/form-data; boundary=',
    'multipart/form-data; boundary="a',
    `multipart/form-data; boundary=${'a'.repeat(71)}`,
    'multipart/form-data; boundary="a "',
    'multipart/form-data; boundary="ä"',
    'multipart/mixed; boundary=a',
  ])('the content type %j', (type) => {
    expect(() => boundaryOf(type)).toThrow(expect.objectContaining({ field: 'content-type' }));
  });

  it.each([
    ['multipart/form-data; boundary=abc', 'abc'],
    ['Multipart/Form-Data;charset=utf-8;BOUNDARY="a b"', 'a b'],
  ])('but not the content type %j', (type, boundary) => {
    expect(boundaryOf(type)).toBe(boundary);
  });
});
