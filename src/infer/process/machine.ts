// What a model process makes of its machine: how many threads a step takes beside other programs (thread-governor.ts),
// and the batch sizes and threads that were measured here before (tuning*.ts), or will be once the model is idle.
import { mainDevice } from '../../native/devices.ts';
import type { Native } from '../../native/ffi.ts';
import type { Model } from '../../native/llama.ts';
import type { LoadOptions } from '../protocol.ts';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';
import { createPeers } from './thread-governor-peers.ts';
import { defaultBatchTokens, measureTuning, threadsBesideGpu } from './tuning.ts';
import { createIdleTuner } from './tuning-idle.ts';
import { readTuning, type TuningKey, writeTuning } from './tuning-store.ts';

export interface Machine {
  /** Whether the model is computed on a GPU. */
  onGpu: boolean;
  governor: ThreadGovernor;
  /** Most tokens of a step. */
  batchTokens: number;
  /** Most tokens that go through the layers together, for a context that is made now. */
  ubatchTokens(): number;
  /** A request came. @returns when nothing is measured any more; undefined when nothing was */
  onBusy(): Promise<void> | undefined;
  /** Nothing is left to compute. */
  onIdle(): void;
}

/** @param options without a `home`, other processes are not known, and nothing is measured */
export function useMachine(
  native: Native,
  model: Model,
  key: TuningKey,
  { home, threads, device }: Pick<LoadOptions, 'home' | 'threads' | 'device'>,
): Machine {
  const type = device === 'cpu' ? 'cpu' : mainDevice(native)?.type;
  const onGpu = type === 'gpu' || type === 'integrated-gpu';
  const governor = createThreadGovernor(threads, home ? { peers: createPeers(home) } : {});
  let tuning = home ? readTuning(home, key) : undefined;
  if (tuning) governor.limitTo(tuning);
  else if (onGpu) {
    governor.limitTo({ threads: threadsBesideGpu, fewThreads: threadsBesideGpu, batchThreads: threadsBesideGpu });
  }
  const batchTokens = tuning?.batchTokens ?? defaultBatchTokens;
  const tuner =
    home && !tuning
      ? createIdleTuner({
          measure: (signal) => measureTuning(native, model, { signal, threads, onGpu }),
          onTuned: (found) => {
            tuning = found;
            governor.limitTo(found);
            process.stderr.write(
              `measured: ${found.threads} threads for one answer, ${found.fewThreads} for a few, ${found.batchThreads} for prompts, ${found.ubatchTokens} tokens a pass\n`,
            );
            writeTuning(home, key, found);
          },
        })
      : undefined;
  return {
    onGpu,
    governor,
    batchTokens,
    ubatchTokens: () => Math.min(tuning?.ubatchTokens ?? batchTokens, batchTokens),
    onBusy: () => tuner?.requestCame(),
    onIdle() {
      governor.idle();
      tuner?.idle();
    },
  };
}
