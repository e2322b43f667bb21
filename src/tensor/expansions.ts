// Operations as others: for a device that lacks one, its definition in those that every device has. `expand` rewrites a program so;
// the functions take what the operation of the same name in ops.ts takes.
import type { Program } from './device.ts';
import { liveTensors, valueInputs } from './live.ts';
import {
  add,
  assign,
  broadcast,
  div,
  matmul,
  mul,
  permute,
  reshape,
  rows,
  scale,
  sigmoid,
  silu,
  slice,
  sqr,
  sqrt,
  step,
  sub,
  sumLast,
  transpose,
} from './ops.ts';
import { ramp } from './ramp.ts';
import { elementCount, Graph, type Shape, type Tensor } from './tensor.ts';

export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return mul(silu(gate), up);
}

export function softmaxGradient(gradient: Tensor, y: Tensor, factor: number): Tensor {
  return scale(mul(y, sub(gradient, sumLast(mul(gradient, y)))), factor);
}

export function rmsNormGradient(gradient: Tensor, x: Tensor, epsilon: number): Tensor {
  const size = x.shape.at(-1) as number;
  const root = sqrt(scale(sumLast(sqr(x)), 1 / size, epsilon));
  const normal = div(x, root);
  const along = scale(sumLast(mul(gradient, normal)), 1 / size);
  return div(sub(gradient, mul(normal, along)), root);
}

export function siluGradient(gradient: Tensor, x: Tensor): Tensor {
  const s = sigmoid(x);
  return mul(gradient, mul(s, scale(mul(x, scale(s, -1, 1)), 1, 1)));
}

/** The summed axes go to the end, and their numbers become one row. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const aligned = [...Array<number>(x.shape.length - shape.length).fill(1), ...shape];
  const axes = aligned.map((_, axis) => axis);
  const isSummed = (axis: number) => aligned[axis] === 1 && x.shape[axis] !== 1;
  const summed = axes.filter(isSummed);
  const ordered = permute(x, [...axes.filter((axis) => !isSummed(axis)), ...summed]);
  const count = elementCount(summed.map((axis) => x.shape[axis] as number));
  return reshape(sumLast(reshape(ordered, [elementCount(x.shape) / count, count])), shape);
}

/** @param chunk rows of the gradient whose choice among the V rows is written out, R · V numbers, at a time */
export function rowsGradient(gradient: Tensor, indices: Tensor, count: number, chunk = 256): Tensor {
  const { graph } = gradient;
  const [rowCount = 0] = gradient.shape;
  const numbers = ramp(graph, count);
  let total: Tensor | undefined;
  for (let start = 0; start < rowCount; start += chunk) {
    const end = Math.min(rowCount, start + chunk);
    // (R, 1): what is asked for, as f32
    const asked = rows(reshape(numbers, [count, 1]), slice(indices, 0, start, end));
    const apart = sub(broadcast(numbers, [end - start, count]), asked);
    const chosen = scale(step(sqr(apart)), -1, 1);
    const part = matmul(transpose(chosen), transpose(slice(gradient, 0, start, end)));
    total = total ? add(total, part) : part;
  }
  return total as Tensor;
}

/** @returns the new parameter, and what writes the moments; all three are updates */
export function adamwStep(
  parameter: Tensor,
  gradient: Tensor,
  first: Tensor,
  second: Tensor,
  settings: Tensor,
): [Tensor, Tensor, Tensor] {
  const [rate, beta1, beta2, epsilon, decay, unbias1, unbias2] = Array.from({ length: 7 }, (_, index) =>
    slice(settings, 0, index, index + 1),
  ) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const rest = (x: Tensor) => scale(x, -1, 1);
  const m = assign(first, add(mul(first, beta1), mul(gradient, rest(beta1))));
  const v = assign(second, add(mul(second, beta2), mul(sqr(gradient), rest(beta2))));
  const change = div(mul(m, unbias1), add(sqrt(mul(v, unbias2)), epsilon));
  const next = sub(mul(parameter, rest(mul(rate, decay))), mul(change, rate));
  return [assign(parameter, next), m, v];
}

/** Every operation that `expand` knows how to do without. */
export const expandable = [
  'swiglu',
  'softmax-gradient',
  'rms-norm-gradient',
  'silu-gradient',
  'sum-to',
  'rows-gradient',
  'adamw-step',
] as const;

/**
 * The program with what a device lacks written as other operations, in a graph of its own that holds only what is computed.
 * @param lacks asked for every tensor; one that is not of `expandable` stays as it is
 */
export function expand(program: Program, lacks: (tensor: Tensor) => boolean): Program {
  const graph = new Graph();
  const updates: Tensor[] = [];
  const asked = new Set(program.updates);
  const copies = new Map<Tensor, Tensor>();
  for (const tensor of liveTensors(program)) {
    const inputs = valueInputs(tensor).map((input) => copies.get(input) as Tensor);
    const parts = (lacks(tensor) && expanded(tensor, inputs)) || [
      // its rule has been used, and its sources may be gone
      tensor.op.kind === 'with-gradient'
        ? (inputs[0] as Tensor)
        : graph.add(tensor.op, inputs, tensor.shape, tensor.dtype),
    ];
    copies.set(tensor, parts[0] as Tensor);
    if (asked.has(tensor)) updates.push(...parts);
  }
  const outputs = Object.entries(program.outputs).map(([name, tensor]) => [name, copies.get(tensor) as Tensor]);
  return { graph, outputs: Object.fromEntries(outputs), updates };
}

/** The result first; what else is an update behind it. Undefined for an operation that stays. */
function expanded({ op, shape }: Tensor, inputs: readonly Tensor[]): Tensor[] | undefined {
  const [a, b, c, d, e] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  switch (op.kind) {
    case 'swiglu':
      return [swiglu(a, b)];
    case 'softmax-gradient':
      return [softmaxGradient(a, b, op.factor)];
    case 'rms-norm-gradient':
      return [rmsNormGradient(a, b, op.epsilon)];
    case 'silu-gradient':
      return [siluGradient(a, b)];
    case 'sum-to':
      return [sumTo(a, shape)];
    case 'rows-gradient':
      return [rowsGradient(a, b, shape[0] as number)];
    case 'adamw-step':
      return adamwStep(a, b, c, d, e);
    default:
      return undefined;
  }
}
