// Reverse-mode differentiation: walks a graph from a loss back to what is wanted and writes the gradient down as more operations of
// the same graph. Knows no device. The rules of the single operations are in gradient-rules.ts. After JAX's vjp and PyTorch's tape.
import { type Contribution, contributions } from './gradient-rules.ts';
import { add, addAt, concat, fill } from './ops.ts';
import { describe, refuse } from './shapes.ts';
import { elementCount, type Tensor } from './tensor.ts';

/** A gradient of a slice, still to be put in its place. */
interface Part {
  part: Tensor;
  axis: number;
  start: number;
}

/** What has arrived for a tensor so far. Parts wait only as long as nothing has arrived for the whole. */
interface Arrived {
  whole?: Tensor;
  parts: Part[];
}

/**
 * Called as soon as the gradient of a wanted input or state is complete, when nothing that is written down later reads that state
 * for a gradient: a sum of gradients, or a step of an optimizer, that is written down here lets the gradient's memory go at once.
 * @returns what `gradients` gives in place of the gradient
 */
export type Received = (gradient: Tensor, of: Tensor) => Tensor;

/**
 * Derivatives of a loss, written down after everything else in the graph: a state that is assigned to before this call is read as
 * it is then.
 * @param loss one number, f32
 * @param wanted inputs, states or results; total derivatives, also where one wanted tensor leads to another
 * @returns for each wanted tensor its gradient, f32 and of its shape; undefined where the loss does not depend on it
 * @throws FreeholdError graph_invalid for a state that is not trainable, an i32 tensor, or an operation without derivative
 */
export function gradients(loss: Tensor, wanted: readonly Tensor[], received?: Received): (Tensor | undefined)[] {
  if (elementCount(loss.shape) !== 1) refuse('gradients', `a loss is one number, not ${describe(loss)}`);
  for (const tensor of wanted) {
    if (tensor.dtype === 'i32') refuse('gradients', `indices have none, and one was asked for ${describe(tensor)}`);
    if (tensor.graph !== loss.graph) refuse('gradients', `${describe(tensor)} is of another graph than the loss`);
    if (tensor.op.kind === 'state' && !tensor.op.trainable)
      refuse('gradients', `state "${tensor.op.name}" is frozen; only trainable states have one`);
  }
  return pullBack(loss, fill(loss.graph, 1, loss.shape), wanted, { received });
}

/**
 * The reverse pass from a result with a given gradient.
 * @param options.from tensors made before this one are taken as given: the pass does not go through them. Default 0
 */
export function pullBack(
  result: Tensor,
  gradient: Tensor,
  wanted: readonly Tensor[],
  options: { from?: number; received?: Received | undefined } = {},
): (Tensor | undefined)[] {
  const { from = 0, received } = options;
  const { tensors } = result.graph;
  const needed = whatLeadsTo(wanted, result, from);
  const complete = lastUses(wanted, result, from, needed);
  const arrived = new Map<Tensor, Arrived>();
  const finished = new Map<Tensor, Tensor>();
  const asked = new Set(wanted);

  const finish = (tensor: Tensor): Tensor | undefined => {
    const done = finished.get(tensor);
    if (done) return done;
    const whole = assemble(tensor, arrived.get(tensor));
    arrived.delete(tensor);
    if (!whole) return undefined;
    const given = asked.has(tensor) && isLeaf(tensor) && received ? received(whole, tensor) : whole;
    if (asked.has(tensor)) finished.set(tensor, given);
    return whole;
  };

  if (needed(result)) arrived.set(result, { whole: gradient, parts: [] });
  for (let id = result.id; id >= from; id--) {
    const tensor = tensors[id] as Tensor;
    if (arrived.has(tensor) && !isLeaf(tensor)) {
      const own = finish(tensor) as Tensor;
      for (const [source, contribution] of contributions(tensor, own, needed)) {
        const before = arrived.get(source) ?? { parts: [] };
        arrived.set(source, before);
        arrive(before, contribution);
      }
    }
    for (const leaf of complete.get(id) ?? []) finish(leaf);
  }
  return wanted.map((tensor) => {
    finish(tensor);
    return finished.get(tensor);
  });
}

function isLeaf(tensor: Tensor): boolean {
  return tensor.op.kind === 'input' || tensor.op.kind === 'state';
}

/** What differentiation goes through from a tensor towards its inputs. */
function sources(tensor: Tensor): readonly Tensor[] {
  return tensor.op.kind === 'with-gradient' ? tensor.inputs.slice(1) : tensor.inputs;
}

/** Gradients of all other tensors would be thrown away. */
function whatLeadsTo(wanted: readonly Tensor[], result: Tensor, from: number): (tensor: Tensor) => boolean {
  const leads = new Set(wanted);
  for (let id = from; id <= result.id; id++) {
    const tensor = result.graph.tensors[id] as Tensor;
    if (sources(tensor).some((source) => leads.has(source))) leads.add(tensor);
  }
  return (tensor) => leads.has(tensor);
}

/** Wanted leaves by the place of their first use, which is the last one that the reverse pass meets. */
function lastUses(
  wanted: readonly Tensor[],
  result: Tensor,
  from: number,
  needed: (tensor: Tensor) => boolean,
): Map<number, Tensor[]> {
  const open = new Set(wanted.filter(isLeaf));
  const uses = new Map<number, Tensor[]>();
  for (let id = from; id <= result.id && open.size > 0; id++) {
    const tensor = result.graph.tensors[id] as Tensor;
    if (!needed(tensor)) continue;
    for (const source of sources(tensor)) {
      if (!open.delete(source)) continue;
      uses.set(id, [...(uses.get(id) ?? []), source]);
    }
  }
  return uses;
}

function arrive(arrived: Arrived, contribution: Contribution): void {
  if ('part' in contribution) {
    const { part, axis, start } = contribution;
    if (arrived.whole) arrived.whole = addAt(arrived.whole, part, axis, start);
    else arrived.parts.push(contribution);
    return;
  }
  arrived.whole = arrived.whole ? add(arrived.whole, contribution) : contribution;
  for (const { part, axis, start } of arrived.parts) arrived.whole = addAt(arrived.whole, part, axis, start);
  arrived.parts = [];
}

function assemble(tensor: Tensor, arrived: Arrived | undefined): Tensor | undefined {
  if (!arrived) return undefined;
  const { whole, parts } = arrived;
  if (whole) return whole;
  const sorted = [...parts].sort((a, b) => a.start - b.start);
  if (tiles(tensor, sorted))
    return concat(
      sorted.map(({ part }) => part),
      (sorted[0] as Part).axis,
    );
  return parts.reduce<Tensor>(
    (sum, { part, axis, start }) => addAt(sum, part, axis, start),
    fill(tensor.graph, 0, tensor.shape),
  );
}

/** Whether the parts, in order, cover one axis without gap or overlap. */
function tiles(tensor: Tensor, sorted: readonly Part[]): boolean {
  const axis = sorted[0]?.axis;
  let end = 0;
  for (const { part, axis: other, start } of sorted) {
    if (other !== axis || start !== end) return false;
    end += part.shape[other] as number;
  }
  return axis !== undefined && end === tensor.shape[axis];
}
