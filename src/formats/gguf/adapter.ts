// Whether a GGUF is a LoRA adapter that can be added to a model as it is. Told from the headers alone, before native
// code opens either file.
import { FreeholdError } from '../../lib/errors.ts';
import { metadataString } from './metadata.ts';
import type { GgufFile } from './types.ts';

/** A header; of a model with the tensors of all its parts. */
type Header = Pick<GgufFile, 'metadata' | 'tensors'>;

/**
 * Passes an adapter that fits the model.
 * @param file for messages
 * @throws FreeholdError gguf_invalid when it is none, or not one for this model; unsupported
 */
export function checkAdapter(adapter: Header, model: Header, file: string): void {
  const refuse = (message: string, hint?: string) => {
    throw new FreeholdError('gguf_invalid', `${file} ${message}.`, hint === undefined ? {} : { hint });
  };
  const type = metadataString(adapter, 'general.type');
  if (type !== 'adapter') refuse(`is not an adapter: its general.type is ${JSON.stringify(type ?? 'missing')}`);
  const kind = metadataString(adapter, 'adapter.type');
  if (kind !== 'lora') refuse(`is an adapter of type ${JSON.stringify(kind ?? 'missing')}, expected "lora"`);
  const architecture = metadataString(adapter, 'general.architecture');
  const wanted = metadataString(model, 'general.architecture');
  if (architecture !== wanted) {
    const hint = 'An adapter works only with the model it was trained on.';
    refuse(`adapts a model of the architecture ${JSON.stringify(architecture)}, and this one is "${wanted}"`, hint);
  }
  const alpha = adapter.metadata.get('adapter.lora.alpha');
  if (alpha !== undefined && !(alpha.type === 'f32' && Number.isFinite(alpha.value))) {
    refuse('has an adapter.lora.alpha that is no finite f32');
  }
  if (adapter.metadata.has('adapter.alora.invocation_tokens')) {
    throw new FreeholdError('unsupported', `${file} is an activated LoRA: it applies from some tokens on.`, {
      hint: 'Only adapters that apply to the whole text are loaded.',
    });
  }
  checkTensors(adapter, model, refuse);
}

type Refuse = (message: string, hint?: string) => void;

/** Every tensor has its pair, the pair fits a matrix of the model, and its numbers are of a type that is multiplied. */
function checkTensors(adapter: Header, model: Header, refuse: Refuse): void {
  const pairs = new Map<string, { a?: number[]; b?: number[] }>();
  for (const { name, shape, type } of adapter.tensors) {
    const [, base, half] = /^(.+)\.lora_([ab])$/.exec(name) ?? [];
    if (base === undefined) refuse(`holds the tensor "${name}", which is no half of a low-rank pair`);
    if (/^(i\d+|f64)$/.test(type)) refuse(`holds the tensor "${name}" as ${type}, which is not multiplied`);
    const pair = pairs.get(base as string) ?? {};
    pair[half as 'a' | 'b'] = shape;
    pairs.set(base as string, pair);
  }
  if (pairs.size === 0) refuse('is an adapter without tensors');
  const shapes = new Map(model.tensors.map(({ name, shape }) => [name, shape]));
  for (const [name, { a, b }] of pairs) {
    const shape = shapes.get(name);
    if (!a || !b) refuse(`has only one half of the pair for "${name}"`);
    else if (!shape) refuse(`adapts the tensor "${name}", which this model does not have`);
    else if (!fits(name, a, b, shape)) {
      refuse(
        `adapts "${name}" with matrices of ${a.join(' x ')} and ${b.join(' x ')}, which do not fit ${shape.join(' x ')}`,
        'It was trained on another model, or another size of this one.',
      );
    }
  }
}

/** A is [in, r] and B [r, out] for a matrix of [in, out]; looked up by token, both are turned. Experts are stacked alike. */
function fits(name: string, a: number[], b: number[], matrix: number[]): boolean {
  const at = (shape: number[], dimension: number) => shape[dimension] ?? 1;
  const stacked = [2, 3].every((d) => at(a, d) === at(matrix, d) && at(b, d) === at(matrix, d));
  if (!stacked) return false;
  if (name.endsWith('token_embd.weight')) {
    return at(b, 1) === at(matrix, 0) && at(a, 1) === at(matrix, 1) && at(a, 0) === at(b, 0);
  }
  return at(a, 0) === at(matrix, 0) && at(b, 1) === at(matrix, 1) && at(a, 1) === at(b, 0);
}
