// Turns the tensors of a program into ggml operations, in the order of its graph. Each operation of ops.ts is one call or a few. Views
// stay views until an operation needs their numbers in order; then they are copied, once.
import type { Four, Layout, NativeTensor } from '../../native/native-tensor.ts';
import type { NativeUnary, TensorGraph } from '../../native/tensor-graph.ts';
import { describe, refuse, sameShape } from '../shapes.ts';
import type { Op, OpKind, Tensor } from '../tensor.ts';
import { copyInOrder } from './copy.ts';
import { hasPackedRows, isPacked, packed, permuted, reshaped, sizesOf, sliced } from './layout.ts';
import type { Storage } from './storage.ts';

/** Tensors that are there before the graph runs. */
export interface Leaves {
  /** Of an input or a state. */
  of(tensor: Tensor): NativeTensor;
  /** Whether the processor computes, and not a graphics card. */
  isProcessor: boolean;
  /** Filled with one number. */
  constant(value: number, ne: Four): NativeTensor;
}

/** Constants with more numbers are made by each run, from one row. */
const largestConstant = 2 ** 16;

/** The numbers of a tensor: somewhere within a contiguous one. */
interface Value {
  base: NativeTensor;
  layout: Layout;
  /** Whether the base is a state, whose numbers change. */
  changes?: boolean;
}

type Lowering<K extends OpKind> = (lowerer: Lowerer, tensor: Tensor, op: Extract<Op, { kind: K }>) => Value;

export class Lowerer {
  readonly graph: TensorGraph;
  readonly storage: Storage;
  readonly #leaves: Leaves;
  readonly #values = new Map<Tensor, Value>();
  readonly #copies = new Map<NativeTensor | Value, Map<string, NativeTensor>>();

  constructor(graph: TensorGraph, storage: Storage, leaves: Leaves) {
    this.graph = graph;
    this.storage = storage;
    this.#leaves = leaves;
  }

  /** Tensors are lowered in the order of their graph. */
  lower(tensor: Tensor): void {
    // where they are only the second operand of a sum or product, they are never written out
    const onDemand = tensor.op.kind === 'broadcast' || tensor.op.kind === 'fill';
    if (onDemand && !this.storage.isOvertaken(tensor)) return;
    const value = this.#make(tensor);
    if (this.storage.isOvertaken(tensor)) {
      const copy = this.graph.contiguous(this.#view(value));
      this.graph.append(copy);
      this.#values.set(tensor, plain(copy));
    }
  }

  /** The tensor as ggml sees it: perhaps a view with gaps. */
  view(tensor: Tensor): NativeTensor {
    return this.#view(this.value(tensor));
  }

  /** Neighbours along the innermost axis are neighbours in memory: enough for many operations of the processor. */
  inRows(tensor: Tensor): NativeTensor {
    const value = this.value(tensor);
    return this.#leaves.isProcessor && hasPackedRows(value.layout) ? this.#view(value) : this.inOrder(tensor);
  }

  /** Without gaps. @param ne other sizes for the same numbers */
  inOrder(tensor: Tensor, ne = sizesOf(tensor.shape)): NativeTensor {
    const value = this.value(tensor);
    if (isPacked(value.layout)) return this.graph.view(value.base, { ...packed(ne), offset: value.layout.offset });
    return this.graph.view(this.#copy(value), packed(ne));
  }

  /** One copy for all who want the same part of the same numbers in the same order. */
  #copy(value: Value): NativeTensor {
    // a tensor of a state that would change between its uses was copied when it was made
    const numbers = value.changes ? value : value.base;
    const copies = this.#copies.get(numbers) ?? new Map<string, NativeTensor>();
    this.#copies.set(numbers, copies);
    const key = JSON.stringify(value.layout);
    const known = copies.get(key);
    if (known) return known;
    const copy = copyInOrder(this.graph, value.base, value.layout, this.#leaves.isProcessor);
    copies.set(key, copy);
    return copy;
  }

  /** In order, in memory that may be written over by `user`. */
  toOverwrite(tensor: Tensor, user: Tensor): NativeTensor {
    return this.storage.endsWith(tensor, user) ? this.inOrder(tensor) : this.graph.contiguous(this.view(tensor));
  }

  value(tensor: Tensor): Value {
    return this.#values.get(tensor) ?? this.#make(tensor);
  }

  leaf(tensor: Tensor): NativeTensor {
    return this.#leaves.of(tensor);
  }

  constant(value: number, ne: Four): NativeTensor {
    if (ne[0] * ne[1] * ne[2] * ne[3] <= largestConstant) return this.#leaves.constant(value, ne);
    return this.graph.repeat(this.#leaves.constant(value, [ne[0], 1, 1, 1]), ne);
  }

  #make(tensor: Tensor): Value {
    const lowering = lowerings[tensor.op.kind] as Lowering<OpKind>;
    const value = lowering(this, tensor, tensor.op);
    this.#values.set(tensor, value);
    return value;
  }

  #view({ base, layout }: Value): NativeTensor {
    return this.graph.view(base, layout);
  }
}

const plain = (base: NativeTensor): Value => ({ base, layout: packed(base.ne) });

/** Of an operation that is one call. */
const result =
  <K extends OpKind>(
    call: (lowerer: Lowerer, tensor: Tensor, op: Extract<Op, { kind: K }>) => NativeTensor,
  ): Lowering<K> =>
  (lowerer, tensor, op) => {
    const made = call(lowerer, tensor, op);
    lowerer.graph.append(made);
    return plain(made);
  };

const input = (tensor: Tensor, index: number) => tensor.inputs[index] as Tensor;

const unary =
  (kind: NativeUnary) =>
  (l: Lowerer, tensor: Tensor): Value =>
    result(() => l.graph.unary(kind, l.inOrder(input(tensor, 0))))(l, tensor, tensor.op as never);

const lowerings: { [K in OpKind]: Lowering<K> } = {
  input: (l, tensor) => plain(l.leaf(tensor)),
  state: (l, tensor) => ({ ...plain(l.leaf(tensor)), changes: true }),
  fill: result((l, tensor, { value }) => l.constant(value, sizesOf(tensor.shape))),

  sqr: unary('sqr'),
  sqrt: unary('sqrt'),
  exp: unary('exp'),
  log: unary('log'),
  tanh: unary('tanh'),
  sigmoid: unary('sigmoid'),
  silu: unary('silu'),
  relu: unary('relu'),
  step: unary('step'),
  gelu: result(gelu),

  add: result(binary('add')),
  sub: result(binary('sub')),
  mul: result(binary('mul')),
  div: result(binary('div')),
  scale: result((l, tensor, { factor, offset }) => l.graph.scale(l.inOrder(input(tensor, 0)), factor, offset)),
  clamp: result((l, tensor, { min, max }) => l.graph.clamp(l.toOverwrite(input(tensor, 0), tensor), min, max)),
  swiglu: result((l, tensor) => l.graph.swiglu(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1)))),
  'silu-gradient': result((l, tensor) =>
    l.graph.siluGradient(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1))),
  ),

  sum: result((l, tensor) => l.graph.sum(l.inOrder(input(tensor, 0)))),
  'sum-last': result((l, tensor) => l.graph.sumRows(l.inRows(input(tensor, 0)))),
  broadcast: result((l, tensor) => l.graph.repeat(l.inRows(input(tensor, 0)), sizesOf(tensor.shape))),
  'sum-to': result(sumTo),
  matmul: result(matmul),

  reshape(l, tensor) {
    const source = l.value(input(tensor, 0));
    const ne = sizesOf(tensor.shape);
    const layout = reshaped(source.layout, ne);
    if (layout) return { ...source, layout };
    return plain(l.inOrder(input(tensor, 0), ne));
  },
  permute(l, tensor, { axes }) {
    const source = l.value(input(tensor, 0));
    return { ...source, layout: permuted(source.layout, axes) };
  },
  slice(l, tensor, { axis, start, end }) {
    const source = l.value(input(tensor, 0));
    return { ...source, layout: sliced(source.layout, tensor.shape.length, axis, start, end) };
  },
  'with-gradient': (l, tensor) => l.value(input(tensor, 0)),

  concat: result(concat),
  'add-at': result(addAt),
  rows: result((l, tensor) => l.graph.rows(l.inRows(input(tensor, 0)), l.inOrder(input(tensor, 1)))),
  'put-rows': result((l, tensor) => {
    const [table, values, indices] = tensor.inputs as [Tensor, Tensor, Tensor];
    return l.graph.putRows(l.toOverwrite(table, tensor), l.inOrder(values), l.inOrder(indices));
  }),
  'rows-gradient': result((l, tensor) =>
    l.graph.rowsGradient(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1)), sizesOf(tensor.shape)),
  ),

  softmax: result((l, tensor, { factor }) => {
    const [x, mask] = tensor.inputs as [Tensor, Tensor | undefined];
    return l.graph.softmax(l.inOrder(x), mask && l.inOrder(mask), factor);
  }),
  'softmax-gradient': result((l, tensor, { factor }) =>
    l.graph.softmaxGradient(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1)), factor),
  ),
  'rms-norm': result((l, tensor, { epsilon }) => l.graph.rmsNorm(l.inRows(input(tensor, 0)), epsilon)),
  'rms-norm-gradient': result((l, tensor, { epsilon }) =>
    l.graph.rmsNormGradient(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1)), epsilon),
  ),
  rope: result((l, tensor, op) => l.graph.rope(l.inOrder(input(tensor, 0)), l.inOrder(input(tensor, 1)), op)),
  cast: result((l, tensor) => l.graph.cast(l.inOrder(input(tensor, 0)), tensor.dtype)),

  'adamw-step': result((l, tensor) => {
    const [parameter, gradient, first, second, settings] = tensor.inputs.map((x) => l.inOrder(x));
    return l.graph.adamwStep(
      parameter as NativeTensor,
      gradient as NativeTensor,
      first as NativeTensor,
      second as NativeTensor,
      settings as NativeTensor,
    );
  }),
  assign: result((l, tensor) => l.graph.copy(l.inOrder(input(tensor, 1)), l.view(input(tensor, 0)))),
};

/**
 * ggml's own GELU looks numbers up in a table of f16. The tanh approximation is also x · sigmoid(2u), where
 * u = sqrt(2 / π) · (x + 0.044715 x³).
 */
function gelu(l: Lowerer, tensor: Tensor): NativeTensor {
  const { graph } = l;
  const x = l.inOrder(input(tensor, 0));
  const slope = 2 * Math.sqrt(2 / Math.PI);
  const twiceU = graph.binary('mul', graph.scale(graph.unary('sqr', x), slope * 0.044715, slope), x);
  return graph.binary('mul', graph.unary('sigmoid', twiceU), x);
}

function binary(kind: 'add' | 'sub' | 'mul' | 'div') {
  return (l: Lowerer, tensor: Tensor): NativeTensor => {
    const [a, b] = tensor.inputs as [Tensor, Tensor];
    if (b.op.kind === 'fill') {
      const { value } = b.op;
      if (kind === 'add' || kind === 'sub') return l.graph.scale(l.inOrder(a), 1, kind === 'add' ? value : -value);
      return l.graph.scale(l.inOrder(a), kind === 'mul' ? value : 1 / value, 0);
    }
    // ggml repeats the second operand itself
    const [repeatedA, repeatedB] = [repeated(l, a), repeated(l, b)];
    if (repeatedA && !repeatedB && sameShape(a.shape, b.shape)) {
      if (kind === 'add' || kind === 'mul') return l.graph.binary(kind, l.inRows(b), l.inRows(repeatedA));
    }
    return l.graph.binary(kind, l.inRows(a), l.inRows(repeatedB ?? b));
  };
}

/** What a tensor repeats, where that still holds the numbers that it had then. */
function repeated(l: Lowerer, tensor: Tensor): Tensor | undefined {
  return tensor.op.kind === 'broadcast' && !l.storage.isOvertaken(tensor) ? input(tensor, 0) : undefined;
}

function sumTo(l: Lowerer, tensor: Tensor): NativeTensor {
  const x = input(tensor, 0);
  const wanted = sizesOf(tensor.shape);
  const rows = l.inRows(x);
  const rest = wanted[0] === 1 && rows.ne[0] > 1 ? l.graph.sumRows(rows) : rows;
  return wanted.every((size, i) => size === rest.ne[i]) ? rest : l.graph.sumRepeats(rest, wanted);
}

function matmul(l: Lowerer, tensor: Tensor): NativeTensor {
  const [x, w] = tensor.inputs as [Tensor, Tensor];
  const [k, m, ...outer] = sizesOf(x.shape);
  const rows = m * outer[0] * outer[1];
  const shared = w.shape.slice(0, -2).every((size) => size === 1);
  // one large product in place of many small ones
  const made = l.graph.matmul(l.inRows(w), shared ? l.inOrder(x, [k, rows, 1, 1]) : l.inOrder(x));
  return l.graph.view(made, packed(sizesOf(tensor.shape)));
}

/** Pairs of pairs, so that no number is copied more often than log2 of the count. */
function concat(l: Lowerer, tensor: Tensor, { axis }: Extract<Op, { kind: 'concat' }>): NativeTensor {
  const join = (parts: readonly NativeTensor[]): NativeTensor => {
    const [first, ...rest] = parts as [NativeTensor, ...NativeTensor[]];
    if (rest.length === 0) return first;
    const half = parts.length >> 1;
    return l.graph.concat(join(parts.slice(0, half)), join(parts.slice(half)), tensor.shape.length - 1 - axis);
  };
  return join(tensor.inputs.map((part) => l.view(part)));
}

function addAt(l: Lowerer, tensor: Tensor, { axis, start }: Extract<Op, { kind: 'add-at' }>): NativeTensor {
  const [x, part] = tensor.inputs as [Tensor, Tensor];
  const { strides } = packed(sizesOf(x.shape));
  const offset = start * (strides[tensor.shape.length - 1 - axis] as number);
  // ggml keeps these in 32 bits
  if (Math.max(offset, ...strides) * 4 >= 2 ** 31) refuse('add-at', `${describe(x)} is too large for a part of it`);
  return l.graph.addAt(l.inOrder(x), l.inRows(part), strides, offset, l.storage.endsWith(x, tensor));
}
