import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readGguf } from '../../formats/gguf/read.ts';
import { loadNative } from '../../native/ffi.ts';
import { readTuning, type TuningKey, tuningKey, writeTuning } from './tuning-store.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-tuning-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const key: TuningKey = {
  processor: 'Some Processor',
  cores: 8,
  threads: 0,
  library: '1.2 x64',
  device: 'CPU Some Processor',
  architecture: 'llama',
  quantisation: 2,
  sizeBytes: 1000,
};
const tuning = { threads: 4, fewThreads: 6, batchThreads: 8, batchTokens: 512, ubatchTokens: 128 };
const files = () => readdirSync(path.join(home, 'tuning'));

it('what was written is read again, by the same key alone', () => {
  expect(readTuning(home, key)).toBe(undefined);
  writeTuning(home, key, tuning);
  expect(readTuning(home, key)).toEqual(tuning);
  for (const other of [
    { processor: 'x' },
    { cores: 9 },
    { threads: 8 },
    { library: '1.3' },
    { quantisation: 3 },
    { sizeBytes: 1 },
  ]) {
    expect(readTuning(home, { ...key, ...other })).toBe(undefined);
  }
  writeTuning(home, { ...key, device: 'CUDA0' }, { ...tuning, threads: 1 });
  expect([readTuning(home, key)?.threads, readTuning(home, { ...key, device: 'CUDA0' })?.threads]).toEqual([4, 1]);
});

it('no other file is left, and none of what is there names a path', () => {
  writeTuning(home, key, tuning);
  writeTuning(home, key, { ...tuning, threads: 2 });
  expect(files()).toHaveLength(1);
  expect(readFileSync(path.join(home, 'tuning', files()[0] as string), 'utf8')).not.toContain('/');
});

it('what is damaged, foreign or out of range counts as none', () => {
  writeTuning(home, key, tuning);
  const file = path.join(home, 'tuning', files()[0] as string);
  const whole = readFileSync(file, 'utf8');
  const wrong = [
    { threads: 9 },
    { threads: 0 },
    { threads: 1.5 },
    { batchThreads: 1e9 },
    { fewThreads: 0 },
    { fewThreads: undefined },
    { batchTokens: 1e9 },
    { batchTokens: 1 },
    { ubatchTokens: 513 },
    { ubatchTokens: -1 },
    { ubatchTokens: '64' },
  ];
  const { measuredAt } = JSON.parse(whole);
  const bad = [
    ...wrong.map((change) => JSON.stringify({ key, tuning: { ...tuning, ...change }, measuredAt })),
    whole.slice(0, 40),
    '',
    'null',
    '[]',
    '{}',
    JSON.stringify({ key: null, tuning, measuredAt }),
    JSON.stringify({ key: { ...key, cores: 4 }, tuning, measuredAt }),
    JSON.stringify({ key, tuning }),
    JSON.stringify({ key, tuning, measuredAt: 'yesterday' }),
  ];
  for (const text of bad) {
    writeFileSync(file, text);
    expect([text, readTuning(home, key)]).toEqual([text, undefined]);
  }
  writeFileSync(file, whole);
  expect(readTuning(home, key)).toEqual(tuning);
});

it('what was measured over a month ago is measured again', () => {
  writeTuning(home, key, tuning);
  const day = 24 * 3_600_000;
  expect(readTuning(home, key, Date.now() + 29 * day)).toEqual(tuning);
  expect(readTuning(home, key, Date.now() + 31 * day)).toBe(undefined);
});

it('a folder that cannot be written is an error, and reads as none', () => {
  writeFileSync(path.join(home, 'tuning'), 'in the way');
  expect(() => writeTuning(home, key, tuning)).toThrow();
  expect(readTuning(home, key)).toBe(undefined);
});

it('the key of a model is the same wherever its file lies', async () => {
  const native = loadNative({ device: 'cpu' });
  const fixture = path.join(import.meta.dirname, '../../../test/fixtures/tiny.gguf');
  mkdirSync(path.join(home, 'elsewhere'));
  const copy = path.join(home, 'elsewhere', 'other.gguf');
  writeFileSync(copy, readFileSync(fixture));
  const of = async (file: string, threads: number) => tuningKey(native, await readGguf(file), file, threads);
  expect(await of(copy, 0)).toEqual(await of(fixture, 0));
  expect(await of(copy, 0)).toMatchObject({ architecture: 'llama', sizeBytes: readFileSync(fixture).length });
  expect(await of(copy, 1)).not.toEqual(await of(fixture, 0));
});
