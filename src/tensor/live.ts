// Which tensors of a graph a program computes: those that lead to an output or an update. The rest costs nothing, so builders may
// write down more than is asked for (a loss with its gradients, of which an evaluation takes the loss alone).
import type { Program } from './device.ts';
import { refuse } from './shapes.ts';
import type { Tensor } from './tensor.ts';

/**
 * What has to be computed, in the order of the graph, leaves included. The sources of a `with-gradient` count only where its value
 * needs them.
 * @throws FreeholdError graph_invalid when an output or update is of another graph, or an update writes nothing
 */
export function liveTensors(program: Program): Tensor[] {
  const { graph, outputs, updates } = program;
  const live = new Uint8Array(graph.tensors.length);
  for (const [name, tensor] of Object.entries(outputs)) {
    if (tensor.graph !== graph) refuse('program', `output "${name}" is of another graph`);
    live[tensor.id] = 1;
  }
  for (const update of updates) {
    if (update.graph !== graph) refuse('program', `an update (${update.op.kind}) is of another graph`);
    if (update.op.kind !== 'assign' && update.op.kind !== 'adamw-step')
      refuse('program', `${update.op.kind} writes no state, so it is no update`);
    live[update.id] = 1;
  }
  for (let id = live.length - 1; id >= 0; id--) {
    if (!live[id]) continue;
    const tensor = graph.tensors[id] as Tensor;
    for (const input of valueInputs(tensor)) live[input.id] = 1;
  }
  return graph.tensors.filter(({ id }) => live[id]);
}

/** What the value of a tensor is computed from. */
export function valueInputs(tensor: Tensor): readonly Tensor[] {
  return tensor.op.kind === 'with-gradient' ? tensor.inputs.slice(0, 1) : tensor.inputs;
}
