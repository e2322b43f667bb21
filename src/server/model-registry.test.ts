import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFakeModel, type FakeModel } from '../../test/support/fake-model.ts';
import { testHome } from '../../test/support/server.ts';
import { resolveConfig } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { silentLogger } from '../lib/log.ts';
import { createModelRegistry, type ModelRegistryOptions } from './model-registry.ts';

/** How long to wait for what must come; a busy machine may need it. */
const soon = { timeout: 30_000 };

let home: string;
let opened: FakeModel[];
beforeEach(() => {
  home = testHome().home;
  opened = [];
  for (const name of ['a', 'b', 'c']) writeFileSync(path.join(home, `${name}.gguf`), 'GGUF');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const shape = { contextTokens: 512, sequences: 2 };

const registry = (parts: Partial<ModelRegistryOptions> = {}, settings: object = {}) =>
  createModelRegistry({
    config: { ...resolveConfig({}, {}, home).values, home, defaultModel: 'a', ...settings },
    open: async ({ name }) => {
      const model = createFakeModel(name);
      opened.push(model);
      return model;
    },
    find: async (name) => {
      const own = name === 'alias-of-b' ? 'b' : name;
      return ['a', 'b', 'c'].includes(own) ? { name: own, file: path.join(home, `${own}.gguf`) } : undefined;
    },
    plan: async () => shape,
    names: async () => ({ here: ['a', 'b', 'c'], catalogue: [] }),
    logger: silentLogger,
    ...parts,
  });

const names = () => opened.map(({ name }) => name);

describe('a model', () => {
  it('is loaded once, by whatever name and however many ask at first', async () => {
    const models = registry();
    const loaded = await Promise.all([models.get('default'), models.get('a'), models.get('a')]);
    expect(new Set(loaded).size).toBe(1);
    await models.get('b');
    await models.get('alias-of-b');
    expect(names()).toEqual(['a', 'b']);
    expect(models.status()).toEqual([
      { name: 'a', state: 'ready', pid: undefined, contextTokens: 1000 },
      { name: 'b', state: 'ready', pid: undefined, contextTokens: 1000 },
    ]);
  });

  it('is loaded again after it failed for good', async () => {
    const models = registry();
    await models.get('a');
    opened[0]!.state = 'failed';
    await models.get('a');
    expect(names()).toEqual(['a', 'a']);
    expect(opened.map(({ closed }) => closed)).toEqual([true, false]);
  });

  it('that has crashed is not loaded anew: it says itself when it may be tried again', async () => {
    const models = registry();
    const model = await models.get('a');
    opened[0]!.state = 'crashed';
    expect(await models.get('a')).toBe(model);
    expect(names()).toEqual(['a']);
    expect(models.status()).toMatchObject([{ name: 'a', state: 'crashed' }]);
  });

  it('that could not be loaded is tried again after a growing wait; until then the same error is the answer', async () => {
    let [nowMs, tries, broken] = [0, 0, true];
    const models = registry({
      now: () => nowMs,
      open: async ({ name }) => {
        tries += 1;
        if (broken) throw new FreeholdError('model_failed', `died ${tries}`);
        return createFakeModel(name);
      },
    });
    const failure = () =>
      models.get('a').then(
        () => undefined,
        (error: FreeholdError) => `${error.code}: ${error.message}`,
      );
    expect(await failure()).toBe('model_failed: died 1');
    expect(models.status()).toEqual([]);
    // each wait, and what is told just before its end and at it
    for (const [index, waitMs] of [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].entries()) {
      nowMs += waitMs - 1;
      await expect(models.get('a')).rejects.toMatchObject({
        message: `died ${index + 1}`,
        retryAfterMs: 1,
        hint: expect.stringContaining('next try is in 1 s'),
      });
      nowMs += 1;
      expect(await failure()).toBe(`model_failed: died ${index + 2}`);
    }
    expect(tries).toBe(8);
    await expect(models.get('b')).rejects.toMatchObject({ message: 'died 9' });

    nowMs += 30_000;
    broken = false;
    const model = (await models.get('a')) as FakeModel;
    // a success clears what was: the next failure waits a second again
    broken = true;
    model.state = 'failed';
    expect(await failure()).toBe('model_failed: died 11');
    nowMs += 1000;
    expect(await failure()).toBe('model_failed: died 12');
  });

  it('that could not be loaded is tried at once when its file changed', async () => {
    const file = path.join(home, 'a.gguf');
    const models = registry({
      now: () => 0,
      open: async ({ name }) => {
        if (readFileSync(file, 'utf8') === 'GGUF') throw new FreeholdError('gguf_invalid', 'cut off');
        return createFakeModel(name);
      },
    });
    await expect(models.get('a')).rejects.toMatchObject({ code: 'gguf_invalid' });
    await expect(models.get('a')).rejects.toMatchObject({ code: 'gguf_invalid' });
    writeFileSync(file, 'GGUF, whole');
    expect((await models.get('a')).name).toBe('a');
  });

  it('for which there was no room is tried anew each time', async () => {
    let full = true;
    const models = registry({
      now: () => 0,
      plan: async () => {
        if (full) throw new FreeholdError('does_not_fit', 'too big');
        return shape;
      },
    });
    await expect(models.get('a')).rejects.toMatchObject({ code: 'does_not_fit' });
    full = false;
    expect((await models.get('a')).name).toBe('a');
  });

  it('whose load is stuck is given up, and blocks no other', async () => {
    const signals: AbortSignal[] = [];
    const models = registry({
      loadTimeoutMs: 50,
      open: async ({ name }, _logger, signal) => {
        signals.push(signal);
        if (name === 'a') await new Promise(() => {});
        return createFakeModel(name);
      },
    });
    const [stuck, other] = await Promise.allSettled([models.get('a'), models.get('b')]);
    expect(stuck).toMatchObject({ reason: { code: 'model_failed', message: expect.stringContaining('took longer') } });
    expect(other).toMatchObject({ value: { name: 'b' } });
    expect(signals[0]?.aborted).toBe(true);
    // and not begun again at once
    await expect(models.get('a')).rejects.toMatchObject({ message: expect.stringContaining('took longer') });
    expect(signals).toHaveLength(2);
  });

  it('is loaded with what the plan and the configuration say', async () => {
    let given: object = {};
    const models = registry(
      {
        open: async (options) => {
          given = options;
          return createFakeModel(options.name);
        },
      },
      { threads: 2, queueLimit: 9 },
    );
    await models.preload('default');
    expect(given).toEqual({
      name: 'a',
      file: path.join(home, 'a.gguf'),
      contextTokens: shape.contextTokens,
      maxSequences: shape.sequences,
      threads: 2,
      device: 'auto',
      libDir: '',
      home,
      queueLimit: 9,
    });
  });

  it('that cannot chat is refused before it is loaded, also while another one loads', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const models = registry({
      find: async (name) => ({
        name,
        file: path.join(home, `${name}.gguf`),
        kind: name === 'b' ? 'embedding' : name === 'c' ? 'rerank' : 'chat',
      }),
      open: async ({ name }) => {
        await gate;
        opened.push(createFakeModel(name));
        return opened.at(-1) as FakeModel;
      },
    });
    const loading = models.get('a');
    await expect(models.get('b')).rejects.toMatchObject({
      code: 'unsupported',
      field: 'model',
      message: expect.stringMatching(/"b" cannot chat.*embedding/),
    });
    await expect(models.get('c')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/rerank/),
    });
    expect(models.status().map(({ name }) => name)).toEqual(['a']);
    finish();
    await loading;
    expect(names()).toEqual(['a']);
  });

  it('answers with an adapter where its name goes on with one that there is', async () => {
    const models = registry({}, { adapters: ['legal=/l.gguf'] });
    const adapted = await models.get('a+legal');
    expect(adapted.capabilities().model).toBe('a+legal');
    expect(adapted.name).toBe('a');
    const request = { messages: [], tenant: 't', traceId: 'x' };
    for (const each of [request, { ...request, adapter: 'other' }]) for await (const _ of adapted.generate(each));
    for await (const _ of (await models.get('a')).generate(request));
    expect(opened[0]?.requests.map(({ adapter }) => adapter)).toEqual(['legal', 'other', undefined]);
    expect(names()).toEqual(['a']);
    expect((await models.get('default+legal')).capabilities().model).toBe('a+legal');
    await expect(models.get('a+poet')).rejects.toMatchObject({
      code: 'model_not_found',
      hint: expect.stringContaining('Adapters: legal.'),
    });
    await expect(models.get('zzz+legal')).rejects.toMatchObject({ code: 'model_not_found' });
    const release = models.hold(adapted);
    release();
  });

  it('may be named by its file by the operator, and by nobody else', async () => {
    const file = path.join(home, 'c.gguf');
    const models = registry({}, { defaultModel: file });
    expect((await models.get('default')).name).toBe('c');
    expect(await models.nameOf('default')).toBe('c');
    await expect(registry().get(file)).rejects.toMatchObject({ code: 'model_not_found' });
  });

  it('that is not here is not found, with names that are near', async () => {
    const models = registry({ names: async () => ({ here: ['smollm2-135m'], catalogue: ['qwen3-4b', 'qwen3-8b'] }) });
    await expect(models.get('smolm2-135m')).rejects.toMatchObject({
      code: 'model_not_found',
      hint: expect.stringContaining('Did you mean smollm2-135m?'),
    });
    await expect(models.get('qwen3-5b')).rejects.toMatchObject({
      hint: expect.stringMatching(/qwen3-4b or qwen3-8b\?.*freehold pull qwen3-4b/),
    });
    await expect(models.get('qwen3-4b')).rejects.toMatchObject({ hint: 'Fetch it with: freehold pull qwen3-4b' });
  });
});

describe('memory', () => {
  /** Room for two models of the registry. */
  const roomForTwo = (): Partial<ModelRegistryOptions> => ({
    plan: async () => {
      if (opened.filter(({ closed }) => !closed).length >= 2) throw new FreeholdError('does_not_fit', 'too big');
      return shape;
    },
  });

  it('is taken from the model that was used least recently', async () => {
    const models = registry(roomForTwo());
    await models.get('a');
    await models.get('b');
    await models.get('a');
    await models.get('c');
    expect(opened.filter(({ closed }) => closed).map(({ name }) => name)).toEqual(['b']);
    expect(models.status().map(({ name }) => name)).toEqual(['a', 'c']);
  });

  it('is never taken from a model in use', async () => {
    const models = registry(roomForTwo());
    const release = models.hold(await models.get('a'));
    const other = models.hold(await models.get('b'));
    await expect(models.get('c')).rejects.toMatchObject({ code: 'does_not_fit' });
    release();
    release();
    expect((await models.get('c')).name).toBe('c');
    expect(opened.filter(({ closed }) => closed).map(({ name }) => name)).toEqual(['a']);
    other();
  });
});

describe('closing', () => {
  it('does not wait for loads to come to their end, and ends what comes late', async () => {
    let finish: (model: FakeModel) => void = () => {};
    let told: AbortSignal | undefined;
    const models = registry({
      open: async (_options, _logger, signal) => {
        told = signal;
        // deaf to its signal
        return new Promise<FakeModel>((resolve) => {
          finish = resolve;
        });
      },
    });
    const waiting = [models.get('a'), models.get('b')].map((load) => load.catch((error: FreeholdError) => error.code));
    await expect.poll(() => told, soon).toBeDefined();
    const closing = models.close();
    expect(await Promise.all(waiting)).toEqual(['shutting_down', 'shutting_down']);
    expect(told?.aborted).toBe(true);
    await closing;
    const late = createFakeModel('a');
    finish(late);
    await expect.poll(() => late.closed, soon).toBe(true);
  });

  it('ends every model, also one that is being loaded, and refuses more', async () => {
    let finish: () => void = () => {};
    const models = registry({
      open: async ({ name }) => {
        const model = createFakeModel(name);
        opened.push(model);
        if (name === 'b') {
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
        }
        return model;
      },
    });
    await models.get('a');
    const loading = models.get('b');
    loading.catch(() => {});
    await expect.poll(names, soon).toEqual(['a', 'b']);
    const closing = models.close();
    finish();
    await closing;
    expect(opened.every(({ closed }) => closed)).toBe(true);
    await expect(loading).rejects.toMatchObject({ code: 'shutting_down', retryable: true });
    await expect(models.get('a')).rejects.toMatchObject({ code: 'shutting_down' });
  });
});
