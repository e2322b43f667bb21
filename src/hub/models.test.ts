// What is found on a machine: our own folder, Ollama's and LM Studio's, each made of temporary files.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeManifest } from './manifest.ts';
import {
  findLocalModel,
  findUsableModel,
  listLocalModels,
  nameUniquely,
  removeLocalModel,
  surveyLocalModels,
} from './models.ts';

const fixtureFile = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
const fixture = readFileSync(fixtureFile);

let home: string;
let config: { home: string; defaultModel: string };

beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-models-'));
  vi.stubEnv('HOME', home);
  vi.stubEnv('OLLAMA_MODELS', path.join(home, 'ollama'));
  config = { home: path.join(home, 'freehold'), defaultModel: 'smollm2-135m' };
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(home, { recursive: true, force: true });
});

async function put(file: string, bytes: Buffer | string = fixture): Promise<string> {
  const at = path.join(home, file);
  await mkdir(path.dirname(at), { recursive: true });
  await writeFile(at, bytes);
  return at;
}

async function ollama(name: string, layers: unknown = undefined): Promise<string> {
  const digest = createHash('sha256').update(name).digest('hex');
  await put(
    `ollama/manifests/${name}`,
    JSON.stringify({
      schemaVersion: 2,
      layers: layers ?? [
        { mediaType: 'application/vnd.ollama.image.license', digest: `sha256:${'1'.repeat(64)}` },
        { mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${digest}`, size: fixture.length },
      ],
    }),
  );
  return await put(`ollama/blobs/sha256-${digest}`);
}

async function ours(name: string, quantisation?: string): Promise<string> {
  const file = `${name.replace(':', '@')}.gguf`;
  await put(`freehold/models/${file}`);
  await writeManifest(path.join(config.home, 'models'), {
    version: 1,
    name,
    origin: 'freehold',
    files: [file],
    source: 'test',
    addedAt: '2026-11-01T00:00:00.000Z',
    ...(quantisation ? { quantisation } : {}),
  });
  return path.join(config.home, 'models', file);
}

const names = async () => (await listLocalModels(config)).map((model) => `${model.origin} ${model.name}`);

describe('the list', () => {
  it('is empty on a fresh machine', async () => {
    expect(await names()).toEqual([]);
  });

  it('holds what Freehold pulled, and what its file says about it', async () => {
    const file = await ours('qwen3-4b', 'Q4_K_M');
    expect(await listLocalModels(config)).toEqual([
      {
        name: 'qwen3-4b',
        file,
        origin: 'freehold',
        sizeBytes: fixture.length,
        quantisation: 'Q4_K_M',
        architecture: 'llama',
        kind: 'chat',
        parameters: expect.any(Number),
        contextTokens: expect.any(Number),
        addedAt: '2026-11-01T00:00:00.000Z',
      },
    ]);
  });

  it('holds the models of Ollama and LM Studio where they lie, under names that can be typed', async () => {
    const blob = await ollama('registry.ollama.ai/library/llama3.2/3b');
    await ollama('registry.ollama.ai/someone/tuned/latest');
    await ollama('hf.co/owner/Repo-GGUF/Q4_K_M');
    await put('.lmstudio/models/publisher/Phi-4-GGUF/phi-4-Q4_K_M.gguf');
    await put('.lmstudio/models/publisher/Phi-4-GGUF/mmproj-phi-4.gguf');
    await put('.cache/lm-studio/models/publisher/Old-GGUF/old-Q8_0.gguf');
    expect(await names()).toEqual([
      'ollama hf.co/owner/repo-gguf:q4_k_m',
      'ollama llama3.2:3b',
      'ollama someone/tuned:latest',
      'lm-studio phi-4:q4_k_m',
      'lm-studio old:q8_0',
    ]);
    expect((await findLocalModel('llama3.2:3b', config))?.file).toBe(blob);
  });

  it('gives every model a name of its own, and the plain name always to the same one', async () => {
    await ours('phi-4:q4_k_m');
    await put('.lmstudio/models/one/Phi-4-GGUF/phi-4-Q4_K_M.gguf');
    await put('.lmstudio/models/two/Phi-4-GGUF/phi-4-Q4_K_M.gguf');
    expect(await names()).toEqual([
      'freehold phi-4:q4_k_m',
      'lm-studio one/phi-4:q4_k_m',
      'lm-studio two/phi-4:q4_k_m',
    ]);
  });

  it('numbers what has even the same long name, however many there are', () => {
    const many = Array.from({ length: 50_000 }, () => ({ name: 'a', qualifiedName: 'p/a' }));
    const named = nameUniquely([{ name: 'p/a-3', qualifiedName: 'x' }, ...many]).map(({ name }) => name);
    expect(named.slice(0, 6)).toEqual(['p/a-3', 'a', 'p/a', 'p/a-2', 'p/a-4', 'p/a-5']);
    expect(new Set(named).size).toBe(50_001);
  });

  it('names a model over several files once, and leaves it out while a part is missing', async () => {
    const one = await put('.lmstudio/models/p/Big/Big-Q8_0-00001-of-00002.gguf');
    const two = await put('.lmstudio/models/p/Big/Big-Q8_0-00002-of-00002.gguf');
    expect(await listLocalModels(config)).toMatchObject([
      { name: 'big:q8_0', file: one, sizeBytes: 2 * fixture.length },
    ]);
    await rm(two);
    const { models, problems } = await surveyLocalModels(config);
    expect(models).toEqual([]);
    expect(problems).toEqual([{ file: one, reason: expect.stringContaining('00002-of-00002') }]);
  });

  it('leaves out whatever is broken, tells why, and keeps the rest', async () => {
    await ours('good');
    const gone = await ollama('registry.ollama.ai/library/gone/latest');
    await rm(gone);
    await ollama('registry.ollama.ai/library/odd/latest', 'not a list');
    await ollama('registry.ollama.ai/library/evil/latest', [
      { mediaType: 'application/vnd.ollama.image.model', digest: 'sha256:../../../../etc/passwd' },
    ]);
    await ollama('registry.ollama.ai/library/tensors/latest', [
      { mediaType: 'application/vnd.ollama.image.tensor', digest: `sha256:${'2'.repeat(64)}` },
    ]);
    await put('.lmstudio/models/p/Cut/cut.gguf', fixture.subarray(0, 1000));
    await put('freehold/models/broken.json', '{"version": 1');
    await put(
      'freehold/models/thief.json',
      JSON.stringify({
        version: 1,
        name: 'thief',
        origin: 'freehold',
        files: ['../../precious.gguf'],
        source: 'x',
        addedAt: 'now',
      }),
    );
    const { models, problems } = await surveyLocalModels(config);
    expect(models.map((model) => model.name)).toEqual(['good']);
    expect(problems.map((problem) => path.basename(path.dirname(problem.file))).sort()).toEqual(
      ['blobs', 'Cut', 'evil', 'models', 'models', 'odd', 'tensors'].sort(),
    );
    for (const { reason } of problems) expect(reason.length).toBeGreaterThan(10);
  });

  it('notices that a file changed', async () => {
    const file = await ours('changing');
    expect(await names()).toEqual(['freehold changing']);
    await writeFile(file, 'no model any more');
    expect(await names()).toEqual([]);
    await copyFile(fixtureFile, file);
    expect(await names()).toEqual(['freehold changing']);
  });

  it.skipIf(process.platform === 'win32')('waits for no pipe, whatever it is called', async () => {
    await ours('good');
    const pipes = [
      await put('freehold/models/pipe.gguf'),
      await put('freehold/models/pipe.json'),
      await put('.lmstudio/models/p/Pipe/pipe.gguf'),
      await put('ollama/manifests/registry.ollama.ai/library/pipe/latest'),
      await ollama('registry.ollama.ai/library/blob/latest'),
    ];
    const target = path.join(home, 'target');
    execFileSync('mkfifo', [target]);
    for (const [index, pipe] of pipes.entries()) {
      await rm(pipe);
      // links are followed, to pipes too
      if (index % 2 === 0) execFileSync('mkfifo', [pipe]);
      else await symlink(target, pipe);
    }
    const { models, problems } = await surveyLocalModels(config);
    expect(models.map(({ name }) => name)).toEqual(['good']);
    // what is no file in a folder of another program is not even looked at
    expect(problems.map((problem) => problem.file).sort()).toEqual(
      pipes.filter((pipe) => !pipe.includes('.lmstudio')).sort(),
    );
    for (const { reason } of problems) expect(reason).toMatch(/pipe/);
    await expect(findLocalModel(target, config, { paths: true })).rejects.toMatchObject({ code: 'gguf_invalid' });
  });

  it('survives a folder that cannot be read', async () => {
    await ours('good');
    const loop = path.join(home, '.lmstudio/models');
    await mkdir(path.dirname(loop), { recursive: true });
    await symlink(loop, loop);
    const { models, problems } = await surveyLocalModels(config);
    expect(models).toHaveLength(1);
    expect(problems).toEqual([{ file: loop, reason: expect.stringContaining('ELOOP') }]);
  });
});

describe('a name', () => {
  it('may be exact, an alias of the catalogue, without or with its quantisation, in any case', async () => {
    await ours('llama-3.2-3b', 'Q4_K_M');
    for (const name of ['llama-3.2-3b', 'LLAMA-3.2-3B', 'llama3.2', 'llama3.2:3b', 'llama-3.2-3b:q4_k_m']) {
      expect((await findLocalModel(name, config))?.name, name).toBe('llama-3.2-3b');
    }
    for (const name of ['llama-3.2-3b:q8_0', 'llama3.2:1b', 'llama', '']) {
      expect(await findLocalModel(name, config), name).toBeUndefined();
    }
  });

  it('of the catalogue finds the same model in Ollama', async () => {
    await ollama('registry.ollama.ai/library/llama3.2/3b');
    expect((await findLocalModel('llama-3.2-3b', config))?.name).toBe('llama3.2:3b');
  });

  it('without a tag prefers the latest one of Ollama', async () => {
    await ollama('registry.ollama.ai/library/mine/1b');
    await ollama('registry.ollama.ai/library/mine/latest');
    expect((await findLocalModel('mine', config))?.name).toBe('mine:latest');
  });

  it('of a damaged model says what is wrong with which file, unless an undamaged one is meant too', async () => {
    const file = await ours('hurt:q8_0');
    await writeFile(file, fixture.subarray(0, 5000));
    for (const name of ['hurt:q8_0', 'HURT', 'freehold/hurt:q8_0']) {
      await expect(findLocalModel(name, config), name).rejects.toMatchObject({
        code: 'gguf_invalid',
        message: expect.stringContaining(file),
        hint: 'Fetch it again with: freehold pull hurt:q8_0',
      });
      expect(await findUsableModel(name, config)).toBeUndefined();
    }
    expect(await findLocalModel('hurt:q4_0', config)).toBeUndefined();
    const other = await ours('hurt:q4_0');
    expect((await findLocalModel('hurt', config))?.file).toBe(other);
    await expect(findLocalModel('hurt:q8_0', config)).rejects.toMatchObject({ code: 'gguf_invalid' });
    await removeLocalModel('hurt:q8_0', config);
    await expect(stat(file)).rejects.toThrow('ENOENT');
  });

  it('of a model whose file is gone is a name of nothing, and a missing part is told', async () => {
    await rm(await ours('gone'));
    expect(await findLocalModel('gone', config)).toBeUndefined();
    await put('.lmstudio/models/p/Big/Big-Q8_0-00001-of-00002.gguf');
    await expect(findLocalModel('big', config)).rejects.toThrow(/Big-Q8_0-00002-of-00002\.gguf: no such file/);
  });

  it('may be a path where that is allowed, and never where it is not', async () => {
    const file = await put('elsewhere/some-Q4_0.gguf');
    expect(await findLocalModel(file, config, { paths: true })).toMatchObject({ name: file, file, origin: 'file' });
    expect(await findLocalModel(file, config)).toBeUndefined();
    expect(await findLocalModel(file, { ...config, defaultModel: file })).toMatchObject({ file });
  });
});

describe('removing', () => {
  it('deletes what Freehold pulled, and nothing else', async () => {
    const file = await ours('mine');
    const other = await ours('other');
    await removeLocalModel('mine', config);
    await expect(stat(file)).rejects.toThrow('ENOENT');
    expect(await readFile(other)).toEqual(fixture);
    expect(await names()).toEqual(['freehold other']);
  });

  it('refuses models of other programs and says where to remove them', async () => {
    const blob = await ollama('registry.ollama.ai/library/llama3.2/3b');
    await put('.lmstudio/models/p/Phi/phi.gguf');
    await expect(removeLocalModel('llama3.2:3b', config)).rejects.toMatchObject({
      code: 'unsupported',
      hint: expect.stringContaining('ollama rm llama3.2:3b'),
    });
    await expect(removeLocalModel('phi', config)).rejects.toMatchObject({ code: 'unsupported' });
    expect(await readFile(blob)).toEqual(fixture);
  });

  it('refuses what is not here', async () => {
    await expect(removeLocalModel('nothing', config)).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('deletes what an unfinished pull left behind', async () => {
    const part = await put('freehold/models/half.gguf.part', 'half');
    const kept = await put('freehold/models/half-other.gguf.part', 'half');
    await removeLocalModel('half', config);
    await expect(stat(part)).rejects.toThrow('ENOENT');
    await stat(kept);
  });
});
