// The device that training runs on: states, inputs and intermediate values live with ggml, on a graphics card or the processor, and a
// program is one ggml graph that is built and placed once. What each operation becomes is in lower.ts.
import { loadNative } from '../../native/ffi.ts';
import { bytesOf, type Four, type NativeTensor } from '../../native/native-tensor.ts';
import { TensorBackend, type TensorBlock } from '../../native/tensor-backend.ts';
import type { NodeTime } from '../../native/tensor-graph.ts';
import type { Data, Device, Executable, Program } from '../device.ts';
import { expand } from '../expansions.ts';
import { liveTensors } from '../live.ts';
import { refuse, sameShape } from '../shapes.ts';
import { type DType, elementCount, type OpKind, type Shape, showShape, type Tensor } from '../tensor.ts';
import { lackingOperations } from './lacking.ts';
import { sizesOf } from './layout.ts';
import { Lowerer } from './lower.ts';
import { analyseStorage } from './storage.ts';

export interface GgmlDeviceOptions {
  /** `auto`: the graphics card where there is one. Default auto */
  device?: 'cpu' | 'auto';
  /** Of the processor. Results do not depend on it. Default: one a core */
  threads?: number;
  /** Folder of ggml's libraries; see `LocateOptions` */
  libDir?: string;
  /** FREEHOLD_HOME, where libraries fetched on demand live. */
  home?: string;
}

/** A device whose programs can be measured. */
export interface GgmlDevice extends Device {
  compile(program: Program): GgmlExecutable;
}

export interface GgmlExecutable extends Executable {
  /** Runs every operation by itself and says how long it took. Blocks; updates happen as in a run. */
  profile(): NodeTime[];
}

interface State {
  shape: Shape;
  dtype: DType;
  block: TensorBlock;
  tensor: NativeTensor;
}

/**
 * @throws FreeholdError native_library_missing, native_library_untrusted, model_failed
 */
export function createGgmlDevice(options: GgmlDeviceOptions = {}): GgmlDevice {
  const { device = 'auto', threads, libDir, home } = options;
  const native = loadNative({ device, ...(libDir ? { libDir } : {}), ...(home ? { home } : {}) });
  const backend = new TensorBackend(native, { device, ...(threads ? { threads } : {}) });
  const states = new Map<string, State>();
  const find = (name: string): State => states.get(name) ?? refuse('device', `there is no state "${name}"`);
  let lacking: ReadonlySet<OpKind> | undefined;
  const rest = () => {
    if (backend.running) refuse('device', 'states are not read or written while a program runs');
  };
  return {
    name: backend.device.name,
    compile(asked) {
      lacking ??= lackingOperations(backend);
      const program = lacking.size === 0 ? asked : expand(asked, ({ op }) => lacking?.has(op.kind) ?? false);
      const live = liveTensors(program);
      declareStates(backend, states, live);
      const isInput = (name: string) => asked.graph.leaf(name)?.op.kind === 'input';
      return createExecutable(backend, program, live, (name) => find(name).tensor, isInput);
    },
    states: () => new Map([...states].map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
    write(name, values) {
      const { block, tensor, shape } = find(name);
      if (values.length !== elementCount(shape))
        refuse('device', `state "${name}" is ${showShape(shape)}, and ${values.length} numbers were given for it`);
      rest();
      block.write(tensor, values);
    },
    read(name) {
      const { block, tensor } = find(name);
      rest();
      return block.read(tensor);
    },
    get stateBytes() {
      return [...states.values()].reduce((total, { shape, dtype }) => total + elementCount(shape) * bytesOf[dtype], 0);
    },
    dispose() {
      backend.dispose();
      states.clear();
    },
  };
}

/** States that no earlier program had come to be, together. */
function declareStates(backend: TensorBackend, states: Map<string, State>, live: readonly Tensor[]): void {
  const fresh: { name: string; shape: Shape; dtype: DType }[] = [];
  for (const { op, shape, dtype } of live) {
    if (op.kind !== 'state') continue;
    const known = states.get(op.name);
    if (!known) fresh.push({ name: op.name, shape, dtype });
    else if (!sameShape(known.shape, shape) || known.dtype !== dtype) {
      const before = `${showShape(known.shape)} ${known.dtype}`;
      refuse('device', `state "${op.name}" is ${before}, and a program has it as ${showShape(shape)} ${dtype}`);
    }
  }
  if (fresh.length === 0) return;
  const specs = fresh.map(({ shape, dtype }) => ({ type: dtype, ne: sizesOf(shape) }));
  const block = backend.allocate('The parameters and what the optimizer keeps', specs);
  fresh.forEach(({ name, shape, dtype }, index) => {
    states.set(name, { shape, dtype, block, tensor: block.tensors[index] as NativeTensor });
  });
}

interface Input {
  tensor: Tensor;
  block: TensorBlock;
  placed: NativeTensor;
  given: boolean;
  bounds: readonly Bound[];
}

/** Numbers `start` to `end` of an input index this many rows. */
interface Bound {
  start: number;
  end: number;
  rows: number;
}

function createExecutable(
  backend: TensorBackend,
  program: Program,
  live: readonly Tensor[],
  stateOf: (name: string) => NativeTensor,
  isInput: (name: string) => boolean,
): GgmlExecutable {
  const outputs = Object.entries(program.outputs);
  const integers = outputs.find(([, { dtype }]) => dtype === 'i32');
  if (integers) refuse('program', `output "${integers[0]}" is i32, which is for indices only`);

  const blocks: TensorBlock[] = [];
  const place = (what: string, type: DType, ne: Four) => {
    const block = backend.allocate(what, [{ type, ne }]);
    blocks.push(block);
    return { block, placed: block.tensors[0] as NativeTensor };
  };
  const graph = backend.graph(live.length * 8 + outputs.length * 4 + 1024);
  const free = () => {
    graph.dispose();
    for (const block of blocks) block.dispose();
  };
  try {
    const inputs = new Map<string, Input>();
    for (const tensor of live) {
      if (tensor.op.kind !== 'input') continue;
      const at = place(`The values of input "${tensor.op.name}"`, tensor.dtype, sizesOf(tensor.shape));
      inputs.set(tensor.op.name, { tensor, ...at, given: false, bounds: boundsOf(tensor, live) });
    }
    const constants = new Map<string, NativeTensor>();
    const constant = (value: number, ne: Four) => {
      const key = `${value} ${ne.join(' ')}`;
      const known = constants.get(key);
      if (known) return known;
      const { block, placed } = place('A constant', 'f32', ne);
      block.write(placed, new Float32Array(ne[0] * ne[1] * ne[2] * ne[3]).fill(value));
      constants.set(key, placed);
      return placed;
    };
    const leafOf = ({ op }: Tensor): NativeTensor =>
      op.kind === 'state' ? stateOf(op.name) : (inputs.get(op.kind === 'input' ? op.name : '') as Input).placed;

    const storage = analyseStorage(live, Object.values(program.outputs));
    const lowerer = new Lowerer(graph, storage, { of: leafOf, constant, isProcessor: backend.device.type === 'cpu' });
    for (const tensor of live) lowerer.lower(tensor);
    // what can be read are copies, made last: a state may be an output, and other programs write states
    const results = new Map(
      outputs.map(([name, tensor]) => {
        const copy =
          tensor.dtype === 'f32' ? graph.contiguous(lowerer.view(tensor)) : graph.cast(lowerer.inOrder(tensor), 'f32');
        graph.append(copy);
        graph.keep(copy);
        return [name, copy] as const;
      }),
    );
    const workBytes = graph.plan('The intermediate values of a program');
    let ran = false;
    return {
      set(name, values) {
        const input = inputs.get(name);
        if (!input) {
          // an input that leads to nothing that is asked for may be set all the same
          if (isInput(name)) return;
          refuse('program', `there is no input "${name}"`);
        }
        checkInput(name, input, values);
        if (backend.running) refuse('program', `input "${name}" is not set while a program runs`);
        input.block.write(input.placed, values);
        input.given = true;
      },
      async run() {
        const missing = [...inputs].find(([, { given }]) => !given);
        if (missing) refuse('program', `input "${missing[0]}" was never set`);
        await graph.run();
        ran = true;
      },
      get(name) {
        const found = results.get(name);
        if (!found) refuse('program', `there is no output "${name}"`);
        if (!ran || backend.running) refuse('program', `output "${name}" is there after a run`);
        return graph.read(found);
      },
      workBytes,
      profile() {
        if (backend.running) refuse('program', 'nothing is measured while a program runs');
        ran = true;
        return graph.profile();
      },
      dispose: free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

function checkInput(name: string, { tensor, bounds }: Input, values: Data): void {
  const { shape, dtype } = tensor;
  if (values.length !== elementCount(shape))
    refuse('program', `input "${name}" is ${showShape(shape)}, and ${values.length} numbers were given for it`);
  if ((dtype === 'i32') !== values instanceof Int32Array) refuse('program', `input "${name}" is ${dtype}`);
  for (const { start, end, rows } of bounds) {
    for (let at = start; at < end; at++) {
      const index = values[at] as number;
      if (!(index >= 0 && index < rows))
        refuse('program', `input "${name}" holds ${index} at ${at}, which indexes ${rows} rows`);
    }
  }
}

/** ggml ends the process at an index beyond its table. Looks through what cuts an input up and gives it another shape. */
function boundsOf(given: Tensor, live: readonly Tensor[]): Bound[] {
  const parts = new Map([[given, { start: 0, end: elementCount(given.shape) }]]);
  const bounds: Bound[] = [];
  for (const tensor of live) {
    const { op, inputs } = tensor;
    const part = inputs[0] && parts.get(inputs[0]);
    if (part && op.kind === 'reshape') parts.set(tensor, part);
    if (part && op.kind === 'slice') parts.set(tensor, partOf(part, tensor, op.axis, op.start));
    const indices = parts.get(inputs[op.kind === 'put-rows' ? 2 : 1] as Tensor);
    const table =
      op.kind === 'rows' ? inputs[0] : op.kind === 'put-rows' || op.kind === 'rows-gradient' ? tensor : undefined;
    if (indices && table) bounds.push({ ...indices, rows: table.shape[0] as number });
  }
  return bounds;
}

/** The numbers of a slice, or all that it was cut from where they do not lie together. */
function partOf(whole: { start: number; end: number }, slice: Tensor, axis: number, first: number) {
  if (elementCount(slice.shape.slice(0, axis)) > 1) return whole;
  const start = whole.start + first * elementCount(slice.shape.slice(axis + 1));
  return { start, end: start + elementCount(slice.shape) };
}
