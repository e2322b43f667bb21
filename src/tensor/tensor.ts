// What every other file of this room speaks of: a graph of tensors, written down before anything is computed. A tensor knows
// its shape, its type and where it comes from; it holds no data and knows no device. After JAX's traced arrays and tinygrad's
// lazy buffers.
import { invariant } from '../lib/errors.ts';

/** Storage types. Arithmetic results are f32; `i32` is for indices only. */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32';

/** Sizes, outermost first (row-major), 1 to 4 of them. */
export type Shape = readonly number[];

/** How RoPE pairs the numbers of a head: neighbours (`llama`), or first half with second half (`qwen3`). */
export type RopePairing = 'adjacent' | 'halves';

/**
 * What makes a tensor. Forward operations only, but for the three `…-gradient`s, which a device that lacks them is given as
 * forward operations (docs in ops.ts).
 */
export type Op =
  | { kind: 'input'; name: string }
  | { kind: 'state'; name: string; trainable: boolean }
  | { kind: 'fill'; value: number }
  | Plain<UnaryKind>
  | Plain<BinaryKind>
  | { kind: 'scale'; factor: number; offset: number }
  | { kind: 'clamp'; min: number; max: number }
  | { kind: 'swiglu' }
  | { kind: 'sum' }
  | { kind: 'sum-last' }
  | { kind: 'broadcast' }
  | { kind: 'sum-to' }
  | { kind: 'matmul' }
  | { kind: 'reshape' }
  | { kind: 'permute'; axes: readonly number[] }
  | { kind: 'slice'; axis: number; start: number; end: number }
  | { kind: 'concat'; axis: number }
  | { kind: 'add-at'; axis: number; start: number }
  | { kind: 'rows' }
  | { kind: 'put-rows' }
  | { kind: 'rows-gradient' }
  | { kind: 'softmax'; factor: number }
  | { kind: 'softmax-gradient'; factor: number }
  | { kind: 'rms-norm'; epsilon: number }
  | { kind: 'rms-norm-gradient'; epsilon: number }
  | { kind: 'rope'; pairing: RopePairing; base: number; inverse: boolean }
  | { kind: 'cast' }
  | { kind: 'adamw-step' }
  | { kind: 'assign' }
  | { kind: 'with-gradient'; rule: GradientRule };

export type UnaryKind =
  | 'sqr'
  | 'sqrt'
  | 'exp'
  | 'log'
  | 'tanh'
  | 'sigmoid'
  | 'silu'
  | 'silu-gradient'
  | 'relu'
  | 'step'
  | 'gelu';
export type BinaryKind = 'add' | 'sub' | 'mul' | 'div';
export type OpKind = Op['kind'];

/** One member a kind, so that a switch can tell that it knows all of them. */
type Plain<Kind> = Kind extends string ? { kind: Kind } : never;

/**
 * Gradient of a loss by each source, given that by the result; undefined where a source has none.
 * @param needed which sources are asked for; what is given for another is dropped
 */
export type GradientRule = (gradient: Tensor, needed: readonly boolean[]) => readonly (Tensor | undefined)[];

/** A value that will be computed. Made by the functions of ops.ts only. */
export interface Tensor {
  readonly graph: Graph;
  /** Place in `graph.tensors`; inputs come before what is made from them. */
  readonly id: number;
  readonly op: Op;
  readonly inputs: readonly Tensor[];
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Tensors in the order in which they were made, which is the order in which they are computed. */
export class Graph {
  readonly tensors: Tensor[] = [];
  readonly #leaves = new Map<string, Tensor>();

  /** Adds a tensor; ops.ts has checked it. */
  add(op: Op, inputs: readonly Tensor[], shape: Shape, dtype: DType): Tensor {
    invariant(
      inputs.every((input) => input.graph === this),
      `the inputs of ${op.kind} belong to the same graph`,
    );
    const tensor: Tensor = { graph: this, id: this.tensors.length, op, inputs, shape, dtype };
    this.tensors.push(tensor);
    if (op.kind === 'input' || op.kind === 'state') {
      invariant(!this.#leaves.has(op.name), `"${op.name}" stands for one tensor of a graph`);
      this.#leaves.set(op.name, tensor);
    }
    return tensor;
  }

  /** The input or state of that name. */
  leaf(name: string): Tensor | undefined {
    return this.#leaves.get(name);
  }
}

export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** e.g. `(8, 256, 64)`. */
export function showShape(shape: Shape): string {
  return `(${shape.join(', ')})`;
}
