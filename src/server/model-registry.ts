// Which models are loaded: a name becomes a running model on first use, and the least recently used one makes room.
// Knows files, memory and processes only through what it is given, so tests need no model and no hub.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { requireKind } from '../hub/kinds.ts';
import type { ModelKind } from '../hub/types.ts';
import type { LocalModelState, LocalTextModel } from '../infer/client.ts';
import { adapterFiles, loadOptions } from '../infer/load-options.ts';
import type { LoadOptions } from '../infer/protocol.ts';
import type { Config } from '../lib/config.ts';
import { asFreeholdError, FreeholdError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import { nearestNames } from '../lib/nearest-names.ts';
import { settledWithin } from '../lib/settled.ts';
import { splitAdapter, withAdapter } from './adapted-model.ts';
import { createLoadFailures } from './load-failures.ts';
import { serverStopping } from './stopping.ts';

/** The least that must be known of a model's file to load it. */
export interface ModelFile {
  name: string;
  /** Absolute path of the GGUF; the first part when split. */
  file: string;
  /** What it is for, where that is known. */
  kind?: ModelKind;
}

export interface ModelRegistryOptions {
  config: Config;
  /** Loads a model, as `openLocalModel` does; ends what it began when `signal` is aborted. */
  open(options: LoadOptions, logger: Logger, signal: AbortSignal): Promise<LocalTextModel>;
  /** The model of that name on this machine, aliases of the catalogue included. */
  find(name: string): Promise<ModelFile | undefined>;
  /** Context and conversations to load a model with. Throws does_not_fit when it needs more memory than is free. */
  plan(model: ModelFile): Promise<{ contextTokens: number; sequences: number }>;
  /** Names on this machine, and names that `freehold pull` knows; for error messages. */
  names(): Promise<{
    here: string[];
    catalogue: string[];
    /** The model behind one of those names: several names may mean one model, which is offered once. */
    modelOf?(name: string): string;
  }>;
  logger: Logger;
  /** Longest a load may take, in milliseconds. Default 30 minutes: hundreds of gigabytes from a slow disk. */
  loadTimeoutMs?: number;
  /** Milliseconds, for waits after failed loads; tests turn the clock. */
  now?: () => number;
}

/** How long `close` waits for loads to end that it has stopped, in milliseconds. */
const stopLoadsMs = 3000;

/** A loaded or loading model. */
export interface ModelStatus {
  name: string;
  state: LocalModelState;
  pid: number | undefined;
  /** Tokens of one conversation as it runs; undefined until it does. */
  contextTokens?: number;
}

export interface ModelRegistry {
  /**
   * The running model of that name, loaded now if it is not. `default` is `config.defaultModel`.
   * `MODEL+ADAPTER` is a model that answers with an adapter of `config.adapters`.
   * @param wanted what it is to be asked for. Default chat
   * @throws FreeholdError model_not_found, unsupported (it is for something else), file_not_found, does_not_fit,
   * gguf_invalid, model_failed, …
   */
  get(name: string, wanted?: ModelKind): Promise<LocalTextModel>;
  /** The model's own name behind a name; undefined when it is not here. Loads nothing. @throws as `get` for a damaged one */
  nameOf(name: string): Promise<string | undefined>;
  /** Loads a model before the first request asks for it. */
  preload(name: string): Promise<void>;
  /** Marks a model as in use; it is not unloaded until the function that is returned was called. */
  hold(model: LocalTextModel): () => void;
  /** Models that are loaded or being loaded. */
  status(): ModelStatus[];
  /** The models that run, for their statistics. */
  running(): LocalTextModel[];
  /** Ends every model process, loads under way included; requests in flight fail with shutting_down. */
  close(): Promise<void>;
}

interface Entry {
  source: ModelFile;
  /** The load, done or not; failed loads leave the table. */
  loading: Promise<LocalTextModel>;
  /** Stops the load. */
  abort: AbortController;
  model: LocalTextModel | undefined;
  /** Larger is more recent. */
  lastUsed: number;
  /** Requests that use it now. */
  holds: number;
}

export function createModelRegistry(options: ModelRegistryOptions): ModelRegistry {
  const { config, logger, loadTimeoutMs = 30 * 60_000 } = options;
  const failures = createLoadFailures(options.now);
  /** By the model's own name. */
  const entries = new Map<string, Entry>();
  /** Every name that was asked for and led to a model -> its own name. */
  const resolved = new Map<string, ModelFile>();
  let uses = 0;
  let closed = false;
  /** Loads wait for each other, so that each sees the memory the one before it took. */
  let lastLoad: Promise<unknown> = Promise.resolve();
  /** What `open` has begun and not ended, given up or not. */
  const opening = new Set<Promise<unknown>>();

  const alive = (entry: Entry | undefined): boolean =>
    entry !== undefined && entry.model?.state !== 'failed' && entry.model?.state !== 'closed';

  const wantedName = (name: string) => (name === 'default' ? config.defaultModel : name);

  async function lookUp(name: string): Promise<ModelFile | undefined> {
    const wanted = wantedName(name);
    const known = resolved.get(wanted);
    if (known && alive(entries.get(known.name))) return known;
    // only the operator may name files; a remote caller names models
    if (isPath(wanted)) return wanted === config.defaultModel ? fileOnDisk(wanted) : undefined;
    return (await options.find(wanted)) ?? known;
  }

  async function resolve(name: string): Promise<ModelFile> {
    const wanted = wantedName(name);
    const found = await lookUp(name);
    if (!found) throw await notHere(name, wanted);
    if (resolved.size > 1000) resolved.clear();
    resolved.set(wanted, found);
    resolved.set(found.name, found);
    return found;
  }

  async function notHere(name: string, wanted: string): Promise<FreeholdError> {
    const { here, catalogue, modelOf } = await options.names();
    const what =
      name === 'default'
        ? `The default model "${wanted}" is not here.`
        : `There is no model "${shorten(wanted)}" here.`;
    const stem = wanted.toLowerCase().split(':')[0] ?? '';
    if (catalogue.includes(stem)) {
      return new FreeholdError('model_not_found', what, {
        hint: `Fetch it with: freehold pull ${wanted}`,
        field: 'model',
      });
    }
    const near = nearestNames(wanted, [...here, ...catalogue], (each) =>
      here.includes(each) ? each : (modelOf?.(each) ?? each),
    );
    const missing = near.find((candidate) => !here.includes(candidate));
    const mean = near.length > 0 ? `Did you mean ${near.join(' or ')}? ` : '';
    const adapters = Object.keys(adapterFiles(config));
    const adapted = name.includes('+') && adapters.length > 0 ? `Adapters: ${adapters.join(', ')}. ` : '';
    const have =
      here.length > 0 ? `Models here: ${['default', ...here].slice(0, 10).join(', ')}. ` : 'No model is here yet. ';
    return new FreeholdError('model_not_found', what, {
      hint: `${mean}${adapted}${have}To fetch one: freehold pull ${missing ?? 'NAME'}`,
      field: 'model',
    });
  }

  /** Loads a model; gives up when aborted or after `loadTimeoutMs`, whether or not what was begun ends by that. */
  async function load(source: ModelFile, abort: AbortController): Promise<LocalTextModel> {
    const { signal } = abort;
    signal.throwIfAborted();
    const tooLong = setTimeout(() => abort.abort(loadTookTooLong(source.name, loadTimeoutMs)), loadTimeoutMs);
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    const work = begin(source, signal);
    opening.add(work);
    work.then(
      (model) => {
        opening.delete(work);
        if (signal.aborted) void model.close();
      },
      () => opening.delete(work),
    );
    try {
      const model = await Promise.race([work, aborted]);
      failures.clear(source);
      return model;
    } catch (error) {
      // room may be made at any time, and a file may come back: these are looked for anew each time
      const passing = ['does_not_fit', 'file_not_found', 'shutting_down'].includes(asFreeholdError(error).code);
      if (!passing) failures.note(source, error);
      throw error;
    } finally {
      clearTimeout(tooLong);
    }
  }

  async function begin(source: ModelFile, signal: AbortSignal): Promise<LocalTextModel> {
    if (!existsSync(source.file)) {
      throw new FreeholdError(
        'file_not_found',
        `The file of the model "${source.name}" is gone: ${source.file} was moved or deleted.`,
        {
          hint: `Put it back, or fetch it again with: freehold pull ${source.name}`,
          field: 'model',
        },
      );
    }
    const shape = await makeRoom(source);
    signal.throwIfAborted();
    return options.open(loadOptions(source, shape, config), logger, signal);
  }

  /** Unloads models nobody uses, oldest first, until this one fits. */
  async function makeRoom(source: ModelFile): ReturnType<ModelRegistryOptions['plan']> {
    for (;;) {
      try {
        return await options.plan(source);
      } catch (error) {
        if (asFreeholdError(error).code !== 'does_not_fit') throw error;
        const [oldest] = [...entries.values()]
          .filter(({ model, holds }) => model !== undefined && holds === 0 && model.stats().active === 0)
          .sort((a, b) => a.lastUsed - b.lastUsed);
        if (!oldest) throw error;
        logger.info({ model: oldest.source.name, for: source.name }, 'model unloaded to make room');
        entries.delete(oldest.source.name);
        await oldest.model?.close();
      }
    }
  }

  /** @param wanted default: whatever it is for */
  async function get(name: string, wanted?: ModelKind): Promise<LocalTextModel> {
    if (closed) throw serverStopping();
    const source = await resolve(name);
    if (closed) throw serverStopping();
    if (wanted) requireKind(source, wanted);
    let entry = entries.get(source.name);
    if (!entry || !alive(entry)) {
      failures.throwIfRecent(source);
      void entry?.model?.close();
      const abort = new AbortController();
      const loading = lastLoad.then(() => load(source, abort));
      lastLoad = loading.catch(() => undefined);
      const fresh: Entry = { source, loading, abort, model: undefined, lastUsed: 0, holds: 0 };
      entries.set(source.name, fresh);
      loading.then(
        (model) => {
          fresh.model = model;
        },
        () => {
          if (entries.get(source.name) === fresh) entries.delete(source.name);
        },
      );
      entry = fresh;
    }
    uses += 1;
    entry.lastUsed = uses;
    return entry.loading;
  }

  return {
    async get(name, wanted = 'chat') {
      const adapted = splitAdapter(name, Object.keys(adapterFiles(config)));
      if (!adapted) return get(name, wanted);
      return withAdapter(await get(adapted.model, wanted), adapted.adapter);
    },
    async nameOf(name) {
      return (await lookUp(name))?.name;
    },
    async preload(name) {
      await get(name);
    },
    hold(model) {
      const entry = entries.get(model.name);
      if (!entry) return () => {};
      entry.holds += 1;
      let held = true;
      return () => {
        if (held) entry.holds -= 1;
        held = false;
      };
    },
    status: () =>
      [...entries.values()].map(({ source, model }) => ({
        name: source.name,
        state: model?.state ?? 'loading',
        pid: model?.pid,
        ...(model?.state === 'ready' ? { contextTokens: model.capabilities().contextTokens } : {}),
      })),
    running: () => [...entries.values()].flatMap(({ model }) => (model ? [model] : [])),
    async close() {
      closed = true;
      const open = [...entries.values()];
      entries.clear();
      for (const { abort } of open) abort.abort(serverStopping());
      await Promise.all(open.map(({ model }) => model?.close()));
      if (!(await settledWithin(Promise.allSettled(opening), stopLoadsMs))) {
        logger.warn('a model that was being loaded does not stop; its process is left behind');
      }
    },
  };
}

const loadTookTooLong = (name: string, limitMs: number) =>
  new FreeholdError('model_failed', `Loading ${name} took longer than ${Math.round(limitMs / 60_000)} minutes.`, {
    hint: 'Its disk may be slow or broken; the log of the server says more.',
  });

/** Whether a name is the path of a file; only the operator may give one. */
export const isPath = (name: string) => /[\\]|^[/.~]|\.\.|\.gguf$/i.test(name);

/** A model that the operator named by its file. */
function fileOnDisk(file: string): ModelFile {
  return { name: path.basename(file).replace(/\.gguf$/i, ''), file: path.resolve(file) };
}

const shorten = (name: string) => (name.length > 100 ? `${name.slice(0, 100)}…` : name);
