// Ours in process: the engine of a model process, from dist/, without messages to a server.
import type { GenerateRequest } from '../../src/lib/text-model.ts';
import { serveRounds } from './contender.ts';

// the built files: what the product runs
const { loadNative } = await built<typeof import('../../src/native/ffi.ts')>('native/ffi.js');
const { Batch, Context, Model } = await built<typeof import('../../src/native/llama.ts')>('native/llama.js');
const { Engine } = await built<typeof import('../../src/infer/process/engine.ts')>('infer/process/engine.js');

const batchTokens = 512;

interface Listener {
  onToken: () => void;
  onEnd: (outputTokens: number) => void;
  onFailure: (error: unknown) => void;
}

serveRounds(async (file, load) => {
  const native = loadNative({ device: 'cpu' });
  const model = await Model.load(native, { file, gpuLayers: 0 });
  const listeners = new Map<number, Listener>();
  const engine = await Engine.create(model, new Batch(native, batchTokens), {
    queueLimit: 1024,
    maxSequences: load.sequences,
    createContext: (sequences) =>
      Context.create(native, model, { contextTokens: load.contextTokens, sequences, batchTokens, threads: 0 }),
    onStep({ events, failures }) {
      for (const { id, event } of events) {
        if (event.type === 'text-delta') listeners.get(id)?.onToken();
        else if (event.type === 'usage') listeners.get(id)?.onEnd(event.outputTokens);
      }
      for (const { id, error } of failures) listeners.get(id)?.onFailure(error);
    },
  });
  let lastId = 0;
  return (prompt, { outputTokens, seed, onToken, signal }) => {
    const id = ++lastId;
    const request: GenerateRequest = {
      messages: [{ role: 'user', content: [{ type: 'text', text: prompt.text }] }],
      maxTokens: outputTokens,
      sampling: { seed },
      ignoreEnd: true,
      tenant: 'bench',
      traceId: 'bench',
    };
    return new Promise<number>((resolve, reject) => {
      let tokens = 0;
      listeners.set(id, {
        onToken: () => {
          tokens += 1;
          onToken();
        },
        onEnd: resolve,
        onFailure: (error) => (signal?.aborted ? resolve(tokens) : reject(error)),
      });
      signal?.addEventListener('abort', () => engine.cancel(id), { once: true });
      engine.submit(id, request).catch(reject);
    }).finally(() => listeners.delete(id));
  };
});

function built<T>(file: string): Promise<T> {
  return import(new URL(`../../dist/${file}`, import.meta.url).href) as Promise<T>;
}
