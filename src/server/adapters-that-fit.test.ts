import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { adapterContent } from '../../scripts/fixture-adapter.ts';
import { adapterPath, bertPath, fixturePath } from '../../scripts/make-fixture.ts';
import { ggufBytes } from '../formats/gguf/write.ts';
import { createAdaptersThatFit } from './adapters-that-fit.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-fit-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('names the adapters of a chat model that fit it, and is no worse for files that are none', async () => {
  const files = { legal: adapterPath, whole: fixturePath, gone: path.join(folder, 'gone.gguf') };
  const fit = createAdaptersThatFit(files);
  expect(await fit.of({ file: fixturePath, kind: 'chat' })).toEqual(['legal']);
  expect(await fit.of({ file: bertPath, kind: 'chat' })).toEqual([]);
  expect(await fit.of({ file: bertPath, kind: 'embedding' })).toEqual([]);
  expect(await fit.of({ file: path.join(folder, 'gone.gguf'), kind: 'chat' })).toEqual([]);
});

it('looks again when a file has changed', async () => {
  const file = path.join(folder, 'late.gguf');
  writeFileSync(file, 'not yet');
  const fit = createAdaptersThatFit({ late: file });
  expect(await fit.of({ file: fixturePath, kind: 'chat' })).toEqual([]);
  writeFileSync(file, await ggufBytes(adapterContent()));
  utimesSync(file, 1, 1);
  expect(await fit.of({ file: fixturePath, kind: 'chat' })).toEqual(['late']);
});
