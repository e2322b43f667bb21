// The model process: loads one GGUF, answers the messages of `infer/protocol.ts`, and ends when its parent is gone.
// Holds no secrets; its environment is an allow-list (see `infer/client.ts`).

import { purposeOf } from '../../formats/gguf/purpose.ts';
import { readGguf, splitParts } from '../../formats/gguf/read.ts';
import type { GgufFile } from '../../formats/gguf/types.ts';
import { FreeholdError, invariant, toErrorRecord } from '../../lib/errors.ts';
import { mainDevice } from '../../native/devices.ts';
import { loadNative, type Native } from '../../native/ffi.ts';
import { Model } from '../../native/llama.ts';
import { base64Of } from '../floats.ts';
import type { FromProcess, LoadOptions, ToProcess } from '../protocol.ts';
import type { StepOutput } from './active.ts';
import { Embedder } from './embedder.ts';
import type { Engine } from './engine.ts';
import { loadEngine } from './load-engine.ts';
import { createLoadProgress } from './load-progress.ts';
import { createThreadGovernor } from './thread-governor.ts';
import { createPeers } from './thread-governor-peers.ts';
import { startWatchdog } from './watchdog.ts';

/** The one that runs the model: an engine where it chats, an embedder where it makes vectors or scores. */
let engine: Engine | undefined;
let embedder: Embedder | undefined;
let name = '';
const loadGotOn = createLoadProgress();

function send(message: FromProcess): void {
  // the parent may be gone already; `disconnect` then ends this process
  if (process.connected) process.send?.(message);
}

async function load(options: LoadOptions): Promise<void> {
  const startedAt = performance.now();
  name = options.name;
  // every part is checked in TypeScript before native code opens it
  const [first = options.file, ...rest] = await splitParts(options.file);
  const header = await readGguf(first, { maxArrayLength: 0 });
  for (const part of rest) header.tensors.push(...(await readGguf(part, { maxArrayLength: 0 })).tensors);
  const native = loadNative(options);
  const model = await Model.load(native, { file: options.file, gpuLayers: options.device === 'cpu' ? 0 : -1 });
  const purpose = purposeOf(header);
  if (purpose === 'chat') engine = await loadEngine(native, model, { header, file: first }, options, tell);
  else await loadEmbedder(native, model, header, options);
  const contextTokens = (engine ?? embedder)?.contextTokens;
  invariant(contextTokens, 'one of them runs the model');
  send({
    type: 'loaded',
    capabilities: {
      model: options.name,
      contextTokens,
      generate: purpose === 'chat',
      embed: purpose === 'embedding',
      rerank: purpose === 'rerank',
      // a model that was not trained to call tools is told how, and held to it
      tools: purpose === 'chat',
      thinking: engine?.thinks ?? false,
      vision: false,
    },
    loadMs: performance.now() - startedAt,
    device: mainDevice(native)?.name ?? 'CPU',
  });
}

function tell({ events, failures }: StepOutput): void {
  invariant(engine, 'the engine steps after it was made');
  // first what came before the failures
  if (events.length > 0 || failures.length > 0) send({ type: 'events', items: events, stats: engine.stats() });
  for (const { id, error } of failures) send({ type: 'failed', id, error: toErrorRecord(error) });
}

async function loadEmbedder(native: Native, model: Model, header: GgufFile, options: LoadOptions): Promise<void> {
  const { contextTokens, threads, queueLimit, home } = options;
  const governor = createThreadGovernor(threads, home ? { peers: createPeers(home) } : {});
  embedder = await Embedder.create(native, model, header, { contextTokens, threads, queueLimit, governor });
}

function cannot(name: string, what: string): FreeholdError {
  return new FreeholdError('unsupported', `The model ${name} cannot ${what}.`, {
    hint: '`freehold models --json` tells what each model here is for (`kind`).',
    field: 'model',
  });
}

type Request = Exclude<ToProcess, { type: 'load' | 'cancel' | 'ping' }>;

async function answer(message: Request): Promise<void> {
  const { id } = message;
  try {
    await serve(message);
  } catch (error) {
    if (!(error instanceof FreeholdError)) process.stderr.write(`${(error as Error).stack}\n`);
    send({ type: 'failed', id, error: toErrorRecord(error) });
  }
}

async function serve({ type, id, request }: Request): Promise<void> {
  switch (type) {
    case 'generate':
      if (!engine) throw cannot(name, 'generate text');
      return engine.submit(id, request);
    case 'count-tokens':
      if (!engine) throw cannot(name, 'generate text');
      return send({ type: 'tokens', id, count: await engine.countTokens(id, request) });
    case 'embed': {
      if (!embedder) throw cannot(name, 'turn text into vectors');
      const { embeddings, inputTokens } = await embedder.embed(id, request);
      const dimensions = embeddings[0]?.length ?? 0;
      const stats = embedder.stats();
      return send({ type: 'embeddings', id, dimensions, base64: base64Of(embeddings), inputTokens, stats });
    }
    case 'rerank': {
      if (!embedder) throw cannot(name, 'score documents');
      const result = await embedder.rerank(id, request);
      return send({ type: 'scores', id, result, stats: embedder.stats() });
    }
    default: {
      return type satisfies never;
    }
  }
}

process.on('message', (message: ToProcess) => {
  switch (message.type) {
    case 'load':
      load(message.options).catch((error: unknown) => send({ type: 'load-failed', error: toErrorRecord(error) }));
      return;
    case 'cancel':
      engine?.cancel(message.id);
      embedder?.cancel(message.id);
      return;
    case 'ping':
      if (engine || embedder || loadGotOn()) send({ type: 'pong' });
      return;
    case 'generate':
    case 'count-tokens':
    case 'embed':
    case 'rerank':
      void answer(message);
      return;
    default:
      message satisfies never;
  }
});

// not process.exit: it would wait for native code that runs on other threads, and there is nothing to save
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// where this thread is too busy to hear of it
void startWatchdog(process.ppid);
// the terminal's Ctrl-C reaches the whole group; the parent decides when this process ends
process.on('SIGINT', () => {});
