// Sources that never come to an end: bodies without a length, lists without a last byte. Nothing of them may fill the
// disk or the memory.
import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import type http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type LoopbackHub, onDownloads, startHub } from '../../test/support/loopback-hub.ts';
import { type Config, resolveConfig } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { type PullOptions, pullModel } from './pull.ts';

const fixture = readFileSync(path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'));
const repo = 'someone/Tiny-GGUF';
const file = 'Tiny-Q8_0.gguf';

let hub: LoopbackHub;
let home: string;
let config: Config;

beforeEach(async () => {
  hub = await startHub();
  hub.repositories.set(repo, new Map([[file, fixture]]));
  home = mkdtempSync(path.join(tmpdir(), 'freehold-endless-'));
  vi.stubEnv('OLLAMA_MODELS', path.join(home, 'no-ollama'));
  vi.stubEnv('HOME', home);
  config = resolveConfig({ home, hubEndpoint: hub.url }, {}, home).values;
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(home, { recursive: true, force: true });
});

const quick: PullOptions['patience'] = { retryMs: 5, silenceMs: 400, connectMs: 2000, attempts: 3 };
const pull = (reference: string, options: Partial<PullOptions> = {}) =>
  pullModel(reference, { config, patience: quick, ...options });
const failure = async (work: Promise<unknown>): Promise<FreeholdError> => {
  const error = await work.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(FreeholdError);
  return error as FreeholdError;
};

describe('an answer without an end', () => {
  /** Sends zeros until the other side hangs up, and never says how many. */
  const endless = (head: Buffer) => (_: http.IncomingMessage, response: http.ServerResponse) => {
    const zeros = Buffer.alloc(1 << 20);
    response.writeHead(200);
    response.write(head);
    const more = () => {
      while (!response.destroyed && response.write(zeros));
    };
    response.on('drain', more);
    more();
  };
  const parts = async () => (await readdir(path.join(home, 'models'))).filter((name) => name.includes('.part'));

  it('does not fill the disk, and leaves nothing behind', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(onDownloads(9, endless(fixture)));
    let asked = 0;
    const freeDiskBytes = async () => (asked++ < 1 ? 200e6 : 70e6);
    const error = await failure(pull(`${other.url}/${repo}/resolve/main/${file}`, { freeDiskBytes, force: true }));
    expect(error.code).toBe('disk_full');
    expect(asked).toBe(2);
    expect(await parts()).toEqual([]);
    await other.close();
  });

  it('does not become larger than the memory', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(onDownloads(9, endless(fixture)));
    const memory = { totalBytes: 200e6, freeBytes: 130e6 };
    const error = await failure(pull(`${other.url}/${repo}/resolve/main/${file}`, { memory }));
    expect(error.code).toBe('does_not_fit');
    expect(await parts()).toEqual([]);
    await other.close();
  });

  it('is cut off at the size the hub stated', async () => {
    hub.tricks.push(onDownloads(9, endless(fixture.subarray(0, 1000))));
    expect((await failure(pull(`hf:${repo}`))).message).toContain('sent more than');
    expect((await stat(path.join(home, 'models/tiny@q8_0.gguf.part'))).size).toBeLessThanOrEqual(fixture.length);
  });

  it('is no model when it announces more than any has', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(
      onDownloads(1, (_, response) => response.writeHead(200, { 'content-length': 5e12 }).write('GGUF')),
    );
    const freeDiskBytes = async () => 1e15;
    const error = await failure(pull(`${other.url}/${repo}/resolve/main/${file}`, { freeDiskBytes, force: true }));
    expect(error.message).toContain('more than 4.0 TB');
    expect(await parts()).toEqual([]);
    await other.close();
  });

  it('in place of a list of files is not read on', async () => {
    hub.tricks.push((request, response) => {
      endless(Buffer.from('['))(request, response);
      return true;
    });
    const error = await failure(pull(`hf:${repo}`));
    expect(error).toMatchObject({ code: 'download_failed', message: expect.stringContaining('more than 16.0 MB') });
  });

  it('that stops in the middle of a list counts as a broken connection', async () => {
    let lists = 0;
    hub.tricks.push((_, response) => {
      lists += 1;
      response.writeHead(200).write('[');
      return true;
    });
    expect((await failure(pull(`hf:${repo}`))).message).toContain('sent nothing');
    expect(lists).toBe(3);
  });
});
