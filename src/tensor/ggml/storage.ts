// Which tensors of a program share memory once views copy nothing, and how long what is stored has to stay as it is: what may be
// written in place, and which views of a state have to be copied because the state is written before they are used.
import { valueInputs } from '../live.ts';
import type { Tensor } from '../tensor.ts';

export interface Storage {
  /** Whether the numbers of `tensor` are used by nothing after `user`, nor twice by it: it may write over them. */
  endsWith(tensor: Tensor, user: Tensor): boolean;
  /** Whether the tensor would show what is written to its state after it was made. */
  isOvertaken(tensor: Tensor): boolean;
}

/** What is another look at the numbers of its first input, or computed only where it is used. */
function isView({ op: { kind } }: Tensor): boolean {
  return (
    kind === 'reshape' || kind === 'permute' || kind === 'slice' || kind === 'with-gradient' || kind === 'broadcast'
  );
}

const writesState = ({ op: { kind } }: Tensor) => kind === 'assign' || kind === 'adamw-step';

/** @param live in the order of computing */
export function analyseStorage(live: readonly Tensor[], outputs: readonly Tensor[]): Storage {
  const lastUse = new Map<Tensor, number>(outputs.map((tensor) => [tensor, Number.POSITIVE_INFINITY]));
  for (const tensor of live.toReversed()) {
    const at = isView(tensor) ? (lastUse.get(tensor) ?? tensor.id) : tensor.id;
    for (const input of valueInputs(tensor)) lastUse.set(input, Math.max(at, lastUse.get(input) ?? 0));
  }

  const writes = new Map<Tensor, number[]>();
  for (const { op, inputs, id } of live) {
    const written =
      op.kind === 'assign' ? inputs.slice(0, 1) : op.kind === 'adamw-step' ? [0, 2, 3].map((i) => inputs[i]) : [];
    for (const state of written as Tensor[]) writes.set(state, [...(writes.get(state) ?? []), id]);
  }

  const roots = new Map<Tensor, Tensor>();
  const overtaken = new Set<Tensor>();
  const rootLastUse = new Map<Tensor, number>();
  for (const tensor of live) {
    const source = tensor.inputs[0];
    let root = tensor;
    if (source && (isView(tensor) || writesState(tensor))) {
      root = roots.get(source) as Tensor;
      const until = lastUse.get(tensor) ?? tensor.id;
      if (writes.get(root)?.some((at) => at > tensor.id && at <= until)) {
        overtaken.add(tensor);
        root = tensor;
      }
    }
    roots.set(tensor, root);
    rootLastUse.set(root, Math.max(rootLastUse.get(root) ?? 0, lastUse.get(tensor) ?? tensor.id));
  }

  const isKept = (root: Tensor) => root.op.kind === 'state' || root.op.kind === 'input' || root.op.kind === 'fill';
  return {
    endsWith(tensor, user) {
      const root = roots.get(tensor) as Tensor;
      const uses = user.inputs.filter((input) => roots.get(input) === root).length;
      return !isKept(root) && uses === 1 && (rootLastUse.get(root) ?? 0) <= user.id;
    },
    isOvertaken: (tensor) => overtaken.has(tensor),
  };
}
