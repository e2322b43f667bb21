// libllama with nothing around it: all prompts of a round in passes as large as a batch, then one pass after another with a
// token of every sequence; no sampling, no text. What any scheduler over this libllama can reach at most.
import { CpuThreadpool } from '../../src/native/cpu.ts';
import { availableThreads, loadNative } from '../../src/native/ffi.ts';
import { Batch, Context, Model } from '../../src/native/llama.ts';
import { serveRounds } from './contender.ts';
import type { Prompt } from './loads.ts';

const batchTokens = 512;

interface Request {
  prompt: Prompt;
  outputTokens: number;
  onToken: () => void;
  done: (tokens: number) => void;
}

serveRounds(async (file, load) => {
  const native = loadNative({ device: 'cpu' });
  const threads = availableThreads();
  const model = await Model.load(native, { file, gpuLayers: 0 });
  const { contextTokens, sequences } = load;
  const threadpool = CpuThreadpool.create(native, threads);
  const context = await Context.create(native, model, { contextTokens, sequences, batchTokens, threads, threadpool });
  const batch = new Batch(native, batchTokens);

  const generateAll = async (requests: readonly Request[]) => {
    for (const [sequence] of requests.entries()) context.removeSequence(sequence);
    const fed = requests.flatMap(({ prompt: { tokens } }, sequence) =>
      tokens.map((token, at) => ({ token, at, sequence, last: at === tokens.length - 1 })),
    );
    for (let from = 0; from < fed.length; from += batchTokens) {
      batch.clear();
      for (const { token, at, sequence, last } of fed.slice(from, from + batchTokens))
        batch.add(token, at, sequence, last);
      await context.decode(batch, threads);
    }
    for (const { onToken } of requests) onToken();
    const steps = Math.max(...requests.map(({ outputTokens }) => outputTokens));
    for (let step = 1; step < steps; step++) {
      batch.clear();
      for (const [sequence, { prompt }] of requests.entries()) {
        batch.add(
          prompt.tokens[step % prompt.tokens.length] as number,
          prompt.tokens.length + step - 1,
          sequence,
          true,
        );
      }
      await context.decode(batch, threads);
      for (const { onToken } of requests) onToken();
    }
    for (const { outputTokens, done } of requests) done(outputTokens);
  };

  let gathered: Request[] = [];
  return (prompt, { outputTokens, onToken }) =>
    new Promise<number>((done) => {
      gathered.push({ prompt, outputTokens, onToken, done });
      if (gathered.length > 1) return;
      // all requests of a round come in the same turn
      setImmediate(() => {
        const requests = gathered;
        gathered = [];
        void generateAll(requests);
      });
    });
});
