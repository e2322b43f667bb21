// How every protocol refuses an image: the pinned libraries carry no vision encoder, so no local model sees. The message
// names models that could, and what runs them. Knows no protocol; how a path is spelled is given.
import type { FreeholdError } from '../lib/errors.ts';
import { fieldError, type PathStyle } from './validate.ts';

/** Open models that read images. None is in the catalogue: there they run without their eyes. */
export const modelsThatSee = ['Qwen2.5-VL 7B', 'Gemma 3 12B', 'Pixtral 12B'] as const;

/**
 * The refusal of an image in a request.
 * @param path of the block or part that holds it
 * @returns an error `unsupported` (400) that names the field, and models that could
 */
export function imagesRefused(path: readonly PropertyKey[], style: PathStyle): FreeholdError {
  const [first, ...others] = modelsThatSee;
  const named = `${first}, ${others.slice(0, -1).join(', ')} or ${others.at(-1)}`;
  return fieldError(
    'unsupported',
    path,
    `Local models cannot read images; no model of the catalogue does. ${named} could, on an engine that has their vision encoder, such as vLLM.`,
    style,
    'Send text only, or ask such an engine.',
  );
}
