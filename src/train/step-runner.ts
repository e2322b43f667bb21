// One step of training as programs of a device: forward and backward over the rows of the step, in as many passes as memory asks
// for, then the optimizer. Every value that changes from step to step goes in as an input, so the programs are planned once.
import { initialise } from '../models/initialise.ts';
import { type ParameterRole, type ParameterSpec, parameterOf, parametersOf } from '../models/model.ts';
import type { Device, Executable, Program } from '../tensor/device.ts';
import { gradients } from '../tensor/gradients.ts';
import { add, mul, sqr, sqrt, sum } from '../tensor/ops.ts';
import { accumulate, clearSums, gradientSum } from '../tensor/optim/accumulation.ts';
import { clipScale, globalNorm } from '../tensor/optim/clipping.ts';
import { Graph, type Tensor } from '../tensor/tensor.ts';
import { type BatchSource, emptyBatch, type Position } from './batches.ts';
import { type PassShape, setBatch, setConstants, writeLoss } from './forward-pass.ts';
import { learningRateAt, type Optimizer, optimizerOf } from './optimizer.ts';
import { type RunSettings, rowsOfStep } from './run-settings.ts';

export interface StepResult {
  /** Mean over the targets of the step, in nats, before the update. */
  loss: number;
  /** Of all parameters together, before clipping. */
  gradientNorm: number;
  /** Of the matrices. */
  learningRate: number;
  targets: number;
  /** Where the next step begins. */
  position: Position;
}

export interface StepRunner {
  /** @param step how many were done before */
  step(source: BatchSource, position: Position, step: number): Promise<StepResult>;
  /** Bytes of intermediate values, of all programs. */
  readonly workBytes: number;
  dispose(): void;
}

/**
 * Plans a run's programs; the parameters are zero until `initialiseParameters` or `restoreStates`.
 * @param options.mixed whether rows hold several documents
 * @throws FreeholdError does_not_fit
 */
export function createStepRunner(device: Device, settings: RunSettings, options: { mixed: boolean }): StepRunner {
  const { rowsPerPass } = settings.memory;
  const shape = { rows: rowsPerPass, mixed: options.mixed };
  const passes = rowsOfStep(settings) / rowsPerPass;
  const optimizer = optimizerOf(settings);
  const programs = trainingPrograms(settings, optimizer, shape);
  const executables: Executable[] = [];
  try {
    for (const program of programs) executables.push(device.compile(program));
  } catch (error) {
    for (const executable of executables) executable.dispose();
    throw error;
  }
  const pass = executables[0] as Executable;
  const update = executables.at(-1) as Executable;
  setConstants(pass, settings);
  const batches = Array.from({ length: passes }, () => emptyBatch(rowsPerPass, settings.recipe.model.context));

  return {
    workBytes: executables.reduce((sum, { workBytes }) => sum + workBytes, 0),
    async step(source, position, step) {
      for (const batch of batches) position = source.fill(batch, position);
      const targets = batches.reduce((sum, { count }) => sum + count, 0);
      optimizer.set(update, step);
      let loss = 0;
      for (const batch of batches) {
        setBatch(pass, settings, shape, { batch, weight: 1 / targets });
        await pass.run();
        loss += pass.get('loss')[0] as number;
      }
      if (passes > 1) await update.run();
      const gradientNorm = update.get('gradientNorm')[0] as number;
      return { loss, gradientNorm, learningRate: learningRateAt(settings, step), targets, position };
    },
    dispose() {
      for (const executable of executables) executable.dispose();
    },
  };
}

/** First values of all parameters, by the run's seed. */
export function initialiseParameters(device: Device, settings: RunSettings): void {
  for (const spec of parametersOf(settings.recipe.model)) device.write(spec.name, initialise(spec, settings.seed));
}

/** One program a step, or one for each pass and one for the update. */
export function trainingPrograms(settings: RunSettings, optimizer: Optimizer, shape: PassShape): Program[] {
  const whole = rowsOfStep(settings) === settings.memory.rowsPerPass;
  return whole ? [wholeStep(settings, optimizer, shape)] : sumAndUpdate(settings, optimizer, shape);
}

/** Forward, backward and update in one program. */
function wholeStep(settings: RunSettings, optimizer: Optimizer, shape: PassShape): Program {
  const graph = new Graph();
  const loss = writeLoss(graph, settings, { ...shape, recompute: settings.memory.recompute });
  const { parameters, roleOf } = parametersIn(graph, settings);
  if (settings.optimizer.clip > 0) {
    const known = gradients(loss, parameters) as Tensor[];
    const { norm, updates } = clippedUpdates(settings, optimizer, graph, known);
    return { graph, outputs: { loss, gradientNorm: norm }, updates };
  }
  // without clipping no update waits for another gradient, and each gradient's memory is free at once
  const updates: Tensor[] = [];
  let squares: Tensor | undefined;
  gradients(loss, parameters, (gradient, parameter) => {
    const own = sum(sqr(gradient));
    squares = squares ? add(squares, own) : own;
    updates.push(...optimizer.update(roleOf(parameter), parameter, gradient));
    return gradient;
  });
  return { graph, outputs: { loss, gradientNorm: sqrt(squares as Tensor) }, updates };
}

/** One program that adds a pass's gradients to their sums, one that steps by the sums and clears them. */
function sumAndUpdate(settings: RunSettings, optimizer: Optimizer, shape: PassShape): Program[] {
  const pass = new Graph();
  const loss = writeLoss(pass, settings, { ...shape, recompute: settings.memory.recompute });
  const updates: Tensor[] = [];
  gradients(loss, parametersIn(pass, settings).parameters, (gradient, parameter) => {
    const total = accumulate(gradient, parameter);
    updates.push(total);
    return total;
  });
  const graph = new Graph();
  const { parameters } = parametersIn(graph, settings);
  const stepped = clippedUpdates(settings, optimizer, graph, parameters.map(gradientSum));
  return [
    { graph: pass, outputs: { loss }, updates },
    { graph, outputs: { gradientNorm: stepped.norm }, updates: [...stepped.updates, ...clearSums(parameters)] },
  ];
}

function parametersIn(graph: Graph, { recipe }: RunSettings) {
  const specs = parametersOf(recipe.model);
  const parameters = specs.map(({ name }) => parameterOf(recipe.model, graph, name));
  const roles = new Map(parameters.map((parameter, index) => [parameter, (specs[index] as ParameterSpec).role]));
  return { parameters, roleOf: (parameter: Tensor) => roles.get(parameter) as ParameterRole };
}

/** @param known gradients in the order of the parameters */
function clippedUpdates(settings: RunSettings, optimizer: Optimizer, graph: Graph, known: readonly Tensor[]) {
  const { parameters, roleOf } = parametersIn(graph, settings);
  const { clip } = settings.optimizer;
  const clipped = clip > 0 ? clipScale(known, clip) : { norm: globalNorm(known), scale: undefined };
  const updates = parameters.flatMap((parameter, index) => {
    const gradient = known[index] as Tensor;
    return optimizer.update(roleOf(parameter), parameter, clipped.scale ? mul(gradient, clipped.scale) : gradient);
  });
  return { norm: clipped.norm, updates };
}
