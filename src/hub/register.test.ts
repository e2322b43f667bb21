import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tryLock } from './lock.ts';
import { lockPath, modelsFolder } from './manifest.ts';
import { listLocalModels, removeLocalModel } from './models.ts';
import { registerMade } from './register.ts';

const fixture = path.resolve(import.meta.dirname, '../../test/fixtures/tiny.gguf');

let root: string;
let config: { home: string; defaultModel: string };
beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'freehold-register-'));
  config = { home: path.join(root, 'home'), defaultModel: '' };
});
afterEach(() => rm(root, { recursive: true, force: true }));

const made = { name: 'shakespeare', source: 'run:shakespeare' };
const write = (file: string) => copyFile(fixture, file);
const here = async () =>
  (await listLocalModels(config)).filter(({ origin }) => origin !== 'bundled').map(({ name }) => name);

describe('a model that was made here', () => {
  it('is listed, made again in the same place, and removed with its file', async () => {
    const model = await registerMade(config, made, write);
    expect(model).toMatchObject({ name: 'shakespeare', origin: 'freehold' });
    expect(path.dirname(model.file)).toBe(modelsFolder(config));
    expect(await registerMade(config, made, write)).toMatchObject({ file: model.file });
    await registerMade(config, { ...made, name: 'shakespeare:q8_0' }, write);
    expect(await here()).toEqual(['shakespeare', 'shakespeare:q8_0']);
    await removeLocalModel('shakespeare', config);
    expect(await here()).toEqual(['shakespeare:q8_0']);
    await expect(readFile(model.file)).rejects.toThrow();
  });

  it('may lie elsewhere; then its file is the owner’s', async () => {
    const file = path.join(root, 'mine.gguf');
    expect(await registerMade(config, { ...made, file }, write)).toMatchObject({ file, origin: 'file' });
    await registerMade(config, { ...made, file }, write);
    await removeLocalModel('shakespeare', config);
    expect((await readFile(file)).length).toBeGreaterThan(0);
  });

  it('takes no other model’s name and no other file’s place', async () => {
    await registerMade(config, made, write);
    const refused = (change: object) =>
      registerMade(config, { ...made, ...change }, async () => expect.unreachable('nothing is written'));
    await expect(refused({ source: 'run:other' })).rejects.toMatchObject({ code: 'name_taken', field: 'name' });
    const file = path.join(root, 'letter.gguf');
    await writeFile(file, 'a letter');
    await expect(refused({ name: 'second', file })).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await readFile(file, 'utf8')).toBe('a letter');
  });

  it.each(['', 'A Model', '../x', 'a:b:c', 'a:', 'a/b'])('is not called "%s"', async (name) => {
    await expect(registerMade(config, { ...made, name }, write)).rejects.toMatchObject({ field: 'name' });
  });

  it('that could not be written is not there, and what was there before is', async () => {
    const fail = () => Promise.reject(new Error('full'));
    await expect(registerMade(config, made, fail)).rejects.toThrow('full');
    expect(await here()).toEqual([]);
    await registerMade(config, made, write);
    await expect(registerMade(config, made, fail)).rejects.toThrow('full');
    expect(await here()).toEqual(['shakespeare']);
  });

  it('waits for nobody who makes the same', async () => {
    await mkdir(modelsFolder(config), { recursive: true });
    const release = await tryLock(lockPath(modelsFolder(config), 'shakespeare'));
    await expect(registerMade(config, made, write)).rejects.toMatchObject({ code: 'in_use' });
    await release?.();
    await registerMade(config, made, write);
  });
});
