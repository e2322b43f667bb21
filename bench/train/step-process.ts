// Ours: takes steps of one model when told to, in a process of its own, so that its peak memory is its alone.
import { createGgmlDevice } from '../../src/tensor/ggml/ggml-device.ts';
import { measureGemm, measureSteps } from '../../src/train/measure.ts';
import { createStepRunner, initialiseParameters } from '../../src/train/step-runner.ts';
import { peakBytes } from '../serve/contender.ts';
import { settingsOf, type TrainModel } from './models.ts';

export type StepQuestion =
  | { type: 'open'; model: TrainModel; context: number }
  | { type: 'gemm' }
  | { type: 'steps'; count: number };
export interface StepAnswer {
  tokensPerSecond?: number;
  flopsPerSecond?: number;
  /** Most memory the process ever held, in bytes. */
  peakBytes: number;
  failure?: string;
}

const device = createGgmlDevice({ device: 'cpu' });
let take: ((count: number) => ReturnType<typeof measureSteps>) | undefined;

async function answer(question: StepQuestion): Promise<Omit<StepAnswer, 'peakBytes'>> {
  switch (question.type) {
    case 'open': {
      const settings = settingsOf(question.model, question.context);
      const runner = createStepRunner(device, settings, { mixed: false });
      initialiseParameters(device, settings);
      take = (count) => measureSteps(runner, settings, { steps: count });
      return {};
    }
    case 'gemm':
      return { flopsPerSecond: await measureGemm(device) };
    case 'steps':
      return (await take?.(question.count)) ?? {};
  }
}

process.on('message', (question: StepQuestion) => {
  answer(question)
    .catch((error: Error) => ({ failure: error.message }))
    .then((found) => process.send?.({ ...found, peakBytes: peakBytes(process.pid) } satisfies StepAnswer));
});
process.on('disconnect', () => process.exit(0));
