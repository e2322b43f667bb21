// What an optimizer keeps beside a parameter: a state of its shape, named after it.
import { invariant } from '../../lib/errors.ts';
import { state } from '../ops.ts';
import type { Tensor } from '../tensor.ts';

/** @returns the name of a state */
export function parameterName({ op }: Tensor): string {
  invariant(op.kind === 'state', `a parameter is a state, not the result of ${op.kind}`);
  return op.name;
}

/** The state `<kind>/<parameter>`, zero at first; the same tensor whenever a graph asks for it. */
export function moment(kind: string, parameter: Tensor): Tensor {
  const name = `${kind}/${parameterName(parameter)}`;
  return parameter.graph.leaf(name) ?? state(parameter.graph, name, parameter.shape);
}
