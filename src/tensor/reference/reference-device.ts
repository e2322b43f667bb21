// The oracle: runs graphs in plain TypeScript and f64, one operation after the other. Other devices are tested against it, and it
// against finite differences. States keep f64 digits unless their type is narrower than f32.
import { invariant } from '../../lib/errors.ts';
import type { Data, Device, Executable, Program } from '../device.ts';
import { liveTensors, valueInputs } from '../live.ts';
import { refuse, sameShape } from '../shapes.ts';
import { type DType, elementCount, type Shape, showShape, type Tensor } from '../tensor.ts';
import { compute, type Values } from './kernels.ts';
import { narrow } from './narrow.ts';

/** A device whose numbers can be read and written in f64, for finite differences. */
export interface ReferenceDevice extends Device {
  compile(program: Program): ReferenceExecutable;
  writeExact(name: string, values: Float64Array): void;
  /** A copy. */
  readExact(name: string): Float64Array;
}

export interface ReferenceExecutable extends Executable {
  setExact(name: string, values: Float64Array): void;
  /** An output of the last run, as a copy. */
  getExact(name: string): Float64Array;
}

interface State {
  shape: Shape;
  dtype: DType;
  values: Values;
}

export function createReferenceDevice(): ReferenceDevice {
  const states = new Map<string, State>();
  const find = (name: string) => {
    const state = states.get(name);
    if (!state) refuse('device', `there is no state "${name}"`);
    return state;
  };
  const write = (name: string, values: Float32Array | Float64Array) => {
    const { values: target, dtype, shape } = find(name);
    if (values.length !== target.length)
      refuse('device', `state "${name}" is ${showShape(shape)}, and ${values.length} numbers were given for it`);
    store(target, values, dtype);
  };
  return {
    name: 'reference',
    compile(program) {
      const live = liveTensors(program);
      for (const tensor of live) declare(states, tensor);
      return createExecutable(program, live, (name) => find(name).values);
    },
    states: () => new Map([...states].map(([name, { shape, dtype }]) => [name, { shape, dtype }])),
    write,
    writeExact: write,
    read: (name) => Float32Array.from(find(name).values),
    readExact: (name) => find(name).values.slice(),
    get stateBytes() {
      return [...states.values()].reduce((total, { values }) => total + values.byteLength, 0);
    },
    dispose: () => states.clear(),
  };
}

/** A state comes to be with the first program that names it. */
function declare(states: Map<string, State>, { op, shape, dtype }: Tensor): void {
  if (op.kind !== 'state') return;
  const known = states.get(op.name);
  if (!known) {
    states.set(op.name, { shape, dtype, values: new Float64Array(elementCount(shape)) });
  } else if (!sameShape(known.shape, shape) || known.dtype !== dtype) {
    const before = `${showShape(known.shape)} ${known.dtype}`;
    refuse('device', `state "${op.name}" is ${before}, and a program has it as ${showShape(shape)} ${dtype}`);
  }
}

function store(target: Values, values: ArrayLike<number>, dtype: DType): void {
  for (let index = 0; index < target.length; index++) target[index] = narrow(values[index] as number, dtype);
}

function createExecutable(
  { graph, outputs }: Program,
  live: readonly Tensor[],
  stateOf: (name: string) => Values,
): ReferenceExecutable {
  const inputs = new Map<string, { tensor: Tensor; values: Values | undefined }>();
  for (const tensor of live) if (tensor.op.kind === 'input') inputs.set(tensor.op.name, { tensor, values: undefined });
  const results = new Map<string, Values>();
  const lastUse = lastUses(live);
  let disposed = false;

  const set = (name: string, values: Data | Float64Array) => {
    const input = inputs.get(name);
    if (!input) {
      // an input that leads to nothing that is asked for may be set all the same
      if (graph.leaf(name)?.op.kind === 'input') return;
      refuse('device', `there is no input "${name}"`);
    }
    const { shape, dtype } = input.tensor;
    if (values.length !== elementCount(shape))
      refuse('device', `input "${name}" is ${showShape(shape)}, and ${values.length} numbers were given for it`);
    if ((dtype === 'i32') !== values instanceof Int32Array) refuse('device', `input "${name}" is ${dtype}`);
    input.values = Float64Array.from(values, (value) => narrow(value, dtype));
  };

  const run = () => {
    invariant(!disposed, 'a disposed executable is not run');
    const values = new Map<Tensor, Values>();
    const lookUp = (tensor: Tensor): Values => {
      if (tensor.op.kind === 'state') return stateOf(tensor.op.name);
      const value = tensor.op.kind === 'input' ? inputs.get(tensor.op.name)?.values : values.get(tensor);
      if (!value) refuse('device', `input "${tensor.op.kind === 'input' ? tensor.op.name : ''}" was never set`);
      return value;
    };
    for (const tensor of live) {
      if (tensor.op.kind !== 'input' && tensor.op.kind !== 'state')
        values.set(tensor, execute(tensor, valueInputs(tensor).map(lookUp)));
      for (const done of lastUse.get(tensor) ?? []) values.delete(done);
    }
    for (const [name, tensor] of Object.entries(outputs)) results.set(name, lookUp(tensor).slice());
  };

  const getExact = (name: string) => {
    const found = results.get(name);
    if (!found) refuse('device', `there is no output "${name}" of a run`);
    return found.slice();
  };

  function lastUses(tensors: readonly Tensor[]): Map<Tensor, Tensor[]> {
    const last = new Map<Tensor, Tensor>();
    for (const tensor of tensors) for (const input of valueInputs(tensor)) last.set(input, tensor);
    for (const output of Object.values(outputs)) last.delete(output);
    const ends = new Map<Tensor, Tensor[]>();
    for (const [tensor, user] of last) ends.set(user, [...(ends.get(user) ?? []), tensor]);
    return ends;
  }

  return {
    set,
    setExact: set,
    run: async () => run(),
    get: (name) => Float32Array.from(getExact(name)),
    getExact,
    workBytes: live.reduce((total, { shape }) => total + 8 * elementCount(shape), 0),
    dispose() {
      disposed = true;
    },
  };
}

/** Also writes states; inputs that are states are the states themselves. */
function execute(tensor: Tensor, inputs: readonly Values[]): Values {
  if (tensor.op.kind === 'assign') {
    const [target, value] = inputs as [Values, Values];
    store(target, value, tensor.dtype);
    return target.slice();
  }
  if (tensor.op.kind === 'adamw-step') {
    adamwStep(inputs);
    return (inputs[0] as Values).slice();
  }
  return compute(tensor, inputs);
}

function adamwStep(inputs: readonly Values[]): void {
  const [parameter, gradient, first, second, settings] = inputs as [Values, Values, Values, Values, Values];
  const [rate = 0, beta1 = 0, beta2 = 0, epsilon = 0, decay = 0, unbias1 = 0, unbias2 = 0] = settings;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] as number;
    const m = beta1 * (first[i] as number) + (1 - beta1) * g;
    const v = beta2 * (second[i] as number) + (1 - beta2) * g * g;
    first[i] = m;
    second[i] = v;
    const change = (m * unbias1) / (Math.sqrt(v * unbias2) + epsilon);
    parameter[i] = (parameter[i] as number) * (1 - rate * decay) - rate * change;
  }
}
