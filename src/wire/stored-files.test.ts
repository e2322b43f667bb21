import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAnthropicFilesQuery } from './anthropic/stored-files.ts';
import { parseUpload } from './openai/stored-files.ts';
import { attachment, cleanFileName, cleanMediaType } from './stored-files.ts';

const anyName = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));

describe('the name of a file', () => {
  it('never leads elsewhere, never controls what shows it, and never grows', () => {
    fc.assert(
      fc.property(anyName, (given) => {
        const name = cleanFileName(given);
        expect(name).not.toMatch(/[/\\\p{Cc}\p{Cf}]/u);
        expect(name).not.toMatch(/^\.*$/);
        expect([...name].length).toBeLessThanOrEqual(255);
        expect(cleanFileName(name)).toBe(name.trim() === '' ? 'unnamed' : name.trim());
      }),
    );
  });

  it('comes whole through the header of an attachment, which holds nothing but it', () => {
    fc.assert(
      fc.property(anyName, (given) => {
        const name = cleanFileName(given);
        const header = attachment(name);
        expect(header).toMatch(/^attachment; filename="[ !#$&-:<-[\]-~]*"; filename\*=UTF-8''[\w!~.%-]+$/);
        expect(() => new Headers({ 'content-disposition': header })).not.toThrow();
        expect(decodeURIComponent(header.split("UTF-8''")[1] as string)).toBe(name);
      }),
    );
  });

  it.each([undefined, '', '.', '...', 'a/', '\u202e', '\ud800'])('%j is none', (given) => {
    expect(cleanFileName(given)).toBe('unnamed');
  });
});

it.each([
  ['text/plain', 'text/plain'],
  ['application/vnd.x+json', 'application/vnd.x+json'],
  [undefined, 'application/octet-stream'],
  ['text', 'application/octet-stream'],
  ['text/html\r\nx: y', 'application/octet-stream'],
  [`text/${'a'.repeat(65)}`, 'application/octet-stream'],
])('a media type given as %j is kept as %s', (given, kept) => {
  expect(cleanMediaType(given)).toBe(kept);
});

describe('queries and forms', () => {
  const isId = (text: string) => text.startsWith('file_');

  it('page in one way at a time', () => {
    expect(parseAnthropicFilesQuery({}, isId)).toEqual({
      kind: 'page',
      limit: 20,
      after: undefined,
      before: undefined,
    });
    expect(parseAnthropicFilesQuery({ page: ['file_1'] }, isId)).toMatchObject({ after: 'file_1' });
    expect(parseAnthropicFilesQuery({ page: [''], limit: ['5'] }, isId)).toMatchObject({ limit: 5, after: undefined });
    expect(parseAnthropicFilesQuery({ 'ids[]': ['a', 'a', 'b'] }, isId)).toEqual({ kind: 'ids', ids: ['a', 'b'] });
    const several: Record<string, string[]>[] = [
      { page: ['x'] },
      { page: ['file_1'], after_id: ['file_2'] },
      { 'ids[]': ['a'], page: ['file_1'] },
      { limit: ['0.5'] },
    ];
    for (const bad of several) {
      expect(() => parseAnthropicFilesQuery(bad, isId)).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    }
  });

  it('say what a file is for, and until when it is kept', () => {
    expect(parseUpload({ purpose: 'batch' })).toEqual({ purpose: 'batch', expiresAfterMs: undefined });
    const expiry = (seconds: string) => ({
      purpose: 'batch',
      'expires_after[anchor]': 'created_at',
      'expires_after[seconds]': seconds,
    });
    expect(parseUpload(expiry('3600')).expiresAfterMs).toBe(3_600_000);
    for (const bad of ['3599', '2592001', 'x', '']) {
      expect(() => parseUpload(expiry(bad))).toThrow(expect.objectContaining({ code: 'invalid_request' }));
    }
  });
});
