// How each operation passes a gradient on to its inputs, written with the same operations. ops.ts says what they compute; nothing
// here walks a graph.
import { invariant } from '../lib/errors.ts';
import {
  add,
  broadcast,
  cast,
  div,
  fill,
  matmul,
  mul,
  permute,
  putRows,
  reshape,
  rmsNormGradient,
  rope,
  rows,
  rowsGradient,
  scale,
  silu,
  siluGradient,
  slice,
  softmaxGradient,
  sqr,
  step,
  sub,
  sumTo,
  tanh,
  transpose,
} from './ops.ts';
import { lastSize, refuse } from './shapes.ts';
import { elementCount, type Tensor } from './tensor.ts';

/** A gradient of a whole tensor, or that of a slice of it which is zero elsewhere. */
export type Contribution = Tensor | { part: Tensor; axis: number; start: number };

/** Written down only when its input is needed. */
type Rule = () => Contribution;

/**
 * What a tensor passes on. The last input comes first: a weight's gradient and its transposed copies are done with before that of
 * what flows through takes memory.
 * @param gradient of the loss by `tensor`, f32 and of its shape
 */
export function contributions(
  tensor: Tensor,
  gradient: Tensor,
  needed: (tensor: Tensor) => boolean,
): [Tensor, Contribution][] {
  const { op, inputs } = tensor;
  if (op.kind === 'with-gradient') {
    const sources = inputs.slice(1);
    const given = op.rule(gradient, sources.map(needed));
    return sources.flatMap((source, index): [Tensor, Contribution][] => {
      const part = given[index];
      if (!part || !needed(source)) return [];
      invariant(elementCount(part.shape) === elementCount(source.shape), 'a rule keeps to the shape of its source');
      return [[source, reshape(part, source.shape)]];
    });
  }
  const rules = rulesOf(tensor, gradient);
  const given: [Tensor, Contribution][] = [];
  for (let index = inputs.length - 1; index >= 0; index--) {
    const source = inputs[index] as Tensor;
    const rule = rules[index];
    if (rule && needed(source)) given.push([source, rule()]);
  }
  return given;
}

/** By input; an input without a rule has no gradient. */
function rulesOf(y: Tensor, g: Tensor): readonly Rule[] {
  const { op } = y;
  invariant(op.kind !== 'with-gradient', 'its own rule is used');
  const [x, w] = y.inputs as [Tensor, Tensor];
  switch (op.kind) {
    case 'input':
    case 'state':
    case 'fill':
    case 'step':
      return [];
    case 'sqr':
      return [() => scale(mul(g, x), 2)];
    case 'sqrt':
      return [() => scale(div(g, y), 0.5)];
    case 'exp':
      return [() => mul(g, y)];
    case 'log':
      return [() => div(g, x)];
    case 'tanh':
      return [() => mul(g, scale(sqr(y), -1, 1))];
    case 'sigmoid':
      return [() => mul(g, sub(y, sqr(y)))];
    case 'silu':
      return [() => siluGradient(g, x)];
    case 'relu':
      return [() => mul(g, step(y))];
    case 'gelu':
      return [() => geluGradient(g, x)];
    case 'add':
      return [() => g, () => sumTo(g, w.shape)];
    case 'sub':
      return [() => g, () => scale(sumTo(g, w.shape), -1)];
    case 'mul':
      return [() => mul(g, w), () => sumTo(mul(g, x), w.shape)];
    case 'div':
      return [() => div(g, w), () => scale(sumTo(div(mul(g, y), w), w.shape), -1)];
    case 'scale':
      return [() => scale(g, op.factor)];
    case 'clamp':
      return [() => clampGradient(g, x, op.min, op.max)];
    case 'swiglu':
      return [() => siluGradient(mul(g, w), x), () => mul(g, silu(x))];
    case 'sum':
    case 'sum-last':
    case 'sum-to':
      return [() => broadcast(g, x.shape)];
    case 'broadcast':
      return [() => sumTo(g, x.shape)];
    case 'matmul':
      return [() => matmul(g, transpose(wideEnough(w))), () => weightGradient(g, x, w)];
    case 'reshape':
      return [() => reshape(g, x.shape)];
    case 'permute':
      return [() => permute(g, inverseOrder(op.axes))];
    case 'slice':
      return [() => ({ part: g, axis: op.axis, start: op.start })];
    case 'concat':
      return concatRules(y, g, op.axis);
    case 'add-at':
      return [() => g, () => slice(g, op.axis, op.start, op.start + (w.shape[op.axis] as number))];
    case 'rows':
      return [() => rowsGradient(g, w, x.shape[0] as number)];
    case 'put-rows': {
      const indices = y.inputs[2] as Tensor;
      return [() => putRows(g, fill(g.graph, 0, w.shape), indices), () => rows(g, indices)];
    }
    case 'softmax':
      return [() => softmaxGradient(g, y, op.factor), () => sumTo(softmaxGradient(g, y, 1), w.shape)];
    case 'rms-norm':
      return [() => rmsNormGradient(g, x, op.epsilon)];
    case 'rope':
      return [() => rope(g, w, { pairing: op.pairing, base: op.base, inverse: !op.inverse })];
    case 'cast':
      return [() => g];
    case 'silu-gradient':
    case 'softmax-gradient':
    case 'rms-norm-gradient':
    case 'rows-gradient':
    case 'adamw-step':
    case 'assign':
      return refuse('gradients', `${op.kind} has no derivative here`);
  }
  return op satisfies never;
}

/** A device may round what it multiplies to the weights' type, and f16 has too few exponents for gradients. */
function wideEnough(w: Tensor): Tensor {
  return w.dtype === 'f16' ? cast(w, 'f32') : w;
}

/**
 * Gradient of `matmul(x, w)` by w: over all rows that each matrix of w was multiplied with. Operands are transposed so that it is one
 * `matmul`, in bf16 where the weights are: f16 has too few exponents for gradients.
 * @param g (…, M, N), gradient by the product
 * @param x (…, M, K)
 * @param w (…, N, K); only its shape and type count
 * @returns f32 of the shape of w
 */
export function weightGradient(g: Tensor, x: Tensor, w: Tensor): Tensor {
  const right = transpose(gatherRows(x, w));
  const operand = w.dtype === 'bf16' ? cast(right, 'bf16') : right;
  return reshape(matmul(transpose(gatherRows(g, w)), operand), w.shape);
}

/**
 * (X0, X1, M, K) as (W0, W1, R, K): for each matrix of w, whose leading sizes are W0 and W1, the rows of all matrices of x that share
 * it.
 */
function gatherRows(x: Tensor, w: Tensor): Tensor {
  const [x0 = 1] = leading(x, 2);
  const [w0 = 1, w1 = 1] = leading(w, 2);
  const width = lastSize(x);
  const rowCount = elementCount(x.shape) / width;
  if (w0 === 1 && w1 === 1) return reshape(x, [rowCount, width]);
  const shape = [w0, w1, rowCount / (w0 * w1), width];
  if (x0 === w0 || w1 === 1) return reshape(x, shape);
  const perMatrix = elementCount(x.shape) / (x0 * w1);
  return reshape(permute(reshape(x, [w0, x0 / w0, w1, perMatrix]), [0, 2, 1, 3]), shape);
}

/** The sizes before the last two, filled up with 1 in front. */
function leading(tensor: Tensor, count: number): number[] {
  const sizes = tensor.shape.slice(0, -2);
  return [...Array(count - sizes.length).fill(1), ...sizes];
}

function concatRules(y: Tensor, g: Tensor, axis: number): Rule[] {
  let end = 0;
  return y.inputs.map((input) => {
    const start = end;
    end += input.shape[axis] as number;
    const stop = end;
    return () => slice(g, axis, start, stop);
  });
}

function inverseOrder(axes: readonly number[]): number[] {
  return axes.map((_, axis) => axes.indexOf(axis));
}

function clampGradient(g: Tensor, x: Tensor, min: number, max: number): Tensor {
  const above = Number.isFinite(min) ? mul(g, step(scale(x, 1, -min))) : g;
  return Number.isFinite(max) ? mul(above, step(scale(x, -1, max))) : above;
}

/** Of 0.5 x (1 + tanh(u)), u = c (x + a x³). */
function geluGradient(g: Tensor, x: Tensor): Tensor {
  const c = Math.sqrt(2 / Math.PI);
  const a = 0.044715;
  const square = sqr(x);
  const t = tanh(mul(x, scale(square, c * a, c)));
  const slope = mul(mul(x, scale(square, 3 * c * a, c)), scale(sqr(t), -1, 1));
  return mul(g, scale(add(t, slope), 0.5, 0.5));
}
