// The operations of a graph. Each checks shapes and types at once and computes nothing. Shapes are row-major, outermost size first.
// Which operations there are follows ggml, so that each is one call there (or a few), on every device.
import {
  broadcasts,
  checkAxis,
  checkShape,
  checkType,
  describe,
  lastSize,
  refuse,
  sameShape,
  withSize,
} from './shapes.ts';
import {
  type BinaryKind,
  type DType,
  elementCount,
  type GradientRule,
  type Graph,
  type RopePairing,
  type Shape,
  showShape,
  type Tensor,
  type UnaryKind,
} from './tensor.ts';

/**
 * Values that the caller gives before every run.
 * @param name unique in the graph
 */
export function input(graph: Graph, name: string, shape: Shape, dtype: DType = 'f32'): Tensor {
  checkShape(`input "${name}"`, shape);
  return graph.add({ kind: 'input', name }, [], shape, dtype);
}

/**
 * Values that stay on the device between runs and are shared by every graph that names them: parameters, the optimizer's
 * moments, sums of gradients. Zero until written.
 * @param options.trainable whether a gradient may be asked for. Default false
 */
export function state(
  graph: Graph,
  name: string,
  shape: Shape,
  options: { dtype?: Exclude<DType, 'i32'>; trainable?: boolean } = {},
): Tensor {
  checkShape(`state "${name}"`, shape);
  return graph.add({ kind: 'state', name, trainable: options.trainable ?? false }, [], shape, options.dtype ?? 'f32');
}

/** A tensor of one value. */
export function fill(graph: Graph, value: number, shape: Shape): Tensor {
  checkShape('fill', shape);
  return graph.add({ kind: 'fill', value }, [], shape, 'f32');
}

function unary(kind: UnaryKind): (x: Tensor) => Tensor {
  return (x) => {
    checkType(kind, x, 'f32');
    return x.graph.add({ kind }, [x], x.shape, 'f32');
  };
}

export const sqr = unary('sqr');
export const sqrt = unary('sqrt');
export const exp = unary('exp');
/** Natural logarithm. */
export const log = unary('log');
export const tanh = unary('tanh');
export const sigmoid = unary('sigmoid');
/** x · sigmoid(x) */
export const silu = unary('silu');
/** max(x, 0) */
export const relu = unary('relu');
/** 1 where x > 0, else 0. */
export const step = unary('step');
/** GELU by its tanh approximation. */
export const gelu = unary('gelu');

function binary(kind: BinaryKind): (a: Tensor, b: Tensor) => Tensor {
  return (a, b) => {
    checkType(kind, a, 'f32');
    checkType(kind, b, 'f32');
    if (!broadcasts(b.shape, a.shape)) refuse(kind, `the second of ${describe(a, b)} does not broadcast to the first`);
    return a.graph.add({ kind }, [a, b], a.shape, 'f32');
  };
}

/** @param b repeated to the shape of `a` where its size is 1 or missing */
export const add = binary('add');
/** a - b @param b repeated as in `add` */
export const sub = binary('sub');
/** @param b repeated as in `add` */
export const mul = binary('mul');
/** a / b @param b repeated as in `add` */
export const div = binary('div');

/** x · factor + offset */
export function scale(x: Tensor, factor: number, offset = 0): Tensor {
  checkType('scale', x, 'f32');
  return x.graph.add({ kind: 'scale', factor, offset }, [x], x.shape, 'f32');
}

export function clamp(x: Tensor, min: number, max: number): Tensor {
  checkType('clamp', x, 'f32');
  if (!(min <= max)) refuse('clamp', `${min} is not below ${max}`);
  return x.graph.add({ kind: 'clamp', min, max }, [x], x.shape, 'f32');
}

/** silu(gate) · up, for tensors of one shape (Shazeer 2020). */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  checkType('swiglu', gate, 'f32');
  checkType('swiglu', up, 'f32');
  if (!sameShape(gate.shape, up.shape)) refuse('swiglu', `${describe(gate, up)} differ in shape`);
  return gate.graph.add({ kind: 'swiglu' }, [gate, up], gate.shape, 'f32');
}

/** All numbers of a tensor. @returns (1) */
export function sum(x: Tensor): Tensor {
  checkType('sum', x, 'f32');
  return x.graph.add({ kind: 'sum' }, [x], [1], 'f32');
}

/** @returns (…, 1): the sum along the last axis */
export function sumLast(x: Tensor): Tensor {
  checkType('sum-last', x, 'f32');
  return x.graph.add({ kind: 'sum-last' }, [x], withSize(x.shape, x.shape.length - 1, 1), 'f32');
}

/** Repeats where the size is 1 or missing. @returns a tensor of that shape */
export function broadcast(x: Tensor, shape: Shape): Tensor {
  checkType('broadcast', x, 'f32');
  checkShape('broadcast', shape);
  if (!broadcasts(x.shape, shape)) refuse('broadcast', `${describe(x)} does not broadcast to ${showShape(shape)}`);
  return sameShape(x.shape, shape) ? x : x.graph.add({ kind: 'broadcast' }, [x], shape, 'f32');
}

/** The transpose of `broadcast`: sums over what would be repeated. @returns a tensor of that shape */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  checkType('sum-to', x, 'f32');
  if (!broadcasts(shape, x.shape)) refuse('sum-to', `${showShape(shape)} does not broadcast to ${describe(x)}`);
  return sameShape(x.shape, shape) ? x : x.graph.add({ kind: 'sum-to' }, [x], shape, 'f32');
}

/**
 * x times w transposed, the form in which rows of both are read in order.
 * @param x (…, M, K) f32
 * @param w (…, N, K) f32, f16 or bf16; each leading size divides that of `x` (missing ones are 1), and neighbouring matrices of
 * `x` share one of `w`: head h of H uses h / (H / Hkv), as grouped-query attention wants
 * @returns (…, M, N) f32
 */
export function matmul(x: Tensor, w: Tensor): Tensor {
  checkType('matmul', x, 'f32');
  checkType('matmul', w, 'f32', 'f16', 'bf16');
  if (x.shape.length < 2 || w.shape.length < 2) refuse('matmul', `takes matrices, was given ${describe(x, w)}`);
  if (lastSize(x) !== lastSize(w)) refuse('matmul', `the last sizes of ${describe(x, w)} differ`);
  const missing = x.shape.length - w.shape.length;
  const shared = w.shape.slice(0, -2).every((size, index) => (x.shape[index + missing] as number) % size === 0);
  if (missing < 0 || !shared) refuse('matmul', `the leading sizes of ${describe(x, w)} do not go together`);
  return x.graph.add({ kind: 'matmul' }, [x, w], [...x.shape.slice(0, -1), w.shape.at(-2) as number], 'f32');
}

/** @returns the same numbers in the same order, in another shape */
export function reshape(x: Tensor, shape: Shape): Tensor {
  checkShape('reshape', shape);
  if (elementCount(shape) !== elementCount(x.shape))
    refuse('reshape', `${describe(x)} does not have as many numbers as ${showShape(shape)}`);
  return sameShape(x.shape, shape) ? x : x.graph.add({ kind: 'reshape' }, [x], shape, x.dtype);
}

/** @param axes axis i of the result is axis `axes[i]` of `x` */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const rank = x.shape.length;
  if (axes.length !== rank || new Set(axes).size !== rank || axes.some((axis) => !(axis >= 0 && axis < rank)))
    refuse('permute', `[${axes.join(', ')}] does not order the axes of ${describe(x)}`);
  if (axes.every((axis, index) => axis === index)) return x;
  const shape = axes.map((axis) => x.shape[axis] as number);
  return x.graph.add({ kind: 'permute', axes }, [x], shape, x.dtype);
}

/** Swaps the last two axes. */
export function transpose(x: Tensor): Tensor {
  const rank = x.shape.length;
  if (rank < 2) refuse('transpose', `takes matrices, was given ${describe(x)}`);
  return permute(x, [...Array(rank - 2).keys(), rank - 1, rank - 2]);
}

/** Numbers `start` to `end` (not included) along an axis. */
export function slice(x: Tensor, axis: number, start: number, end: number): Tensor {
  const found = checkAxis('slice', x, axis);
  const size = x.shape[found] as number;
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= size))
    refuse('slice', `axis ${found} of ${describe(x)} has no part from ${start} to ${end}`);
  if (start === 0 && end === size) return x;
  return x.graph.add({ kind: 'slice', axis: found, start, end }, [x], withSize(x.shape, found, end - start), x.dtype);
}

/** One after the other along an axis; the other sizes are equal. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const [first, ...rest] = parts;
  if (!first) refuse('concat', 'takes one tensor at least');
  const found = checkAxis('concat', first, axis);
  for (const part of parts) checkType('concat', part, 'f32');
  const odd = rest.find((part) => !sameShape(withSize(part.shape, found, 1), withSize(first.shape, found, 1)));
  if (odd) refuse('concat', `${describe(first, odd)} differ beside axis ${found}`);
  if (rest.length === 0) return first;
  const size = parts.reduce((total, part) => total + (part.shape[found] as number), 0);
  return first.graph.add({ kind: 'concat', axis: found }, parts, withSize(first.shape, found, size), 'f32');
}

/** x with `part` added to its numbers from `start` on along an axis. */
export function addAt(x: Tensor, part: Tensor, axis: number, start: number): Tensor {
  const found = checkAxis('add-at', x, axis);
  checkType('add-at', x, 'f32');
  checkType('add-at', part, 'f32');
  const length = part.shape[found] as number;
  const fits = Number.isInteger(start) && start >= 0 && start + length <= (x.shape[found] as number);
  if (!fits || !sameShape(withSize(part.shape, found, 1), withSize(x.shape, found, 1)))
    refuse('add-at', `the second of ${describe(x, part)} is no part of the first at ${start} of axis ${found}`);
  if (length === x.shape[found]) return add(x, part);
  return x.graph.add({ kind: 'add-at', axis: found, start }, [x, part], x.shape, 'f32');
}

/**
 * Looks up rows, as an embedding does.
 * @param table (V, D)
 * @param indices (R) i32, each from 0 to V - 1: the device does not check them
 * @returns (R, D) f32
 */
export function rows(table: Tensor, indices: Tensor): Tensor {
  checkType('rows', table, 'f32', 'f16', 'bf16');
  checkIndices('rows', indices);
  if (table.shape.length !== 2) refuse('rows', `takes a matrix, was given ${describe(table)}`);
  return table.graph.add({ kind: 'rows' }, [table, indices], [indices.shape[0] as number, lastSize(table)], 'f32');
}

/**
 * table with some of its rows replaced; an index may stand once only.
 * @param table (V, D) f32
 * @param values (R, D) f32
 * @param indices (R) i32
 * @returns (V, D) f32
 */
export function putRows(table: Tensor, values: Tensor, indices: Tensor): Tensor {
  checkType('put-rows', table, 'f32');
  checkType('put-rows', values, 'f32');
  checkIndices('put-rows', indices);
  if (table.shape.length !== 2 || !sameShape(values.shape, [indices.shape[0] as number, lastSize(table)]))
    refuse('put-rows', `${describe(table, values)} do not go with ${describe(indices)}`);
  return table.graph.add({ kind: 'put-rows' }, [table, values, indices], table.shape, 'f32');
}

/**
 * Gradient of `rows` by its table: sums rows that share an index.
 * @param gradient (R, D) f32
 * @param indices (R) i32
 * @param count V
 * @returns (V, D) f32
 */
export function rowsGradient(gradient: Tensor, indices: Tensor, count: number): Tensor {
  checkType('rows-gradient', gradient, 'f32');
  checkIndices('rows-gradient', indices);
  if (gradient.shape.length !== 2 || gradient.shape[0] !== indices.shape[0])
    refuse('rows-gradient', `${describe(gradient, indices)} do not go together`);
  return gradient.graph.add({ kind: 'rows-gradient' }, [gradient, indices], [count, lastSize(gradient)], 'f32');
}

function checkIndices(op: string, indices: Tensor): void {
  checkType(op, indices, 'i32');
  if (indices.shape.length !== 1) refuse(op, `indices have one dimension, not ${describe(indices)}`);
}

/**
 * softmax(x · factor + mask) over the last axis.
 * @param x (…, M, N) f32
 * @param options.mask (…, M, N) f32, broadcast over the leading axes; -Infinity forbids
 * @param options.factor default 1
 */
export function softmax(x: Tensor, options: { mask?: Tensor; factor?: number } = {}): Tensor {
  const { mask, factor = 1 } = options;
  checkType('softmax', x, 'f32');
  if (mask) {
    checkType('softmax', mask, 'f32');
    const whole = mask.shape.length >= 2 && sameShape(mask.shape.slice(-2), x.shape.slice(-2));
    if (!whole || !broadcasts(mask.shape, x.shape))
      refuse('softmax', `the mask of ${describe(x, mask)} does not broadcast to what it masks`);
  }
  return x.graph.add({ kind: 'softmax', factor }, mask ? [x, mask] : [x], x.shape, 'f32');
}

/** Gradient by x of `softmax(x, { factor })`, whose result was `y`: factor · y · (gradient - sumLast(gradient · y)). */
export function softmaxGradient(gradient: Tensor, y: Tensor, factor: number): Tensor {
  checkType('softmax-gradient', gradient, 'f32');
  if (!sameShape(gradient.shape, y.shape)) refuse('softmax-gradient', `${describe(gradient, y)} differ in shape`);
  return y.graph.add({ kind: 'softmax-gradient', factor }, [gradient, y], y.shape, 'f32');
}

/** x / sqrt(mean of squares over the last axis + epsilon) (Zhang and Sennrich 2019), without a weight. */
export function rmsNorm(x: Tensor, epsilon: number): Tensor {
  checkType('rms-norm', x, 'f32');
  return x.graph.add({ kind: 'rms-norm', epsilon }, [x], x.shape, 'f32');
}

export function rmsNormGradient(gradient: Tensor, x: Tensor, epsilon: number): Tensor {
  checkType('rms-norm-gradient', gradient, 'f32');
  if (!sameShape(gradient.shape, x.shape)) refuse('rms-norm-gradient', `${describe(gradient, x)} differ in shape`);
  return x.graph.add({ kind: 'rms-norm-gradient', epsilon }, [gradient, x], x.shape, 'f32');
}

/** Gradient of `silu` at x. */
export function siluGradient(gradient: Tensor, x: Tensor): Tensor {
  checkType('silu-gradient', gradient, 'f32');
  if (!sameShape(gradient.shape, x.shape)) refuse('silu-gradient', `${describe(gradient, x)} differ in shape`);
  return x.graph.add({ kind: 'silu-gradient' }, [gradient, x], x.shape, 'f32');
}

/**
 * Rotary position embedding (Su et al. 2021) over the whole head.
 * @param x (B, T, H, D) f32, D even
 * @param positions (T) i32
 * @param options.base default 10,000
 * @param options.inverse rotates back, which is its gradient
 */
export function rope(
  x: Tensor,
  positions: Tensor,
  options: { pairing: RopePairing; base?: number; inverse?: boolean },
): Tensor {
  checkType('rope', x, 'f32');
  checkIndices('rope', positions);
  if (x.shape.length !== 4 || lastSize(x) % 2 !== 0 || positions.shape[0] !== x.shape[1])
    refuse('rope', `takes (B, T, H, D) and (T), was given ${describe(x, positions)}`);
  const { pairing, base = 10_000, inverse = false } = options;
  return x.graph.add({ kind: 'rope', pairing, base, inverse }, [x, positions], x.shape, 'f32');
}

/** The same numbers in another storage type. */
export function cast(x: Tensor, dtype: 'f32' | 'f16' | 'bf16'): Tensor {
  checkType('cast', x, 'f32', 'f16', 'bf16');
  return x.dtype === dtype ? x : x.graph.add({ kind: 'cast' }, [x], x.shape, dtype);
}

/**
 * One step of AdamW (Loshchilov and Hutter 2017), in place: writes the parameter and both moments.
 * @param parameter, first, second f32 states of one shape
 * @param gradient f32 of that shape
 * @param settings (7) f32: learning rate, beta1, beta2, epsilon, weight decay, 1 / (1 - beta1^t), 1 / (1 - beta2^t)
 * @returns the new parameter; to be named among the updates of a program
 */
export function adamwStep(
  parameter: Tensor,
  gradient: Tensor,
  first: Tensor,
  second: Tensor,
  settings: Tensor,
): Tensor {
  for (const tensor of [parameter, gradient, first, second, settings]) checkType('adamw-step', tensor, 'f32');
  for (const tensor of [parameter, first, second]) {
    if (tensor.op.kind !== 'state') refuse('adamw-step', `writes states, was given the result of ${tensor.op.kind}`);
    if (!sameShape(tensor.shape, gradient.shape)) refuse('adamw-step', `${describe(tensor, gradient)} differ in shape`);
  }
  if (!sameShape(settings.shape, [7])) refuse('adamw-step', `takes 7 settings, was given ${describe(settings)}`);
  const inputs = [parameter, gradient, first, second, settings];
  return parameter.graph.add({ kind: 'adamw-step' }, inputs, parameter.shape, 'f32');
}

/**
 * Writes a value into a state, for the next run and for what is made from the state later in this graph's order.
 * @returns the value; to be named among the updates of a program
 */
export function assign(target: Tensor, value: Tensor): Tensor {
  if (target.op.kind !== 'state') refuse('assign', `writes a state, was given the result of ${target.op.kind}`);
  if (!sameShape(target.shape, value.shape)) refuse('assign', `${describe(target, value)} differ in shape`);
  checkType('assign', value, 'f32');
  return target.graph.add({ kind: 'assign' }, [target, value], target.shape, target.dtype);
}

/**
 * A value with a gradient rule of its own: differentiation goes from the result to `sources` by the rule and does not look at how
 * the value was made. For what would otherwise keep too much, or lose digits.
 * @param sources what the rule gives gradients for, in its order
 */
export function withGradient(value: Tensor, sources: readonly Tensor[], rule: GradientRule): Tensor {
  return value.graph.add({ kind: 'with-gradient', rule }, [value, ...sources], value.shape, value.dtype);
}
