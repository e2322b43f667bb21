// Puts an engine together from what a model process was told at its start: contexts, threads, the lane of long prompts,
// guesses, adapters, schemas.
import { readGguf } from '../../formats/gguf/read.ts';
import type { GgufFile } from '../../formats/gguf/types.ts';
import { FreeholdError } from '../../lib/errors.ts';
import { CpuThreadpool } from '../../native/cpu.ts';
import { availableThreads, type Native } from '../../native/ffi.ts';
import { Batch, Context, type Model } from '../../native/llama.ts';
import type { LoadOptions } from '../protocol.ts';
import type { StepOutput } from './active.ts';
import { createAdapters } from './adapters.ts';
import { createConstraint } from './constraint.ts';
import { Engine } from './engine.ts';
import { type Machine, useMachine } from './machine.ts';
import { PromptLane, passTokens } from './prompt-lane.ts';
import { DraftModel } from './speculation/draft-model.ts';
import { PromptLookup } from './speculation/prompt-lookup.ts';
import { Speculation } from './speculation/speculation.ts';
import { tuningKey } from './tuning-store.ts';

/** Most host memory for kept prompts where nobody chose a bound. */
const mostPrefixCacheBytes = 8 * 2 ** 30;
/** Prompts may be long, where small passes are slow. */
const leastPromptTokens = 256;
/** Tokens that go through the layers together in the lane: more would make its pauses rare in long prompts. */
const laneUbatchTokens = 128;

/**
 * @param header of all parts of the file, without long arrays
 * @throws FreeholdError unsupported, model_failed, gguf_invalid (of the draft model), config_invalid
 */
export async function loadEngine(
  native: Native,
  model: Model,
  { header, file }: { header: GgufFile; file: string },
  options: LoadOptions,
  onStep: (output: StepOutput) => void,
): Promise<Engine> {
  if (!model.hasDecoder) {
    throw new FreeholdError('unsupported', `The model ${options.name} cannot generate text.`, { field: 'model' });
  }
  const machine = useMachine(native, model, tuningKey(native, header, file, options.threads), options);
  const { batchTokens, governor } = machine;
  const { contextTokens } = options;
  const threads = options.threads || availableThreads();
  // one context computes at a time; threads of another that wait by spinning would take its cores
  const threadpool = CpuThreadpool.create(native, threads);
  const adapters = createAdapters(native, model, header, options.adapters ?? {});
  const shared = { contextTokens, threads, threadpool };
  const engine = await Engine.create(model, new Batch(native, batchTokens), {
    queueLimit: options.queueLimit,
    maxSequences: options.maxSequences,
    prefixCacheBytes: options.prefixCacheBytes ?? defaultPrefixCacheBytes(),
    constrain: (schema, signal, frame) => createConstraint(native, model, schema, signal, frame),
    adapter: (name) => adapters.get(name),
    createContext: (sequences) =>
      Context.create(native, model, {
        ...shared,
        sequences,
        batchTokens,
        // a pass cut in two would part the blocks of prompts (planner.ts, promptBlock); on the CPU passes are planned smaller
        ...(machine.onGpu && { ubatchTokens: machine.ubatchTokens() }),
      }),
    ...(!machine.onGpu && { promptTokens: Math.max(leastPromptTokens, machine.ubatchTokens()) }),
    // a GPU computes prompts so fast that pieces do not hurt, and cannot pause
    ...(!machine.onGpu && {
      createLane: (onPause) =>
        new PromptLane(
          (pause) =>
            Context.create(native, model, {
              ...shared,
              sequences: 1,
              batchTokens: passTokens,
              ubatchTokens: laneUbatchTokens,
              onPause: pause,
            }),
          new Batch(native, passTokens),
          onPause,
        ),
    }),
    speculation: await loadSpeculation(native, model, options, threadpool, machine),
    governor,
    onBusy: machine.onBusy,
    onIdle: machine.onIdle,
    onStep,
  });
  machine.onIdle();
  return engine;
}

async function loadSpeculation(
  native: Native,
  model: Model,
  { draftFile, device, contextTokens, maxSequences, threads }: LoadOptions,
  threadpool: CpuThreadpool | undefined,
  { governor }: Machine,
): Promise<Speculation> {
  if (!draftFile) return new Speculation(new PromptLookup());
  await readGguf(draftFile, { maxArrayLength: 0 });
  const drafter = await DraftModel.load(native, {
    file: draftFile,
    gpuLayers: device === 'cpu' ? 0 : -1,
    vocabulary: model.vocabulary,
    contextTokens,
    sequences: maxSequences,
    threads,
    threadpool,
    threadsNow: () => governor.threads(),
  });
  return new Speculation(drafter);
}

/** What every request may share, and nobody needs: a tenth of what is free. */
function defaultPrefixCacheBytes(): number {
  return Math.min(mostPrefixCacheBytes, Math.floor(process.availableMemory() / 10));
}
