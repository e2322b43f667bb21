// Which operations a device cannot compute, found out by asking its backend about a small instance of each; `expand` then writes them
// as others. Only operations that `expand` knows are asked about: without the rest there is no training.
import { FreeholdError } from '../../lib/errors.ts';
import type { TensorBackend } from '../../native/tensor-backend.ts';
import { expandable } from '../expansions.ts';
import { liveTensors } from '../live.ts';
import {
  adamwStep,
  input,
  rmsNormGradient,
  rowsGradient,
  siluGradient,
  softmaxGradient,
  state,
  sumTo,
  swiglu,
} from '../ops.ts';
import { Graph, type OpKind, type Tensor } from '../tensor.ts';
import { sizesOf } from './layout.ts';
import { Lowerer } from './lower.ts';
import { analyseStorage } from './storage.ts';

const instances: Record<(typeof expandable)[number], (x: Tensor) => Tensor> = {
  swiglu: (x) => swiglu(x, x),
  'softmax-gradient': (x) => softmaxGradient(x, x, 0.5),
  'rms-norm-gradient': (x) => rmsNormGradient(x, x, 1e-6),
  'silu-gradient': (x) => siluGradient(x, x),
  'sum-to': (x) => sumTo(x, [x.shape[1] as number]),
  'rows-gradient': (x) => rowsGradient(x, input(x.graph, 'indices', [x.shape[0] as number], 'i32'), 128),
  'adamw-step'(x) {
    const [parameter, first, second] = ['parameter', 'first', 'second'].map((name) => state(x.graph, name, x.shape));
    const settings = input(x.graph, 'settings', [7]);
    return adamwStep(parameter as Tensor, x, first as Tensor, second as Tensor, settings);
  },
};

export function lackingOperations(backend: TensorBackend): ReadonlySet<OpKind> {
  return new Set(expandable.filter((kind) => !computes(backend, instances[kind])));
}

function computes(backend: TensorBackend, build: (x: Tensor) => Tensor): boolean {
  const program = new Graph();
  const result = build(input(program, 'x', [32, 64]));
  const isWrite = result.op.kind === 'adamw-step';
  const live = liveTensors({
    graph: program,
    outputs: isWrite ? {} : { result },
    updates: isWrite ? [result] : [],
  });
  const graph = backend.graph(64);
  const blocks: { dispose(): void }[] = [];
  try {
    const lowerer = new Lowerer(graph, analyseStorage(live, []), {
      isProcessor: backend.device.type === 'cpu',
      of({ dtype, shape }) {
        const block = backend.allocate('A small tensor', [{ type: dtype, ne: sizesOf(shape) }]);
        blocks.push(block);
        return block.tensors[0] as (typeof block.tensors)[number];
      },
      constant: () => {
        throw new Error('none is needed');
      },
    });
    for (const tensor of live) lowerer.lower(tensor);
    return true;
  } catch (error) {
    if (error instanceof FreeholdError && error.code === 'unsupported') return false;
    throw error;
  } finally {
    graph.dispose();
    for (const block of blocks) block.dispose();
  }
}
