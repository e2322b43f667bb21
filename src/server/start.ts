// Starts a whole deployment: store, models, HTTP, the first key. Composes; the parts are in the files beside it.
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { AvailableMemory } from '../hub/types.ts';
import { adapterFiles } from '../infer/load-options.ts';
import type { Config } from '../lib/config.ts';
import { createLogger, type Logger } from '../lib/log.ts';
import { isLoopback } from '../lib/loopback.ts';
import { freeholdVersion } from '../lib/version.ts';
import { tidyFiles } from '../store/files.ts';
import { createKey, hasKeys } from '../store/keys.ts';
import { openStore } from '../store/open.ts';
import type { AdaptersThatFit } from './adapters-that-fit.ts';
import { createApp } from './app.ts';
import type { ModelHub, Services } from './context.ts';
import { listen, requireSafeBind } from './listen.ts';
import { createMetrics } from './metrics.ts';
import {
  createModelRegistry,
  isPath,
  type ModelFile,
  type ModelRegistry,
  type ModelRegistryOptions,
} from './model-registry.ts';
import { createSignInTokens } from './sign-in.ts';

/** A server that listens. */
export interface RunningServer {
  /** `http://host:port`, with a host a browser on this machine can open. */
  url: string;
  port: number;
  /** The first admin key; only on the first start with auth on, and only here: print it. */
  firstAdminKey?: string;
  /** The page's address with a sign-in token in its fragment, good once and for 24 hours. */
  signInUrl: string;
  models: ModelRegistry;
  /** Stops accepting, gives requests in flight a moment to end, then closes models and store. */
  close(): Promise<void>;
}

/** What tests and the command line replace: where models come from and go to, and how patient the server is. */
export interface StartParts extends Partial<Pick<ModelRegistryOptions, 'open' | 'find' | 'plan' | 'names'>> {
  listModels?: Services['listModels'];
  hub?: ModelHub;
  streams?: Services['streams'];
  /** What models may take now; asked before each load. Default, and where it gives nothing: the host's memory. */
  memory?: () => Promise<AvailableMemory | undefined>;
  /** How long requests may go on after `close()`, in milliseconds. Default 5 s. */
  graceMs?: number;
}

/** The package's own folder, from src/server and from dist/server alike. */
const packageRoot = path.join(import.meta.dirname, '../..');

/**
 * @param logger default: one by `config.logLevel`
 * @throws FreeholdError unsafe_bind, port_in_use, config_invalid, file_io, store_newer
 */
export async function startServer(
  config: Config,
  logger: Logger = createLogger(config.logLevel),
  parts: StartParts = {},
): Promise<RunningServer> {
  requireSafeBind(config);
  const store = openStore(config.home);
  try {
    const hub = hubParts(config, parts.memory);
    const models = createModelRegistry({
      config,
      logger,
      open: parts.open ?? (async (...given) => (await import('../infer/client.ts')).openLocalModel(...given)),
      find: parts.find ?? hub.find,
      plan: parts.plan ?? hub.plan,
      names: parts.names ?? hub.names,
    });
    // what is left over costs room, not service
    await tidyFiles(store).catch((error) => logger.warn({ err: error }, 'old files could not be removed'));
    const signIn = createSignInTokens();
    const stopping = new AbortController();
    const app = createApp({
      config,
      store,
      models,
      listModels: parts.listModels ?? (() => hub.listModels(models)),
      hub: parts.hub ?? hub,
      signIn,
      metrics: createMetrics(),
      stopping: stopping.signal,
      logger,
      version: freeholdVersion(),
      webRoot: path.join(packageRoot, 'web/dist'),
      ...(parts.streams ? { streams: parts.streams } : {}),
    });
    const listening = await listen(app, config);
    // after listening: a start that failed must not have used up the one showing of the first key
    const firstAdminKey =
      config.auth && !(await hasKeys(store))
        ? (await createKey(store, { name: 'first admin key', role: 'admin' })).key
        : undefined;
    const url = `http://${urlHost(config.host)}:${listening.port}`;
    logger.info({ url, auth: config.auth }, 'listening');
    let closing: Promise<void> | undefined;
    const close = async () => {
      await listening.close(parts.graceMs ?? 5000, () => {
        stopping.abort();
        return models.close();
      });
      await store.close();
    };
    return {
      url,
      port: listening.port,
      ...(firstAdminKey === undefined ? {} : { firstAdminKey }),
      signInUrl: config.auth ? `${url}/#token=${signIn.issue()}` : `${url}/`,
      models,
      close: () => {
        closing ??= close();
        return closing;
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** A host that a browser on this machine can open. */
function urlHost(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === '0.0.0.0' || bare === '::') return '127.0.0.1';
  if (bare === '127.0.0.1' || !isLoopback(bare)) return bare.includes(':') ? `[${bare}]` : bare;
  return bare === '::1' ? '[::1]' : bare;
}

/** What the hub knows, loaded when it is first asked: a server without a model stays small. */
function hubParts(config: Config, memoryNow: StartParts['memory']) {
  const find = async (name: string) => (await import('../hub/models.ts')).findLocalModel(name, config);
  let adapters: AdaptersThatFit | undefined;
  return {
    find,
    async plan(model: ModelFile) {
      const [{ planLoad }, memory] = await Promise.all([import('../hub/plan.ts'), memoryNow?.()]);
      return planLoad(model, config, memory ? { memory } : {});
    },
    async pull(reference: string, options: Parameters<ModelHub['pull']>[1]) {
      const [{ pullModel }, memory] = await Promise.all([import('../hub/pull.ts'), memoryNow?.()]);
      return pullModel(reference, { config, ...options, ...(memory ? { memory } : {}) });
    },
    async remove(name: string) {
      await (await import('../hub/models.ts')).removeLocalModel(name, config);
    },
    async names() {
      const [{ listLocalModels }, { catalogue, findInCatalogue }] = await Promise.all([
        import('../hub/models.ts'),
        import('../hub/catalogue.ts'),
      ]);
      return {
        here: (await listLocalModels(config)).map(({ name }) => name),
        catalogue: catalogue.flatMap(({ name, aliases }) => [name, ...(aliases ?? [])]),
        modelOf: (name: string) => findInCatalogue(name)?.name ?? name,
      };
    },
    async listModels(models: ModelRegistry) {
      const [{ listLocalModels }, { contextFor }, { servedModels }, { createAdaptersThatFit }] = await Promise.all([
        import('../hub/models.ts'),
        import('../hub/plan.ts'),
        import('./served-models.ts'),
        import('./adapters-that-fit.ts'),
      ]);
      adapters ??= createAdaptersThatFit(adapterFiles(config));
      // a default model that is damaged must not take the others off the list
      const name = models.nameOf('default').catch(() => undefined);
      const [local, defaultName] = await Promise.all([listLocalModels(config), name]);
      const adaptersOf = new Map<string, string[]>();
      for (const model of local) adaptersOf.set(model.name, await adapters.of(model));
      const defaultIsFile = isPath(config.defaultModel) && existsSync(config.defaultModel);
      if (defaultIsFile && defaultName !== undefined) {
        adaptersOf.set(defaultName, await adapters.of({ file: path.resolve(config.defaultModel), kind: 'chat' }));
      }
      return servedModels({
        local,
        adaptersOf,
        loaded: models.status(),
        defaultName,
        defaultIsFile,
        contextFor: (trainedTokens) => contextFor(config, trainedTokens),
      });
    },
  };
}
