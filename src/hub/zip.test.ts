import { mkdtempSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { zipOf } from '../../test/support/zip-file.ts';
import { FreeholdError } from '../lib/errors.ts';
import { extractMember, listZip } from './zip.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-zip-'));
afterAll(() => rm(folder, { recursive: true, force: true }));

const archive = path.join(folder, 'a.zip');
const target = path.join(folder, 'out');
const signal = new AbortController().signal;

async function roundTrip(zip: Buffer, name: string): Promise<Buffer> {
  await writeFile(archive, zip);
  const member = (await listZip(archive)).find((each) => each.name === name);
  if (!member) throw new Error(`no ${name}`);
  await extractMember(archive, member, target, signal, () => undefined);
  return await readFile(target);
}

describe('a zip member', () => {
  it('comes out as it went in, stored or deflated, behind others and before a comment', async () => {
    const bytes = Buffer.from('weights '.repeat(50_000));
    for (const method of [0, 8] as const) {
      const zip = zipOf(
        [
          { name: 'first', bytes: Buffer.from('x') },
          { name: 'dir/model', bytes, method },
        ],
        'a comment',
      );
      expect(await roundTrip(zip, 'dir/model')).toEqual(bytes);
    }
  });

  it('comes out whatever its bytes are', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 5000 }),
        fc.constantFrom(0 as const, 8 as const),
        async (raw, method) => {
          const bytes = Buffer.from(raw);
          expect(await roundTrip(zipOf([{ name: 'm', bytes, method }]), 'm')).toEqual(bytes);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('that is damaged is refused', async () => {
    const bytes = Buffer.from('weights '.repeat(1000));
    await expect(roundTrip(zipOf([{ name: 'm', bytes, crc32: 1 }]), 'm')).rejects.toMatchObject({
      code: 'download_failed',
      message: expect.stringContaining('damaged'),
    });
  });

  it('of an archive cut short anywhere is refused with a coded error', async () => {
    const zip = zipOf([{ name: 'm', bytes: Buffer.from('weights '.repeat(100)) }]);
    for (let length = 0; length < zip.length; length += 7) {
      await expect(roundTrip(zip.subarray(0, length), 'm')).rejects.toBeInstanceOf(FreeholdError);
    }
  });
});
