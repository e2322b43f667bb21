// Every operation, and what is built of them, as small cases that any device can run: forward, and gradients by all that is
// differentiable. The reference device is held against finite differences with them, other devices against the reference.
import { createRandom, type Random } from '../../lib/random.ts';
import { attention, causalMask } from '../attention.ts';
import { crossEntropy, flatTargets } from '../cross-entropy.ts';
import {
  add,
  addAt,
  broadcast,
  cast,
  clamp,
  concat,
  div,
  exp,
  fill,
  gelu,
  log,
  matmul,
  mul,
  permute,
  putRows,
  relu,
  reshape,
  rmsNorm,
  rope,
  rows,
  scale,
  sigmoid,
  silu,
  slice,
  softmax,
  sqr,
  sqrt,
  step,
  sub,
  sum,
  sumLast,
  sumTo,
  swiglu,
  tanh,
  transpose,
} from '../ops.ts';
import { recompute } from '../recompute.ts';
import type { DType, Shape, Tensor } from '../tensor.ts';
import { transformerBlock } from './transformer-block.ts';

export interface Leaf {
  shape: Shape;
  /** Default f32. */
  dtype?: DType;
  /** A state in place of an input, trainable; its value before the run is the leaf's. */
  state?: boolean;
  /** One number after the other. Default normally distributed. */
  values?: (random: Random, index: number) => number;
}

export interface OpCase {
  name: string;
  leaves: Readonly<Record<string, Leaf>>;
  build(leaves: Readonly<Record<string, Tensor>>): Tensor;
  /** Names of the leaves by which it is differentiated; default all of f32. */
  wanted: readonly string[];
}

function opCase<const Names extends string>(
  name: string,
  leaves: Record<Names, Leaf>,
  build: (leaves: Record<Names, Tensor>) => Tensor,
  wanted?: readonly NoInfer<Names>[],
): OpCase {
  const floats = Object.entries<Leaf>(leaves).filter(([, { dtype = 'f32' }]) => dtype === 'f32');
  return { name, leaves, build: build as OpCase['build'], wanted: wanted ?? floats.map(([leaf]) => leaf) };
}

export const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
const positive = (random: Random) => 0.5 + random.next();
/** Away from where `relu`, `step` and `clamp` have no derivative. */
const awayFromBends = (random: Random) => (random.next() < 0.5 ? -1 : 1) * (0.1 + 0.3 * Math.floor(6 * random.next()));
const below = (count: number) => (random: Random) => Math.floor(random.next() * count);
const counting = (_: Random, index: number) => index;

const x: Leaf = { shape: [3, 4, 8] };
const indices = (count: number, of: number): Leaf => ({ shape: [count], dtype: 'i32', values: below(of) });
const listed = (numbers: ArrayLike<number>, dtype: DType = 'i32', shape: Shape = [numbers.length]): Leaf => ({
  shape,
  dtype,
  values: (_, index) => numbers[index] as number,
});

const unaryCases = Object.entries({ sqr, exp, tanh, sigmoid, silu, gelu }).map(([kind, op]) =>
  opCase(kind, { x }, ({ x }) => op(x)),
);

const binaryCases = Object.entries({ add, sub, mul, div }).flatMap(([kind, op]) => {
  const b = { values: positive };
  return [
    opCase(kind, { a: x, b: { ...b, shape: [3, 4, 8] } }, ({ a, b }) => op(a, b)),
    opCase(`${kind}, a row repeated`, { a: x, b: { ...b, shape: [8] } }, ({ a, b }) => op(a, b)),
    opCase(`${kind}, a column repeated`, { a: x, b: { ...b, shape: [3, 4, 1] } }, ({ a, b }) => op(a, b)),
    opCase(`${kind}, one number repeated`, { a: x, b: { ...b, shape: [1] } }, ({ a, b }) => op(a, b)),
  ];
});

const elementCases = [
  opCase('sqrt', { x: { ...x, values: positive } }, ({ x }) => sqrt(x)),
  opCase('log', { x: { ...x, values: positive } }, ({ x }) => log(x)),
  opCase('relu', { x: { ...x, values: awayFromBends } }, ({ x }) => relu(x)),
  opCase('step', { x: { ...x, values: awayFromBends } }, ({ x }) => step(x)),
  opCase('step beside a path with a gradient', { x: { ...x, values: awayFromBends } }, ({ x }) => mul(x, step(x))),
  opCase('scale', { x }, ({ x }) => scale(x, -1.5, 0.25)),
  opCase('clamp', { x: { ...x, values: awayFromBends } }, ({ x }) => clamp(x, -0.6, 0.9)),
  opCase('clamp on one side', { x: { ...x, values: awayFromBends } }, ({ x }) => clamp(x, -Infinity, 0.9)),
  opCase('swiglu', { gate: x, up: x }, ({ gate, up }) => swiglu(gate, up)),
  opCase('fill', { x }, ({ x }) => add(x, fill(x.graph, 2.5, [4, 8]))),
];

const shapeCases = [
  opCase('sum', { x }, ({ x }) => sum(x)),
  opCase('sum-last', { x }, ({ x }) => sumLast(x)),
  opCase('broadcast', { x: { shape: [4, 1] } }, ({ x }) => broadcast(x, [2, 3, 4, 8])),
  opCase('sum-to a row', { x }, ({ x }) => sumTo(x, [8])),
  opCase('sum-to a column', { x }, ({ x }) => sumTo(x, [3, 4, 1])),
  opCase('sum-to a middle axis', { x: { shape: [2, 3, 4, 5] } }, ({ x }) => sumTo(x, [3, 1, 1])),
  opCase('sum-to one number', { x }, ({ x }) => sumTo(x, [1])),
  opCase('reshape', { x }, ({ x }) => reshape(x, [2, 48])),
  opCase('permute', { x: { shape: [2, 3, 4, 5] } }, ({ x }) => permute(x, [2, 0, 3, 1])),
  opCase('permute of heads', { x: { shape: [2, 3, 4, 8] } }, ({ x }) => permute(x, [0, 2, 1, 3])),
  opCase('transpose', { x }, ({ x }) => transpose(x)),
  opCase('slice of the last axis', { x }, ({ x }) => slice(x, -1, 2, 7)),
  opCase('slice of the first axis', { x }, ({ x }) => slice(x, 0, 1, 3)),
  opCase('slices that overlap', { x }, ({ x }) => mul(slice(x, 1, 0, 3), slice(x, 1, 1, 4))),
  opCase('slices that overlap and leave a gap', { x }, ({ x }) => mul(slice(x, 1, 0, 2), slice(x, 1, 1, 3))),
  opCase('slices that cover all', { x }, ({ x }) => mul(slice(x, 2, 0, 4), slice(x, 2, 4, 8))),
  opCase('slice beside the whole', { x }, ({ x }) => mul(x, sumLast(slice(x, 2, 0, 4)))),
  opCase('concat', { a: x, b: { shape: [3, 2, 8] } }, ({ a, b }) => concat([a, b, a], 1)),
  opCase('concat of the last axis', { a: x, b: { shape: [3, 4, 3] } }, ({ a, b }) => concat([a, b], -1)),
  opCase('add-at', { x, part: { shape: [3, 2, 8] } }, ({ x, part }) => addAt(x, part, 1, 1)),
  opCase('add-at of the last axis', { x, part: { shape: [3, 4, 5] } }, ({ x, part }) => addAt(x, part, 2, 3)),
];

const weights = (shape: Shape): Leaf => ({ shape });
const matmulCases = (
  [
    ['matrices', [6, 8], [5, 8]],
    ['a stack by one matrix', [3, 6, 8], [5, 8]],
    ['stack by stack', [3, 6, 8], [3, 5, 8]],
    ['heads that share', [2, 4, 6, 8], [2, 2, 5, 8]],
    ['a batch that shares', [4, 2, 6, 8], [2, 2, 5, 8]],
    ['a batch and heads that share', [4, 4, 6, 8], [2, 2, 5, 8]],
    ['a batch that shares heads', [2, 4, 6, 8], [4, 5, 8]],
    ['one row', [1, 8], [5, 8]],
  ] as const
).map(([name, a, b]) => opCase(`matmul, ${name}`, { x: weights(a), w: weights(b) }, ({ x, w }) => matmul(x, w)));

const lookupCases = [
  opCase('rows', { table: { shape: [7, 8] }, at: indices(9, 7) }, ({ table, at }) => rows(table, at)),
  opCase(
    'put-rows',
    { table: { shape: [7, 8] }, values: { shape: [3, 8] }, at: listed([4, 0, 6]) },
    ({ table, values, at }) => putRows(table, values, at),
  ),
  opCase(
    'rope, halves',
    { x: { shape: [2, 5, 3, 8] }, at: { shape: [5], dtype: 'i32', values: counting } },
    ({ x, at }) => rope(x, at, { pairing: 'halves' }),
  ),
  opCase('rope, adjacent', { x: { shape: [2, 5, 3, 8] }, at: indices(5, 60) }, ({ x, at }) =>
    rope(x, at, { pairing: 'adjacent', base: 500 }),
  ),
  opCase('rope backwards', { x: { shape: [2, 5, 3, 8] }, at: indices(5, 60) }, ({ x, at }) =>
    rope(x, at, { pairing: 'halves', inverse: true }),
  ),
];

const mask = (length: number, documents?: ArrayLike<number>): Leaf => {
  const values = causalMask(length, documents);
  return listed(values, 'f32', [values.length / length ** 2, 1, length, length]);
};

const normCases = [
  opCase('softmax', { x }, ({ x }) => softmax(x)),
  opCase('softmax, scaled', { x }, ({ x }) => softmax(x, { factor: 0.3 })),
  opCase(
    'softmax, masked',
    { x: { shape: [2, 3, 5, 5] }, mask: mask(5) },
    ({ x, mask }) => softmax(x, { factor: 0.5, mask }),
    ['x'],
  ),
  opCase('softmax, by its mask', { x: { shape: [2, 3, 4, 8] }, mask: { shape: [2, 1, 4, 8] } }, ({ x, mask }) =>
    softmax(x, { factor: 0.5, mask }),
  ),
  opCase('rms-norm', { x }, ({ x }) => rmsNorm(x, 1e-3)),
  opCase('rms-norm with a weight', { x, w: { shape: [8] } }, ({ x, w }) => mul(rmsNorm(x, 1e-6), w)),
];

const heads = (count: number, length: number): Leaf => ({ shape: [2, count, length, 8] });
const attentionCases = [
  opCase('attention', { q: heads(2, 6), k: heads(2, 6), v: heads(2, 6) }, ({ q, k, v }) => attention(q, k, v)),
  opCase('attention, grouped queries, chunks', { q: heads(4, 6), k: heads(2, 6), v: heads(2, 6) }, ({ q, k, v }) =>
    attention(q, k, v, { chunk: 3 }),
  ),
  opCase('attention, one key head, a ragged chunk', { q: heads(4, 7), k: heads(1, 7), v: heads(1, 7) }, (leaves) =>
    attention(leaves.q, leaves.k, leaves.v, { chunk: 3, keep: true, factor: 0.7 }),
  ),
  opCase(
    'attention, documents',
    { q: heads(4, 6), k: heads(2, 6), v: heads(2, 6), mask: mask(6, [0, 0, 1, 1, 1, 2, 0, 1, 1, 1, 1, 1]) },
    ({ q, k, v, mask }) => attention(q, k, v, { chunk: 4, mask }),
    ['q', 'k', 'v'],
  ),
];

const lossCases = [16, 5, 3].map((chunk) =>
  opCase(
    `cross-entropy, chunks of ${chunk}`,
    {
      hidden: { shape: [10, 8] },
      head: { shape: [11, 8] },
      targets: listed(flatTargets([0, 10, 3, 3, 7, 1, -1, 2, 9, 5], 11, chunk)),
      weights: listed([0.1, 0.2, 0.1, 0.05, 0.1, 0.3, 0, 0.1, 0.1, 0.1], 'f32'),
    },
    ({ hidden, head, targets, weights }) => crossEntropy({ hidden, head, targets, weights, chunk }),
    ['hidden', 'head'],
  ),
);

const block = {
  x: { shape: [10, 16] },
  positions: { shape: [5], dtype: 'i32', values: counting },
  normA: { shape: [16] },
  q: { shape: [32, 16], values: (random: Random) => normal(random) / 4 },
  k: { shape: [16, 16], values: (random: Random) => normal(random) / 4 },
  v: { shape: [16, 16], values: (random: Random) => normal(random) / 4 },
  normQ: { shape: [8] },
  normK: { shape: [8] },
  out: { shape: [16, 32], values: (random: Random) => normal(random) / 4 },
  normF: { shape: [16] },
  gate: { shape: [24, 16], values: (random: Random) => normal(random) / 4 },
  up: { shape: [24, 16], values: (random: Random) => normal(random) / 4 },
  down: { shape: [16, 24], values: (random: Random) => normal(random) / 4 },
} as const satisfies Record<string, Leaf>;

const wholeCases = [
  opCase('recompute', { x, w: { shape: [5, 8], state: true } }, ({ x, w }) =>
    recompute((x) => silu(matmul(rmsNorm(x, 1e-5), w)), x),
  ),
  opCase('a transformer block', block, (leaves) => transformerBlock(leaves)),
  opCase('a transformer block, recomputed', block, (leaves) =>
    recompute((x) => transformerBlock({ ...leaves, x }), leaves.x),
  ),
];

/** Differentiable everywhere near their values. */
export const opCases: readonly OpCase[] = [
  ...unaryCases,
  ...binaryCases,
  ...elementCases,
  ...shapeCases,
  ...matmulCases,
  ...lookupCases,
  ...normCases,
  ...attentionCases,
  ...lossCases,
  ...wholeCases,
];

/** The same cases in each type; in f32 nothing is rounded. */
export const narrowCasesIn = (dtype: 'f32' | 'f16' | 'bf16'): readonly OpCase[] => [
  opCase(`cast to ${dtype} and back`, { x }, ({ x }) => cast(cast(x, dtype), 'f32')),
  opCase(`matmul by ${dtype}`, { x, w: { shape: [5, 8] } }, ({ x, w }) => matmul(x, cast(w, dtype))),
  opCase(`rows of ${dtype}`, { table: { shape: [7, 8] }, at: indices(9, 7) }, ({ table, at }) =>
    rows(cast(table, dtype), at),
  ),
];

/** Rounded on the way, so that no finite difference tells their gradients. */
export const narrowCases: readonly OpCase[] = [...narrowCasesIn('f16'), ...narrowCasesIn('bf16')];

/** The values of every leaf, the same ones whenever they are asked for. */
export function leafValues({ name, leaves }: Pick<OpCase, 'name' | 'leaves'>): Map<string, Float32Array | Int32Array> {
  const values = new Map<string, Float32Array | Int32Array>();
  for (const [leaf, { shape, dtype = 'f32', values: next = normal }] of Object.entries(leaves)) {
    const random = createRandom([...`${name}/${leaf}`].reduce((seed, char) => seed * 31 + char.charCodeAt(0), 7));
    const count = shape.reduce((product, size) => product * size, 1);
    const numbers = Array.from({ length: count }, (_, index) => next(random, index));
    values.set(leaf, dtype === 'i32' ? Int32Array.from(numbers) : Float32Array.from(numbers));
  }
  return values;
}
