// What every operation computes, one plain loop each, in f64: the definition that other devices are held against. Values are
// row-major arrays; indices are kept as f64 too. Slow, and meant to be read.
import { invariant } from '../../lib/errors.ts';
import { elementCount, type Op, type Shape, type Tensor } from '../tensor.ts';
import { addedAt, concatenate, indexMap, permuted, sliced } from './layout.ts';
import { narrow } from './narrow.ts';

export type Values = Float64Array;

/**
 * The value of a tensor that is neither input nor state.
 * @param inputs values of `tensor.inputs`; not written to
 */
export function compute(tensor: Tensor, inputs: readonly Values[]): Values {
  const { op, shape } = tensor;
  const ofDevice = op.kind === 'input' || op.kind === 'state' || op.kind === 'assign' || op.kind === 'adamw-step';
  invariant(!ofDevice, `${op.kind} is the device's`);
  const [x, y, z] = inputs as [Values, Values, Values];
  const [from, by] = tensor.inputs as [Tensor, Tensor];
  const pair = (f: (a: number, b: number) => number) => pairwise(x, from.shape, y, by.shape, f);
  switch (op.kind) {
    case 'fill':
      return new Float64Array(elementCount(shape)).fill(op.value);
    case 'sqr':
    case 'sqrt':
    case 'exp':
    case 'log':
    case 'tanh':
    case 'sigmoid':
    case 'silu':
    case 'relu':
    case 'step':
    case 'gelu':
      return x.map(functions[op.kind]);
    case 'add':
      return pair((a, b) => a + b);
    case 'sub':
      return pair((a, b) => a - b);
    case 'mul':
      return pair((a, b) => a * b);
    case 'div':
      return pair((a, b) => a / b);
    case 'scale':
      return x.map((value) => value * op.factor + op.offset);
    case 'clamp':
      return x.map((value) => Math.min(Math.max(value, op.min), op.max));
    case 'swiglu':
      return pair((gate, up) => functions.silu(gate) * up);
    case 'silu-gradient':
      return pair((gradient, at) => gradient * siluSlope(at));
    case 'sum':
      return Float64Array.of(x.reduce((total, value) => total + value, 0));
    case 'sum-last':
      return perRow(x, from.shape, 1, (row, out) => {
        out[0] = row.reduce((total, value) => total + value, 0);
      });
    case 'broadcast':
      return indexMap(from.shape, shape, (at) => x[at] as number);
    case 'sum-to': {
      const total = new Float64Array(elementCount(shape));
      indexMap(shape, from.shape, (at, index) => {
        total[at] = (total[at] as number) + (x[index] as number);
        return 0;
      });
      return total;
    }
    case 'matmul':
      return matmul(x, from.shape, y, by.shape);
    case 'reshape':
    case 'with-gradient':
      return x.slice();
    case 'permute':
      return permuted(x, from.shape, op.axes);
    case 'slice':
      return sliced(x, from.shape, op.axis, op.start, op.end);
    case 'concat':
      return concatenate(
        inputs,
        tensor.inputs.map((input) => input.shape),
        op.axis,
      );
    case 'add-at':
      return addedAt(x, from.shape, y, by.shape, op.axis, op.start);
    case 'rows':
      return rows(x, from.shape, y);
    case 'put-rows':
      return putRows(x, from.shape, y, z);
    case 'rows-gradient':
      return rowsGradient(x, shape, y);
    case 'softmax':
      return softmax(x, shape, op.factor, y && indexMap(by.shape, shape, (at) => y[at] as number));
    case 'softmax-gradient':
      return softmaxGradient(x, y, shape, op.factor);
    case 'rms-norm':
      return perRow(x, shape, shape.at(-1) as number, (row, out) => {
        const size = rootMeanSquare(row, op.epsilon);
        for (let i = 0; i < row.length; i++) out[i] = (row[i] as number) / size;
      });
    case 'rms-norm-gradient':
      return rmsNormGradient(x, y, shape, op.epsilon);
    case 'rope':
      return rope(x, shape, y, op);
    case 'cast':
      return x.map((value) => narrow(value, tensor.dtype));
  }
  return op satisfies never;
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

const functions = {
  sqr: (x: number) => x * x,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  sigmoid,
  silu: (x: number) => x * sigmoid(x),
  relu: (x: number) => Math.max(x, 0),
  step: (x: number) => (x > 0 ? 1 : 0),
  gelu: (x: number) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

function siluSlope(x: number): number {
  const s = sigmoid(x);
  return s * (1 + x * (1 - s));
}

function pairwise(a: Values, aShape: Shape, b: Values, bShape: Shape, f: (a: number, b: number) => number): Values {
  return indexMap(bShape, aShape, (at, index) => f(a[index] as number, b[at] as number));
}

/** Computes each run of the last axis from one of `x`. */
function perRow(
  x: Values,
  shape: Shape,
  outSize: number,
  f: (row: Values, out: Values, index: number) => void,
): Values {
  const size = shape.at(-1) as number;
  const count = x.length / size;
  const result = new Float64Array(count * outSize);
  for (let row = 0; row < count; row++) {
    f(x.subarray(row * size, (row + 1) * size), result.subarray(row * outSize, (row + 1) * outSize), row);
  }
  return result;
}

/** x (…, M, K), w (…, N, K): neighbouring matrices of x share one of w. */
function matmul(x: Values, xShape: Shape, w: Values, wShape: Shape): Values {
  const [m, k] = xShape.slice(-2) as [number, number];
  const n = wShape.at(-2) as number;
  const leading = xShape.slice(0, -2);
  const shared = [...Array(xShape.length - wShape.length).fill(1), ...wShape.slice(0, -2)] as number[];
  const matrices = elementCount(leading);
  const result = new Float64Array(matrices * m * n);
  for (let matrix = 0; matrix < matrices; matrix++) {
    // the place of this matrix of x, axis by axis, gives that of its matrix of w
    let of = 0;
    let rest = matrix;
    for (let axis = leading.length - 1, step = 1; axis >= 0; axis--) {
      const size = leading[axis] as number;
      of += Math.floor((rest % size) / (size / (shared[axis] as number))) * step;
      step *= shared[axis] as number;
      rest = Math.floor(rest / size);
    }
    for (let row = 0; row < m; row++) {
      const a = x.subarray((matrix * m + row) * k, (matrix * m + row + 1) * k);
      for (let column = 0; column < n; column++) {
        const start = (of * n + column) * k;
        let total = 0;
        for (let i = 0; i < k; i++) total += (a[i] as number) * (w[start + i] as number);
        result[(matrix * m + row) * n + column] = total;
      }
    }
  }
  return result;
}

function rows(table: Values, [count, size]: Shape, indices: Values): Values {
  const result = new Float64Array(indices.length * (size as number));
  indices.forEach((index, row) => {
    invariant(index >= 0 && index < (count as number), `index ${index} is a row of ${count}`);
    result.set(table.subarray(index * (size as number), (index + 1) * (size as number)), row * (size as number));
  });
  return result;
}

function putRows(table: Values, shape: Shape, values: Values, indices: Values): Values {
  const size = shape[1] as number;
  const result = table.slice();
  indices.forEach((index, row) => {
    result.set(values.subarray(row * size, (row + 1) * size), index * size);
  });
  return result;
}

function rowsGradient(gradient: Values, shape: Shape, indices: Values): Values {
  const size = shape[1] as number;
  const result = new Float64Array(elementCount(shape));
  indices.forEach((index, row) => {
    for (let i = 0; i < size; i++) {
      const at = index * size + i;
      result[at] = (result[at] as number) + (gradient[row * size + i] as number);
    }
  });
  return result;
}

function softmax(x: Values, shape: Shape, factor: number, mask: Values | undefined): Values {
  const size = shape.at(-1) as number;
  return perRow(x, shape, size, (row, out, index) => {
    for (let i = 0; i < size; i++) out[i] = (row[i] as number) * factor + (mask?.[index * size + i] ?? 0);
    const most = out.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (let i = 0; i < size; i++) {
      const value = Math.exp((out[i] as number) - most);
      out[i] = value;
      total += value;
    }
    for (let i = 0; i < size; i++) out[i] = (out[i] as number) / total;
  });
}

function softmaxGradient(gradient: Values, y: Values, shape: Shape, factor: number): Values {
  const size = shape.at(-1) as number;
  return perRow(gradient, shape, size, (g, out, index) => {
    const p = y.subarray(index * size, (index + 1) * size);
    const mean = dot(g, p);
    for (let i = 0; i < size; i++) out[i] = factor * (p[i] as number) * ((g[i] as number) - mean);
  });
}

function rmsNormGradient(gradient: Values, x: Values, shape: Shape, epsilon: number): Values {
  const size = shape.at(-1) as number;
  return perRow(gradient, shape, size, (g, out, index) => {
    const row = x.subarray(index * size, (index + 1) * size);
    const root = rootMeanSquare(row, epsilon);
    const along = dot(g, row) / (size * root ** 2);
    for (let i = 0; i < size; i++) out[i] = ((g[i] as number) - (row[i] as number) * along) / root;
  });
}

function rootMeanSquare(row: Values, epsilon: number): number {
  return Math.sqrt(dot(row, row) / row.length + epsilon);
}

function dot(a: Values, b: Values): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] as number) * (b[i] as number);
  return total;
}

function rope(x: Values, shape: Shape, positions: Values, op: Extract<Op, { kind: 'rope' }>): Values {
  const [, length, heads, size] = shape as [number, number, number, number];
  const half = size / 2;
  return perRow(x, shape, size, (row, out, index) => {
    const position = positions[Math.floor(index / heads) % length] as number;
    for (let i = 0; i < half; i++) {
      const angle = position * op.base ** (-i / half) * (op.inverse ? -1 : 1);
      const [first, second] = op.pairing === 'adjacent' ? [2 * i, 2 * i + 1] : [i, i + half];
      const [a, b] = [row[first] as number, row[second] as number];
      out[first] = a * Math.cos(angle) - b * Math.sin(angle);
      out[second] = a * Math.sin(angle) + b * Math.cos(angle);
    }
  });
}
