// The learning rate over a run, as a factor of its highest value. Pure functions of the step: a run that is resumed goes on where it
// was. Steps count from 0; what lies behind the last is as the last.

export interface Schedule {
  /**
   * constant: stays at 1. cosine: half a period down (Loshchilov and Hutter 2016). wsd: warm-up, stable, decay, a trapezoid (Hu et
   * al. 2024, MiniCPM), which can be prolonged as long as it has not begun to fall.
   */
  kind: 'constant' | 'cosine' | 'wsd';
  /** Steps of the run. */
  steps: number;
  /** Steps of rising in a straight line, the first of them by 1 / warmupSteps. Default 0 */
  warmupSteps?: number;
  /** Steps of falling in a straight line at the end. Only of wsd, where it is 20 % of all by default. */
  decaySteps?: number;
  /** Where cosine and wsd would be one step after the run. Default 0 */
  finalFactor?: number;
}

/** @param step from 0 on @returns 0 to 1 */
export function scheduleFactor(schedule: Schedule, step: number): number {
  const { kind, warmupSteps = 0 } = schedule;
  if (step < warmupSteps) return (step + 1) / warmupSteps;
  switch (kind) {
    case 'constant':
      return 1;
    case 'cosine':
      return cosine(schedule, step);
    case 'wsd':
      return trapezoid(schedule, step);
  }
  return kind satisfies never;
}

function cosine({ steps, warmupSteps = 0, finalFactor = 0 }: Schedule, step: number): number {
  const done = clampToOne((step - warmupSteps) / Math.max(1, steps - warmupSteps));
  return finalFactor + ((1 - finalFactor) * (1 + Math.cos(Math.PI * done))) / 2;
}

function trapezoid(schedule: Schedule, step: number): number {
  const { steps, finalFactor = 0, decaySteps = Math.round(0.2 * steps) } = schedule;
  const left = clampToOne((steps - step) / Math.max(1, decaySteps));
  return finalFactor + (1 - finalFactor) * left;
}

function clampToOne(value: number): number {
  return Math.min(1, Math.max(0, value));
}
