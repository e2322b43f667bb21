// How far a run is, in the few numbers that its job carries: put together from what the run tells while it goes on. Pure.
import type { RunEvent, RunPhase } from './run.ts';

export interface RunProgress {
  /** What it does now, for people. */
  phase: string;
  step: number;
  /** All that are wanted. */
  steps: number;
  /** Trained on so far. */
  tokens: number;
  /** Of the last step that was written down. */
  loss?: number;
  /** Of validation: the last one, and the best. */
  bitsPerByte?: number;
  bestBitsPerByte?: number;
  tokensPerSecond?: number;
  gemmShare?: number;
  etaSeconds?: number;
  memoryBytes?: number;
  /** Step of the last checkpoint. */
  checkpoint?: number;
  /** What the run thinks a person should know; the latest. */
  warning?: string;
}

const phaseWords: Record<RunPhase, string> = {
  reading: 'reading the texts',
  tokenizer: 'learning the tokenizer',
  tokens: 'turning the texts into tokens',
  planning: 'setting up',
  training: 'training',
};

/** The time that is left is told from so many of the last lines: validations, samples and checkpoints are in it then. */
const etaLines = 200;

/**
 * @param earlier where an earlier process of the run was: it counts until this one knows better
 * @returns takes an event, gives the progress after it
 */
export function createProgress(steps: number, earlier?: RunProgress): (event: RunEvent) => RunProgress {
  const { etaSeconds: _, warning: __, ...kept } = earlier ?? { step: 0, tokens: 0 };
  let progress: RunProgress = { ...kept, phase: 'starting', steps };
  const pace: { step: number; elapsedSeconds: number }[] = [];
  return (event) => {
    progress = { ...progress, ...changeOf(event, progress, pace) };
    return progress;
  };
}

function changeOf(
  event: RunEvent,
  progress: RunProgress,
  pace: { step: number; elapsedSeconds: number }[],
): Partial<RunProgress> {
  switch (event.type) {
    case 'phase': {
      const share = event.share > 0 && event.phase !== 'training' ? `, ${Math.floor(event.share * 100)} %` : '';
      return { phase: phaseWords[event.phase] + share };
    }
    case 'resumed':
      return { step: event.step, checkpoint: event.step };
    case 'step':
      return { step: event.progress.step, tokens: event.progress.tokens };
    case 'metrics': {
      const { line } = event;
      pace.push(line);
      if (pace.length > etaLines) pace.shift();
      const { step, tokens, loss, tokensPerSecond, memoryBytes, gemmShare, bitsPerByte } = line;
      const etaSeconds = etaOf(pace, progress.steps);
      return {
        step,
        tokens,
        loss,
        tokensPerSecond,
        memoryBytes,
        ...(gemmShare !== undefined && { gemmShare }),
        ...(etaSeconds !== undefined && { etaSeconds }),
        ...(bitsPerByte !== undefined && {
          bitsPerByte,
          bestBitsPerByte: Math.min(bitsPerByte, progress.bestBitsPerByte ?? bitsPerByte),
        }),
      };
    }
    case 'saved':
      return { checkpoint: event.step };
    case 'warning':
      return { warning: event.message };
    case 'memory':
    case 'validation':
    case 'sample':
      return {};
    default:
      return event satisfies never;
  }
}

function etaOf(pace: readonly { step: number; elapsedSeconds: number }[], steps: number): number | undefined {
  const [first, last] = [pace[0], pace.at(-1)];
  if (!first || !last || last.step <= first.step) return undefined;
  return ((steps - last.step) * (last.elapsedSeconds - first.elapsedSeconds)) / (last.step - first.step);
}
