import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../lib/errors.ts';
import {
  adamwStep,
  add,
  addAt,
  assign,
  broadcast,
  cast,
  clamp,
  concat,
  input,
  matmul,
  permute,
  putRows,
  reshape,
  rmsNormGradient,
  rope,
  rows,
  rowsGradient,
  siluGradient,
  slice,
  softmax,
  softmaxGradient,
  sqr,
  state,
  sumTo,
  swiglu,
  transpose,
} from './ops.ts';
import { type DType, Graph, type Shape, type Tensor } from './tensor.ts';

const graph = new Graph();
let count = 0;
const given = (shape: Shape, dtype: DType = 'f32'): Tensor => input(graph, `x${count++}`, shape, dtype);
const indices = (size: number) => given([size], 'i32');

/** What is written down wrongly, and what the message says of it: the operation, and what it was given. */
const mistakes: [what: string, build: () => unknown, message: string][] = [
  ['five dimensions', () => given([1, 2, 3, 4, 5]), 'a tensor has 1 to 4 dimensions, not 5.'],
  ['no dimension', () => given([]), 'a tensor has 1 to 4 dimensions, not 0.'],
  ['a size of nothing', () => given([2, 0]), 'every size is a whole number from 1 on, which (2, 0) is not.'],
  ['half a size', () => given([2.5]), 'which (2.5) is not.'],
  ['far too many numbers', () => given([2 ** 30, 2 ** 20]), '(1073741824, 1048576) is too large.'],
  ['a function of indices', () => sqr(indices(3)), 'sqr: takes f32, was given (3) i32.'],
  [
    'a sum of unlike shapes',
    () => add(given([2, 3]), given([2])),
    'add: the second of (2, 3) f32 and (2) f32 does not broadcast to the first.',
  ],
  ['a sum with the larger second', () => add(given([3]), given([2, 3])), 'add: the second of (3) f32 and (2, 3) f32'],
  ['a sum of types', () => add(given([3]), given([3], 'bf16')), 'add: takes f32, was given (3) bf16.'],
  ['a clamp the wrong way round', () => clamp(given([3]), 2, 1), 'clamp: 2 is not below 1.'],
  [
    'a SwiGLU of two shapes',
    () => swiglu(given([2, 4]), given([2, 3])),
    'swiglu: (2, 4) f32 and (2, 3) f32 differ in shape.',
  ],
  ['a broadcast to another size', () => broadcast(given([2]), [3]), 'broadcast: (2) f32 does not broadcast to (3).'],
  ['a sum to another size', () => sumTo(given([4]), [2]), 'sum-to: (2) does not broadcast to (4) f32.'],
  [
    'a product of a vector',
    () => matmul(given([4]), given([4, 4])),
    'matmul: takes matrices, was given (4) f32 and (4, 4) f32.',
  ],
  [
    'a product over unlike sizes',
    () => matmul(given([2, 4]), given([4, 3])),
    'matmul: the last sizes of (2, 4) f32 and (4, 3) f32 differ.',
  ],
  [
    'a product by more matrices',
    () => matmul(given([2, 4]), given([2, 3, 4])),
    'matmul: the leading sizes of (2, 4) f32 and (2, 3, 4) f32 do not go together.',
  ],
  [
    'a product of heads that cannot share',
    () => matmul(given([3, 5, 4]), given([2, 5, 4])),
    'matmul: the leading sizes of (3, 5, 4) f32 and (2, 5, 4) f32',
  ],
  [
    'a product of narrow numbers',
    () => matmul(given([2, 4], 'bf16'), given([3, 4])),
    'matmul: takes f32, was given (2, 4) bf16.',
  ],
  [
    'a shape of other numbers',
    () => reshape(given([2, 3]), [7]),
    'reshape: (2, 3) f32 does not have as many numbers as (7).',
  ],
  ['an axis twice', () => permute(given([2, 3]), [0, 0]), 'permute: [0, 0] does not order the axes of (2, 3) f32.'],
  ['a transposed vector', () => transpose(given([2])), 'transpose: takes matrices, was given (2) f32.'],
  ['an axis that is not there', () => slice(given([2, 3]), 2, 0, 1), 'slice: (2, 3) f32 has no axis 2.'],
  [
    'a slice beyond the end',
    () => slice(given([2, 3]), 1, 1, 4),
    'slice: axis 1 of (2, 3) f32 has no part from 1 to 4.',
  ],
  ['an empty slice', () => slice(given([2, 3]), 1, 1, 1), 'has no part from 1 to 1.'],
  ['nothing in a row', () => concat([], 0), 'concat: takes one tensor at least.'],
  [
    'unlike parts in a row',
    () => concat([given([2, 3]), given([2, 4])], 0),
    'concat: (2, 3) f32 and (2, 4) f32 differ beside axis 0.',
  ],
  [
    'a part beyond the end',
    () => addAt(given([4]), given([2]), 0, 3),
    'add-at: the second of (4) f32 and (2) f32 is no part of the first at 3 of axis 0.',
  ],
  ['rows of a vector', () => rows(given([4]), indices(2)), 'rows: takes a matrix, was given (4) f32.'],
  ['rows by floats', () => rows(given([4, 2]), given([2])), 'rows: takes i32, was given (2) f32.'],
  [
    'rows by a table',
    () => rows(given([4, 2]), given([2, 2], 'i32')),
    'rows: indices have one dimension, not (2, 2) i32.',
  ],
  [
    'rows put by too many indices',
    () => putRows(given([4, 2]), given([2, 2]), indices(3)),
    'put-rows: (4, 2) f32 and (2, 2) f32 do not go with (3) i32.',
  ],
  [
    'a gradient of other rows',
    () => rowsGradient(given([4, 2]), indices(3), 9),
    'rows-gradient: (4, 2) f32 and (3) i32 do not go together.',
  ],
  [
    'a mask of another size',
    () => softmax(given([2, 3, 3]), { mask: given([3, 4]) }),
    'softmax: the mask of (2, 3, 3) f32 and (3, 4) f32 does not broadcast',
  ],
  [
    'a mask of one row',
    () => softmax(given([2, 3, 3]), { mask: given([1, 3]) }),
    'softmax: the mask of (2, 3, 3) f32 and (1, 3) f32',
  ],
  [
    'a gradient of another softmax',
    () => softmaxGradient(given([2]), given([3]), 1),
    'softmax-gradient: (2) f32 and (3) f32 differ in shape.',
  ],
  [
    'a gradient of another norm',
    () => rmsNormGradient(given([2]), given([3]), 1),
    'rms-norm-gradient: (2) f32 and (3) f32',
  ],
  ['a gradient of another SiLU', () => siluGradient(given([2]), given([3])), 'silu-gradient: (2) f32 and (3) f32'],
  [
    'an odd head',
    () => rope(given([1, 2, 3, 5]), indices(2), { pairing: 'halves' }),
    'rope: takes (B, T, H, D) and (T), was given (1, 2, 3, 5) f32 and (2) i32.',
  ],
  [
    'positions of another length',
    () => rope(given([1, 2, 3, 4]), indices(3), { pairing: 'halves' }),
    'rope: takes (B, T, H, D) and (T)',
  ],
  ['narrowed indices', () => cast(indices(2), 'f16'), 'cast: takes f32 or f16 or bf16, was given (2) i32.'],
  [
    'an assignment to a result',
    () => assign(sqr(given([2])), given([2])),
    'assign: writes a state, was given the result of sqr.',
  ],
  [
    'an assignment of another shape',
    () => assign(state(graph, 'narrow', [2]), given([3])),
    'assign: (2) f32 and (3) f32 differ in shape.',
  ],
  [
    'a step of no state',
    () => adamwStep(given([2]), given([2]), given([2]), given([2]), given([7])),
    'adamw-step: writes states, was given the result of input.',
  ],
  [
    'a step of a state that is not f32',
    () => {
      const half = state(graph, 'half', [2], { dtype: 'bf16' });
      return adamwStep(half, given([2]), half, half, given([7]));
    },
    'adamw-step: takes f32, was given (2) bf16.',
  ],
  [
    'a step with too few settings',
    () => {
      const [w, m, v] = ['w', 'm', 'v'].map((name) => state(graph, name, [2])) as [Tensor, Tensor, Tensor];
      return adamwStep(w, given([2]), m, v, given([6]));
    },
    'adamw-step: takes 7 settings, was given (6) f32.',
  ],
];

describe('an operation', () => {
  it.each(mistakes)('refuses %s', (_, build, message) => {
    let error: unknown;
    try {
      build();
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(FreeholdError);
    expect((error as FreeholdError).code).toBe('graph_invalid');
    expect((error as FreeholdError).message).toContain(message);
  });

  it('that would change nothing is left out', () => {
    const x = given([2, 3]);
    const same = [reshape(x, [2, 3]), permute(x, [0, 1]), slice(x, 1, 0, 3), concat([x], 0), broadcast(x, [2, 3])];
    expect([...same, sumTo(x, [2, 3]), cast(x, 'f32')].every((tensor) => tensor === x)).toBe(true);
  });

  it('counts axes from the end too', () => {
    expect(slice(given([2, 3, 4]), -2, 1, 2).shape).toEqual([2, 1, 4]);
    expect(concat([given([2, 3]), given([2, 4])], -1).shape).toEqual([2, 7]);
  });

  it('keeps to one graph', () => {
    expect(() => add(given([2]), input(new Graph(), 'x', [2]))).toThrow('the inputs of add belong to the same graph');
  });

  it('names an input or state once', () => {
    const own = new Graph();
    const x = input(own, 'x', [2]);
    expect(own.leaf('x')).toBe(x);
    expect(() => state(own, 'x', [2])).toThrow('"x" stands for one tensor of a graph');
  });
});
