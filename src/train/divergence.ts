// When a run is lost: its loss or gradient is no number, or its loss has been far above what it was for several steps. Pure.
import type { Progress } from './checkpoint.ts';

/** Share of a new loss in the running mean. */
const meanShare = 0.1;
const explosion = 3;
/** Nats above the mean at least: of a text known by heart a loss of 0.02 is three times the mean, and no harm. */
const leastRise = 1;
/** A single bad batch is no divergence. */
const patience = 5;

export interface Judgement {
  lossMean: number;
  highLosses: number;
  /** What went wrong; undefined as long as nothing has. */
  fault: string | undefined;
}

/**
 * @param before from the last step
 * @param vocab a loss above its logarithm is worse than knowing nothing
 */
export function judge(
  before: Pick<Progress, 'lossMean' | 'highLosses'>,
  { loss, gradientNorm }: { loss: number; gradientNorm: number },
  vocab: number,
): Judgement {
  const mean = before.lossMean ?? loss;
  if (!Number.isFinite(loss)) return { lossMean: mean, highLosses: 0, fault: 'the loss is no number any more' };
  if (!Number.isFinite(gradientNorm))
    return { lossMean: mean, highLosses: 0, fault: 'the gradient is no number any more' };
  const ignorance = Math.log(vocab);
  const far = Math.max(explosion * mean, mean + leastRise);
  const limit = mean < 0.8 * ignorance ? Math.min(far, 1.05 * ignorance) : far;
  if (loss <= limit) return { lossMean: mean + meanShare * (loss - mean), highLosses: 0, fault: undefined };
  const highLosses = before.highLosses + 1;
  // the mean stays where it was: it is what the loss has to come back to
  const fault =
    highLosses < patience
      ? undefined
      : `the loss is ${loss.toFixed(2)}, after a mean of ${mean.toFixed(2)}, and has been so high for ${highLosses} steps`;
  return { lossMean: mean, highLosses, fault };
}
