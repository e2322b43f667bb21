// The model process: loads one GGUF, answers the messages of `infer/protocol.ts`, and ends when its parent is gone.
// Holds no secrets; its environment is an allow-list (see `infer/client.ts`).

import { splitParts } from '../../formats/gguf/read.ts';
import { FreeholdError, invariant, toErrorRecord } from '../../lib/errors.ts';
import { mainDevice } from '../../native/devices.ts';
import { loadNative } from '../../native/ffi.ts';
import { Batch, Context, Model } from '../../native/llama.ts';
import type { FromProcess, LoadOptions, ToProcess } from '../protocol.ts';
import { Engine } from './engine.ts';

/** Most tokens of one step. */
const batchTokens = 512;

let engine: Engine | undefined;

function send(message: FromProcess): void {
  // the parent may be gone already; `disconnect` then ends this process
  if (process.connected) process.send?.(message);
}

async function load(options: LoadOptions): Promise<void> {
  const startedAt = performance.now();
  // every part is checked in TypeScript before native code opens it
  await splitParts(options.file);
  const native = loadNative(options);
  const model = await Model.load(native, { file: options.file, gpuLayers: options.device === 'cpu' ? 0 : -1 });
  if (!model.hasDecoder) {
    throw new FreeholdError('unsupported', `The model ${options.name} does not generate text.`, {
      hint: 'Embedding and rerank models cannot chat yet.',
    });
  }
  const batch = new Batch(native, batchTokens);
  engine = await Engine.create(model, batch, {
    queueLimit: options.queueLimit,
    maxSequences: options.maxSequences,
    createContext: (sequences) =>
      Context.create(native, model, {
        contextTokens: options.contextTokens,
        sequences,
        batchTokens,
        threads: options.threads,
      }),
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
}

process.on('message', (message: ToProcess) => {
  switch (message.type) {
    case 'load':
      load(message.options).catch((error: unknown) => send({ type: 'load-failed', error: toErrorRecord(error) }));
      return;
    case 'generate':
    case 'count-tokens':
      try {
        invariant(engine, 'the model is loaded before requests are sent');
        if (message.type === 'generate') engine.submit(message.id, message.request);
        else send({ type: 'tokens', id: message.id, count: engine.countTokens(message.request) });
      } catch (error) {
        if (!(error instanceof FreeholdError)) process.stderr.write(`${(error as Error).stack}\n`);
        send({ type: 'failed', id: message.id, error: toErrorRecord(error) });
      }
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
