// A graph of ggml tensors: the calls that add operations, the order of computing, and the memory that intermediate values share.
// Knows no model and no gradient.
import { FreeholdError, invariant } from '../lib/errors.ts';
import { callAsync, type Native } from './ffi.ts';
import { ggmlTypes } from './graph.ts';
import type { Handle, Pointer } from './handle.ts';
import {
  bytesOf,
  type Four,
  type Layout,
  type NativeTensor,
  pointerOfTensor,
  readTensor,
  registerTensor,
  type StorageType,
} from './native-tensor.ts';
import type { TensorFunctions } from './tensor-functions.ts';

export type NativeUnary = 'sqr' | 'sqrt' | 'exp' | 'log' | 'tanh' | 'sigmoid' | 'silu' | 'relu' | 'step';
export type NativeBinary = 'add' | 'sub' | 'mul' | 'div';

export interface RopeOptions {
  /** How numbers of a head are paired: neighbours, or first half with second half. */
  pairing: 'adjacent' | 'halves';
  base: number;
  inverse: boolean;
}

export interface GraphParts {
  native: Native;
  functions: TensorFunctions;
  handle: Handle;
  graph: Pointer;
  capacity: number;
  place: (what: string) => number;
  supports: (tensor: Pointer) => boolean;
  run: <T>(work: (backend: Pointer) => Promise<T>) => Promise<T>;
  backend: () => Pointer;
  deviceName: string;
}

/** Time of one operation of a graph, run on its own. */
export interface NodeTime {
  op: string;
  ne: Four;
  seconds: number;
}

/**
 * Operations in the order in which they were appended. First it is built, then `plan`ned once, then it runs any number of times.
 * What an operation demands of its operands (contiguous, of one type) is the caller's to see to: ggml ends the process otherwise.
 */
export class TensorGraph {
  readonly #parts: GraphParts;
  readonly #f: TensorFunctions;
  #count = 0;
  /** Of every result, for `profile`. */
  readonly #sizes = new Map<Pointer, Four>();

  /** Made by `TensorBackend.graph`. */
  constructor(parts: GraphParts) {
    this.#parts = parts;
    this.#f = parts.functions;
  }

  // Results. `append` puts a tensor, with what it is made from, at the end of the order of computing.

  append(tensor: NativeTensor): void {
    const pointer = pointerOfTensor(tensor);
    this.#parts.native.ggml.ggml_build_forward_expand(this.#parts.graph, pointer);
  }

  /** Keeps the memory of a tensor, and of what it is a view of, until the next run. */
  keep(tensor: NativeTensor): void {
    this.#f.ggml_set_output(pointerOfTensor(tensor));
  }

  /**
   * Gives every intermediate value its place.
   * @returns bytes of them all
   * @throws FreeholdError does_not_fit
   */
  plan(what: string): number {
    return this.#parts.place(what);
  }

  /** Computes on another thread; waits until no other graph of the backend runs. @throws FreeholdError model_failed */
  async run(): Promise<void> {
    const { handle, graph, native } = this.#parts;
    await this.#parts.run(async (backend) => {
      const status = await handle.whileBusy(() => callAsync(native.ggml.ggml_backend_graph_compute, backend, graph));
      if (status !== 0)
        throw new FreeholdError(
          'model_failed',
          `${this.#parts.deviceName} could not compute a graph (status ${status}).`,
        );
    });
  }

  read(tensor: NativeTensor): Float32Array {
    return readTensor(this.#f, tensor);
  }

  /** Runs every node by itself, in order, and says how long each took. Blocks; for measuring only. */
  profile(): NodeTime[] {
    const { native, graph, handle } = this.#parts;
    invariant(handle.pointer, 'the graph lives');
    const backend = this.#parts.backend();
    const overhead = Number(this.#f.ggml_graph_overhead_custom(8, false));
    const context = native.ggml.ggml_init({ mem_size: overhead + 1024, mem_buffer: null, no_alloc: true });
    try {
      const single = this.#f.ggml_new_graph_custom(context, 8, false);
      return Array.from({ length: this.#f.ggml_graph_n_nodes(graph) }, (_, index) => {
        const node = this.#f.ggml_graph_node(graph, index);
        this.#f.ggml_graph_clear(single);
        this.#f.ggml_graph_add_node(single, node);
        const startedAt = process.hrtime.bigint();
        native.ggml.ggml_backend_graph_compute(backend, single);
        const seconds = Number(process.hrtime.bigint() - startedAt) / 1e9;
        return { op: this.#f.ggml_op_desc(node) as string, ne: this.#sizes.get(node) ?? [0, 0, 0, 0], seconds };
      });
    } finally {
      native.ggml.ggml_free(context);
    }
  }

  dispose(): void {
    this.#parts.handle.dispose();
  }

  // Operations.

  unary(kind: NativeUnary, x: NativeTensor): NativeTensor {
    return this.#call(`ggml_${kind}`, x.ne, [x]);
  }

  /** @param b repeated to the sizes of `a` */
  binary(kind: NativeBinary, a: NativeTensor, b: NativeTensor): NativeTensor {
    return this.#call(`ggml_${kind}`, a.ne, [a, b]);
  }

  scale(x: NativeTensor, factor: number, offset: number): NativeTensor {
    return this.#call('ggml_scale_bias', x.ne, [x], factor, offset);
  }

  /** In place. */
  clamp(x: NativeTensor, min: number, max: number): NativeTensor {
    return this.#call('ggml_clamp', x.ne, [x], min, max);
  }

  swiglu(gate: NativeTensor, up: NativeTensor): NativeTensor {
    return this.#call('ggml_swiglu_split', gate.ne, [gate, up]);
  }

  siluGradient(gradient: NativeTensor, x: NativeTensor): NativeTensor {
    return this.#call('ggml_silu_back', x.ne, [gradient, x]);
  }

  sum(x: NativeTensor): NativeTensor {
    return this.#call('ggml_sum', [1, 1, 1, 1], [x]);
  }

  sumRows(x: NativeTensor): NativeTensor {
    return this.#call('ggml_sum_rows', [1, x.ne[1], x.ne[2], x.ne[3]], [x]);
  }

  repeat(x: NativeTensor, ne: Four): NativeTensor {
    return this.#call('ggml_repeat_4d', ne, [x], ...ne);
  }

  /** Sums what `repeat` would repeat. @returns (…ne) */
  sumRepeats(x: NativeTensor, ne: Four): NativeTensor {
    return this.#call('ggml_repeat_back', ne, [x, this.#outline(ne)]);
  }

  /** @param w (K, N, …) @param x (K, M, …) @returns (N, M, …) */
  matmul(w: NativeTensor, x: NativeTensor): NativeTensor {
    return this.#call('ggml_mul_mat', [w.ne[1], x.ne[1], x.ne[2], x.ne[3]], [w, x]);
  }

  /** Another arrangement of the numbers of a contiguous tensor, without copying. */
  view(x: NativeTensor, { ne, strides, offset }: Layout): NativeTensor {
    const size = bytesOf[x.type];
    if (offset === 0 && isPlain(ne, strides) && count(ne) === count(x.ne))
      return ne.every((n, i) => n === x.ne[i]) ? x : this.#call('ggml_reshape_4d', ne, [x], ...ne, x.type);
    // ggml takes the innermost stride to be one: a view whose first is another is made in an order where it is one, then turned
    const unit = strides[0] === 1 || ne[0] === 1 ? 0 : [1, 2, 3].find((i) => strides[i] === 1 || ne[i] === 1);
    invariant(unit !== undefined, 'one axis of a view is contiguous, or of size one');
    const order = [unit, ...[0, 1, 2, 3].filter((i) => i !== unit)];
    const pick = (four: Four) => order.map((i) => four[i] as number) as unknown as Four;
    const sizes = pick(ne);
    const [, ...outer] = pick(strides).map((stride) => stride * size);
    const made = this.#call('ggml_view_4d', sizes, [x], ...sizes, ...outer, offset * size, x.type);
    return unit === 0 ? made : this.#call('ggml_permute', ne, [made], ...order, x.type);
  }

  contiguous(x: NativeTensor): NativeTensor {
    return this.#call('ggml_cont', x.ne, [x], x.type);
  }

  concat(a: NativeTensor, b: NativeTensor, axis: number): NativeTensor {
    const ne = a.ne.map((n, i) => (i === axis ? n + (b.ne[i] as number) : n)) as unknown as Four;
    return this.#call('ggml_concat', ne, [a, b], axis);
  }

  /** `x` with `part` added to the numbers from `offset` on. @param strides of `x` */
  addAt(x: NativeTensor, part: NativeTensor, strides: Four, offset: number, inPlace: boolean): NativeTensor {
    const [, ...outer] = strides.map((stride) => stride * 4);
    return this.#call(inPlace ? 'ggml_acc_inplace' : 'ggml_acc', x.ne, [x, part], ...outer, offset * 4);
  }

  rows(table: NativeTensor, indices: NativeTensor): NativeTensor {
    return this.#call('ggml_get_rows', [table.ne[0], indices.ne[0], 1, 1], [table, indices]);
  }

  /** @returns (…ne) */
  rowsGradient(gradient: NativeTensor, indices: NativeTensor, ne: Four): NativeTensor {
    return this.#call('ggml_get_rows_back', ne, [gradient, indices, this.#outline(ne)]);
  }

  /** In place. */
  putRows(table: NativeTensor, values: NativeTensor, indices: NativeTensor): NativeTensor {
    return this.#call('ggml_set_rows', table.ne, [table, values, indices]);
  }

  softmax(x: NativeTensor, mask: NativeTensor | undefined, factor: number): NativeTensor {
    return this.#call('ggml_soft_max_ext', x.ne, [x, mask], factor, 0);
  }

  softmaxGradient(gradient: NativeTensor, y: NativeTensor, factor: number): NativeTensor {
    return this.#call('ggml_soft_max_ext_back', y.ne, [gradient, y], factor, 0);
  }

  rmsNorm(x: NativeTensor, epsilon: number): NativeTensor {
    return this.#call('ggml_rms_norm', x.ne, [x], epsilon);
  }

  rmsNormGradient(gradient: NativeTensor, x: NativeTensor, epsilon: number): NativeTensor {
    return this.#call('ggml_rms_norm_back', x.ne, [gradient, x], epsilon);
  }

  /** @param x (D, H, T, B) @param positions (T) */
  rope(x: NativeTensor, positions: NativeTensor, { pairing, base, inverse }: RopeOptions): NativeTensor {
    const mode = pairing === 'adjacent' ? 0 : 2;
    // angles times -1 turn back, also where there is no operation of its own for that
    const scale = inverse ? -1 : 1;
    const operands = [x, positions, undefined];
    return this.#call('ggml_rope_ext', x.ne, operands, x.ne[0], mode, 0, base, scale, 0, 1, 32, 1);
  }

  cast(x: NativeTensor, type: StorageType): NativeTensor {
    return this.#call('ggml_cast', x.ne, [x], ggmlTypes[type], type);
  }

  /** Writes `value` into `target`. @returns a view of the target */
  copy(value: NativeTensor, target: NativeTensor): NativeTensor {
    return this.#call('ggml_cpy', target.ne, [value, target], target.type);
  }

  /** Writes the parameter and both moments. @returns a view of the parameter */
  adamwStep(
    parameter: NativeTensor,
    gradient: NativeTensor,
    first: NativeTensor,
    second: NativeTensor,
    settings: NativeTensor,
  ): NativeTensor {
    // ggml asks for the mark, which nothing else here looks at
    this.#f.ggml_set_param(pointerOfTensor(parameter));
    return this.#call('ggml_opt_step_adamw', parameter.ne, [parameter, gradient, first, second, settings]);
  }

  /** A tensor that only says sizes; it gets no memory. */
  #outline(ne: Four): NativeTensor {
    this.#count += 1;
    const { native, handle } = this.#parts;
    const pointer = native.ggml.ggml_new_tensor(handle.pointer, ggmlTypes.f32, 4, BigInt64Array.from(ne.map(BigInt)));
    return registerTensor(pointer, handle, 'f32', ne);
  }

  /** @param rest further arguments in C's order; a last one that names a type is that of the result (else f32) */
  #call(
    name: keyof TensorFunctions,
    ne: Four,
    operands: readonly (NativeTensor | undefined)[],
    ...rest: (number | StorageType)[]
  ): NativeTensor {
    const last = rest.at(-1);
    const type = typeof last === 'string' ? last : 'f32';
    const scalars = typeof last === 'string' ? rest.slice(0, -1) : rest;
    this.#count += 1;
    invariant(this.#count <= this.#parts.capacity, 'the graph holds no more tensors than was said');
    const given = operands.map((operand) => (operand ? pointerOfTensor(operand) : null));
    const pointer = this.#f[name](this.#parts.handle.pointer, ...given, ...scalars);
    if (!this.#parts.supports(pointer)) {
      throw new FreeholdError(
        'unsupported',
        `${this.#parts.deviceName} does not compute ${this.#f.ggml_op_desc(pointer)} of (${ne.join(', ')}) ${type}.`,
        { hint: 'Use --device cpu.' },
      );
    }
    this.#sizes.set(pointer, ne);
    return registerTensor(pointer, this.#parts.handle, type, ne);
  }
}

function count(ne: Four): number {
  return ne[0] * ne[1] * ne[2] * ne[3];
}

function isPlain(ne: Four, strides: Four): boolean {
  let expected = 1;
  return ne.every((size, i) => {
    const plain = size === 1 || strides[i] === expected;
    expected *= size;
    return plain;
  });
}
