// node-llama-cpp in a process of its own: one model, one context with a sequence for each request, batching on, the
// same sampling as ours, tokens in place of text. Installed by bench/peers/package.json.
import { cpus } from 'node:os';
import path from 'node:path';
import { serveRounds } from './contender.ts';

/** What is used of it; it is not among the dependencies that types are checked with. */
interface NodeLlamaCpp {
  getLlama(options: {
    gpu: false;
    build: 'never';
    logLevel: string;
    maxThreads: number;
  }): Promise<{ loadModel(options: { modelPath: string }): Promise<PeerModel> }>;
}
interface PeerModel {
  createContext(options: {
    sequences: number;
    contextSize: number;
    batchSize: number;
    threads: number;
  }): Promise<{ getSequence(): PeerSequence }>;
}
interface PeerSequence {
  evaluate(tokens: number[], options: object): AsyncIterable<number>;
  clearHistory(): Promise<void>;
}

const entry = path.join(import.meta.dirname, '../peers/node_modules/node-llama-cpp/dist/index.js');
const sampling = { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05 };

serveRounds(async (modelPath, load) => {
  const { getLlama } = (await import(entry)) as NodeLlamaCpp;
  const threads = cpus().length;
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', maxThreads: threads });
  const model = await llama.loadModel({ modelPath });
  const context = await model.createContext({
    sequences: load.sequences,
    contextSize: load.contextTokens,
    batchSize: 512,
    threads,
  });
  const free = Array.from({ length: load.sequences }, () => context.getSequence());
  const clearing = new Set<Promise<void>>();
  return async (prompt, { outputTokens, seed, onToken, signal }) => {
    // one that has just been used may still be forgetting
    while (free.length === 0 && clearing.size > 0) await Promise.race(clearing);
    const sequence = free.pop();
    if (!sequence) throw new Error('more requests than sequences');
    let tokens = 0;
    // with its option the tokens that end an answer are given like any other
    for await (const _token of sequence.evaluate(prompt.tokens, { ...sampling, seed, yieldEogToken: true })) {
      tokens += 1;
      onToken();
      if (tokens === outputTokens || signal?.aborted) break;
    }
    // not timed: by now its last token has come
    const cleared = sequence.clearHistory().then(() => {
      clearing.delete(cleared);
      free.push(sequence);
    });
    clearing.add(cleared);
    return tokens;
  };
});
