import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkCorpus, findTextFiles, readPieces } from './corpus.ts';
import { faultOf, firstInvalid } from './utf8.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-corpus-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(name: string, content: string | Uint8Array): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

async function documentsOf(...sources: string[]): Promise<string[]> {
  const documents: string[] = [];
  let parts: Uint8Array[] = [];
  for (const file of await findTextFiles(sources)) {
    for await (const { bytes, endsDocument } of readPieces(file)) {
      parts.push(bytes);
      if (!endsDocument) continue;
      documents.push(Buffer.concat(parts).toString('utf8'));
      parts = [];
    }
  }
  expect(parts).toEqual([]);
  return documents;
}

const check = async (...sources: string[]) => await checkCorpus(await findTextFiles(sources));

describe('documents', () => {
  it('are whole files, and lines of JSONL, found in folders in the order of their paths', async () => {
    put('b.txt', '\ufeffzwei');
    put('a/deep/x.md', 'eins');
    put('c.jsonl', '{"text":"drei\\u00e9"}\n\n{"text":"  "}\n{"text":"vier","id":4}');
    put('d.pdf', '%PDF');
    put('.hidden.txt', 'no');
    put('empty.txt', '');
    expect(await documentsOf(folder)).toEqual(['eins', 'zwei', 'dreié', 'vier']);
    expect(await check(folder)).toEqual({
      files: 3,
      documents: 4,
      bytes: 4 + 4 + 6 + 4,
      emptyFiles: [path.join(folder, 'empty.txt')],
      convertedFiles: [],
    });
  });

  it('may be a file of any ending that is named itself, and are there once when named twice', async () => {
    const file = put('notes.html', 'x');
    expect(await documentsOf(file, file)).toEqual(['x']);
  });

  it('come in pieces of a megabyte, whatever is in them, and lose nothing', async () => {
    const line = 'a'.repeat(100 << 20);
    put('one-line.txt', line);
    let largest = 0;
    let total = 0;
    for (const file of await findTextFiles([folder])) {
      for await (const { bytes } of readPieces(file)) {
        largest = Math.max(largest, bytes.length);
        total += bytes.length;
      }
    }
    expect(total).toBe(100 << 20);
    expect(largest).toBeLessThanOrEqual(2 << 20);
  });

  it('keep characters whole across pieces', async () => {
    const text = '漢字🙂'.repeat(300_000);
    put('han.txt', text);
    put('lines.jsonl', JSON.stringify({ text }));
    for (const file of await findTextFiles([folder])) {
      for await (const { bytes } of readPieces(file)) expect(firstInvalid(bytes)).toBe(bytes.length);
    }
    expect(await documentsOf(folder)).toEqual([text, text]);
  });
});

describe('files in another encoding', () => {
  it('are read by it, where they are not UTF-8', async () => {
    const latin = put('latin.txt', Buffer.from('Nous c\xe2usames \x80 longtemps', 'latin1'));
    put('utf8.txt', 'c\u00e2usames');
    put('wide.jsonl', Buffer.from('{"text": "h\u00e9"}\n{"text": "two"}\n', 'latin1'));
    const files = await findTextFiles([folder], { encoding: 'cp1252' });
    expect(files.map(({ encoding }) => encoding)).toEqual(['windows-1252', undefined, 'windows-1252']);
    const texts: string[] = [];
    for (const file of files) for await (const { bytes } of readPieces(file)) texts.push(Buffer.from(bytes).toString());
    expect(texts).toEqual(['Nous c\u00e2usames \u20ac longtemps', 'c\u00e2usames', 'h\u00e9', 'two']);
    expect((await checkCorpus(files)).convertedFiles).toEqual([latin, path.join(folder, 'wide.jsonl')]);
  });

  it('may be wide, and have characters that lie across blocks', async () => {
    const text = '\u20ac\u{1f600}a'.repeat(400_000);
    const file = put('wide.txt', Buffer.from(text, 'utf16le'));
    const parts: Uint8Array[] = [];
    for (const each of await findTextFiles([file], { encoding: 'utf-16le' }))
      for await (const { bytes } of readPieces(each)) parts.push(bytes);
    expect(Buffer.concat(parts).toString() === text).toBe(true);
  });

  it('nobody knows are refused', async () => {
    const file = put('a.txt', 'a');
    await expect(findTextFiles([file], { encoding: 'klingon' })).rejects.toThrow('There is no encoding "klingon".');
  });
});

describe('bad input is named', () => {
  const refused = async (message: string, ...sources: string[]) =>
    await expect(check(...sources)).rejects.toMatchObject({
      code: 'data_invalid',
      message: expect.stringContaining(message),
    });

  it('empty files, and folders without text', async () => {
    await refused('is empty', put('empty.txt', ''));
    await refused('is empty', put('blank.txt', ' \n\t\n'));
    mkdirSync(path.join(folder, 'nothing'));
    await refused('There is no text in', path.join(folder, 'nothing'));
  });

  it('binary files', async () => {
    await refused('a zero byte at 5', put('a.txt', 'hello\0there'));
    await refused('control characters from byte 2', put('b.txt', `ok${'\u0001\u0002'.repeat(50)}`));
  });

  it('text that is not UTF-8, with the byte', async () => {
    const file = put('latin.txt', Buffer.from(`${'x'.repeat(3 << 20)}caf\u00e9 olé`, 'latin1'));
    await refused(`${file} is not UTF-8: byte ${(3 << 20) + 3}`, file);
    await refused('byte 4 begins no character', put('cut.txt', Buffer.from('good🙂').subarray(0, 6)));
  });

  it('lines that are no JSON, or have no text', async () => {
    await refused('Line 2 of', put('a.jsonl', '{"text":"x"}\n{"text":'));
    await refused('no field "text"', put('b.jsonl', '{"body":"x"}'));
    await refused('byte 10 begins no character', put('c.jsonl', Buffer.from('{"text":"aé"}', 'latin1')));
  });

  it('what is not there or may not be read', async () => {
    await expect(check(path.join(folder, 'no.txt'))).rejects.toMatchObject({ code: 'file_not_found' });
    const locked = put('locked.txt', 'x');
    chmodSync(locked, 0);
    // a superuser may read everything
    if (process.getuid?.() !== 0) await expect(check(locked)).rejects.toMatchObject({ code: 'file_io' });
  });
});

it('finds the first byte that is not UTF-8 as the platform does', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }), (noise, text) => {
      const good = Buffer.from(text);
      const bytes = Buffer.concat([good, noise]);
      const at = firstInvalid(bytes);
      const decodes = (part: Uint8Array) => {
        try {
          new TextDecoder('utf-8', { fatal: true }).decode(part);
          return true;
        } catch {
          return false;
        }
      };
      expect(decodes(bytes.subarray(0, at))).toBe(true);
      expect(at === bytes.length).toBe(decodes(bytes));
      expect(at).toBeGreaterThanOrEqual(good.length);
      if (faultOf(bytes)?.kind === 'not-utf8') expect(faultOf(bytes)?.at).toBe(at);
    }),
    { numRuns: 500 },
  );
});
