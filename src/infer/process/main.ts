// The model process: loads one GGUF, answers the messages of `infer/protocol.ts`, and ends when its parent is gone.
// Holds no secrets; its environment is an allow-list (see `infer/client.ts`).

import { metadataBoolean, metadataNumber, metadataString } from '../../formats/gguf/metadata.ts';
import { readGguf, splitParts } from '../../formats/gguf/read.ts';
import type { GgufFile } from '../../formats/gguf/types.ts';
import { FreeholdError, invariant, toErrorRecord } from '../../lib/errors.ts';
import { mainDevice } from '../../native/devices.ts';
import { loadNative } from '../../native/ffi.ts';
import { Batch, Context, Model } from '../../native/llama.ts';
import type { FromProcess, LoadOptions, ToProcess } from '../protocol.ts';
import { createConstraint } from './constraint.ts';
import { Engine } from './engine.ts';
import { useMachine } from './machine.ts';
import { tuningKey } from './tuning-store.ts';

/** Most host memory for kept prompts where nobody chose a bound. */
const mostPrefixCacheBytes = 8 * 2 ** 30;

let engine: Engine | undefined;

function send(message: FromProcess): void {
  // the parent may be gone already; `disconnect` then ends this process
  if (process.connected) process.send?.(message);
}

async function load(options: LoadOptions): Promise<void> {
  const startedAt = performance.now();
  // every part is checked in TypeScript before native code opens it
  const [first = options.file] = await splitParts(options.file);
  const gguf = await readGguf(first, { maxArrayLength: 0 });
  refuseIfNotGenerating(options.name, gguf);
  const native = loadNative(options);
  const model = await Model.load(native, { file: options.file, gpuLayers: options.device === 'cpu' ? 0 : -1 });
  if (!model.hasDecoder) throw doesNotGenerate(options.name);
  const machine = useMachine(native, model, tuningKey(native, gguf, first, options.threads), options);
  const { batchTokens } = machine;
  const batch = new Batch(native, batchTokens);
  engine = await Engine.create(model, batch, {
    queueLimit: options.queueLimit,
    maxSequences: options.maxSequences,
    prefixCacheBytes: options.prefixCacheBytes ?? defaultPrefixCacheBytes(),
    constrain: (schema, signal) => createConstraint(native, model, schema, signal),
    createContext: (sequences) =>
      Context.create(native, model, {
        contextTokens: options.contextTokens,
        sequences,
        batchTokens,
        ubatchTokens: machine.ubatchTokens(),
        threads: options.threads,
      }),
    governor: machine.governor,
    onBusy: machine.onBusy,
    onIdle: machine.onIdle,
    onStep({ events, failures }) {
      invariant(engine, 'the engine steps after it was made');
      for (const { id, error } of failures) send({ type: 'failed', id, error: toErrorRecord(error) });
      if (events.length > 0 || failures.length > 0) send({ type: 'events', items: events, stats: engine.stats() });
    },
  });
  send({
    type: 'loaded',
    capabilities: {
      model: options.name,
      contextTokens: engine.contextTokens,
      generate: true,
      embed: false,
      rerank: false,
      tools: false,
      vision: false,
    },
    loadMs: performance.now() - startedAt,
    device: mainDevice(native)?.name ?? 'CPU',
  });
  machine.onIdle();
}

/** What every request may share, and nobody needs: a tenth of what is free. */
function defaultPrefixCacheBytes(): number {
  return Math.min(mostPrefixCacheBytes, Math.floor(process.availableMemory() / 10));
}

/** Embedding and rerank models load like any other and would answer with noise. */
function refuseIfNotGenerating(name: string, gguf: GgufFile): void {
  const architecture = metadataString(gguf, 'general.architecture') ?? '';
  const pools = (metadataNumber(gguf, `${architecture}.pooling_type`) ?? 0) > 0;
  if (pools || metadataBoolean(gguf, `${architecture}.attention.causal`) === false) throw doesNotGenerate(name);
}

const cannot = (what: string) => new FreeholdError('unsupported', `This model cannot ${what}.`, { field: 'model' });

function doesNotGenerate(name: string): FreeholdError {
  return new FreeholdError('unsupported', `The model ${name} does not generate text.`, {
    hint: 'It is made for embeddings or reranking, which this release does not serve yet.',
    field: 'model',
  });
}

async function answer(message: Extract<ToProcess, { type: 'generate' | 'count-tokens' }>): Promise<void> {
  const { type, id, request } = message;
  try {
    invariant(engine, 'the model is loaded before requests are sent');
    if (type === 'generate') await engine.submit(id, request);
    else send({ type: 'tokens', id, count: await engine.countTokens(id, request) });
  } catch (error) {
    if (!(error instanceof FreeholdError)) process.stderr.write(`${(error as Error).stack}\n`);
    send({ type: 'failed', id, error: toErrorRecord(error) });
  }
}

process.on('message', (message: ToProcess) => {
  switch (message.type) {
    case 'load':
      load(message.options).catch((error: unknown) => send({ type: 'load-failed', error: toErrorRecord(error) }));
      return;
    case 'generate':
    case 'count-tokens':
      void answer(message);
      return;
    case 'embed':
    case 'rerank':
      send({ type: 'failed', id: message.id, error: toErrorRecord(cannot(message.type)) });
      return;
    case 'cancel':
      engine?.cancel(message.id);
      return;
    default:
      message satisfies never;
  }
});

process.on('disconnect', () => process.exit(0));
// the terminal's Ctrl-C reaches the whole group; the parent decides when this process ends
process.on('SIGINT', () => {});
