// The loop of a run: steps, validation, samples and when to keep a checkpoint, as events that whoever runs it pulls. Between two
// pulls nothing happens on the device, so an event of a checkpoint is the moment to read the weights. Knows no files and no
// processes. The same settings, data and progress give the same events, times aside.
import { invariant } from '../lib/errors.ts';
import { flopsPerToken } from '../models/costs.ts';
import type { BatchSource } from './batches.ts';
import type { Progress } from './checkpoint.ts';
import { judge } from './divergence.ts';
import type { Evaluator, ValidationResult } from './evaluator.ts';
import type { RunSettings } from './run-settings.ts';
import type { StepRunner } from './step-runner.ts';

export interface StepFacts {
  loss: number;
  /** Of the matrices. */
  learningRate: number;
  gradientNorm: number;
  /** Of this step, its own time only. */
  tokensPerSecond: number;
  flopsPerSecond: number;
}

export type TrainEvent =
  | { type: 'step'; progress: Progress; facts: StepFacts }
  | { type: 'validation'; progress: Progress; result: ValidationResult; best: boolean }
  | { type: 'sample'; progress: Progress; prompt: string; text: string }
  /** Weights and progress are those of the end of a step. */
  | { type: 'checkpoint'; progress: Progress; due: 'interval' | 'best' | 'asked' | 'end' }
  /** The last event: every step is done, what was asked for is obeyed, or training is lost. */
  | { type: 'end'; progress: Progress; reason: 'done' | 'pause' | 'stop' }
  | { type: 'diverged'; progress: Progress; fault: string };

/** Of the last validation: all there are, but for pools whose held-out part would take hours. */
const lastValidationTokens = 1 << 20;

export interface TrainOptions {
  settings: RunSettings;
  runner: StepRunner;
  source: BatchSource;
  evaluator?: Evaluator | undefined;
  /** Writes a text of the model. */
  sample?: ((progress: Progress) => Promise<string>) | undefined;
  /** Where to begin: `startOfRun`, or a checkpoint's. */
  progress: Progress;
  /** Looked at after every step. */
  requested?: () => 'pause' | 'stop' | undefined;
  /** @throws its reason after the step under way */
  signal?: AbortSignal | undefined;
  /** In seconds; for tests. */
  now?: () => number;
}

export async function* train(options: TrainOptions): AsyncGenerator<TrainEvent, void> {
  const { settings, runner, source, evaluator, requested, signal } = options;
  const { now = () => performance.now() / 1000 } = options;
  const { recipe, checkpoints, validation, samples } = settings;
  const flops = flopsPerToken(recipe.model);
  let progress = options.progress;
  let clock = now();
  let savedAt = clock;
  let savedStep = progress.step;
  /** Time goes by in pulls too: writing a checkpoint is part of a run. */
  const tick = () => {
    const since = now() - clock;
    clock += since;
    progress = { ...progress, elapsedSeconds: progress.elapsedSeconds + since };
  };
  const isDue = (everySteps: number) => everySteps > 0 && progress.step % everySteps === 0;

  while (progress.step < recipe.steps) {
    signal?.throwIfAborted();
    const started = now();
    const { loss, gradientNorm, learningRate, targets, position } = await runner.step(
      source,
      progress.position,
      progress.step,
    );
    const seconds = Math.max(1e-9, now() - started);
    const { fault, ...judged } = judge(progress, { loss, gradientNorm }, recipe.model.vocab);
    progress = { ...progress, ...judged, position, step: progress.step + 1, tokens: progress.tokens + targets };
    tick();
    const rate = targets / seconds;
    const facts = { loss, learningRate, gradientNorm, tokensPerSecond: rate, flopsPerSecond: rate * flops };
    yield { type: 'step', progress, facts };
    if (fault) {
      yield { type: 'diverged', progress, fault };
      return;
    }

    const last = progress.step === recipe.steps;
    let better = false;
    if (evaluator && (last || isDue(validation.everySteps))) {
      const result = await evaluator.validate(last ? lastValidationTokens : validation.mostTokens);
      const measured = { step: progress.step, loss: result.loss };
      better = result.loss < (progress.bestValidation?.loss ?? Number.POSITIVE_INFINITY);
      progress = { ...progress, lastValidation: measured, ...(better && { bestValidation: measured }) };
      tick();
      yield { type: 'validation', progress, result, best: better };
    }
    if (options.sample && (isDue(samples.everySteps) || (last && samples.everySteps > 0))) {
      const text = await options.sample(progress);
      tick();
      yield { type: 'sample', progress, prompt: samples.prompt, text };
    }

    const wish = requested?.();
    const minutesOver = checkpoints.everyMinutes > 0 && clock - savedAt >= checkpoints.everyMinutes * 60;
    const due = last
      ? 'end'
      : wish
        ? 'asked'
        : isDue(checkpoints.everySteps) || minutesOver
          ? 'interval'
          : better && checkpoints.keepBest
            ? 'best'
            : undefined;
    if (due) {
      yield { type: 'checkpoint', progress, due };
      savedStep = progress.step;
      savedAt = now();
      tick();
    }
    if (wish && !last) {
      yield { type: 'end', progress, reason: wish };
      return;
    }
  }
  invariant(savedStep === progress.step, 'a run ends with a checkpoint');
  yield { type: 'end', progress, reason: 'done' };
}
