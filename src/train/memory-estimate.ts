// How much memory a program takes, told from its graph before anything is allocated: states, and the most of intermediate values
// that exist at one time when each is let go after its last use. What a device really takes is near it: it may join operations
// that are apart here, and loses some to gaps. Knows no device.
import type { Program } from '../tensor/device.ts';
import { liveTensors, valueInputs } from '../tensor/live.ts';
import { elementCount, type OpKind, type Tensor } from '../tensor/tensor.ts';

export interface MemoryNeed {
  stateBytes: number;
  workBytes: number;
}

/** The same bytes, looked at another way. */
const views: ReadonlySet<OpKind> = new Set(['reshape', 'permute', 'slice', 'with-gradient', 'assign', 'adamw-step']);

export function bytesOf({ shape, dtype }: Pick<Tensor, 'shape' | 'dtype'>): number {
  return elementCount(shape) * (dtype === 'f16' || dtype === 'bf16' ? 2 : 4);
}

/** States that several programs name count once; intermediate values count for each, since each keeps its own. */
export function memoryOf(programs: readonly Program[]): MemoryNeed {
  const states = new Map<string, number>();
  let workBytes = 0;
  for (const program of programs) {
    for (const tensor of liveTensors(program))
      if (tensor.op.kind === 'state') states.set(tensor.op.name, bytesOf(tensor));
    workBytes += mostAtOnce(program);
  }
  return { stateBytes: [...states.values()].reduce((sum, bytes) => sum + bytes, 0), workBytes };
}

function mostAtOnce(program: Program): number {
  const live = liveTensors(program);
  /** What holds the bytes of a tensor. */
  const owners = new Map<Tensor, Tensor>();
  const lastUse = new Map<Tensor, number>();
  for (const [at, tensor] of live.entries()) {
    const [first] = valueInputs(tensor);
    const owner = views.has(tensor.op.kind) && first ? (owners.get(first) as Tensor) : tensor;
    owners.set(tensor, owner);
    lastUse.set(owner, at);
    for (const input of valueInputs(tensor)) lastUse.set(owners.get(input) as Tensor, at);
  }
  for (const output of Object.values(program.outputs)) lastUse.set(owners.get(output) as Tensor, live.length);
  const ends = new Map<number, number>();
  let now = 0;
  let most = 0;
  for (const [at, tensor] of live.entries()) {
    if (owners.get(tensor) === tensor && tensor.op.kind !== 'state') {
      const bytes = bytesOf(tensor);
      now += bytes;
      // an input keeps its value from run to run
      if (tensor.op.kind !== 'input') {
        const end = lastUse.get(tensor) as number;
        ends.set(end, (ends.get(end) ?? 0) + bytes);
      }
    }
    most = Math.max(most, now);
    now -= ends.get(at) ?? 0;
  }
  return most;
}
