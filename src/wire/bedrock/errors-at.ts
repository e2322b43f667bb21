// Errors about a field of a Bedrock request, with its path spelled the vendor's way.
import type { FreeholdError } from '../../lib/errors.ts';
import { fieldError } from '../validate.ts';

export type Path = readonly (string | number)[];

/** A field that is wrong. */
export const invalid = (path: Path, message: string, hint?: string): FreeholdError =>
  fieldError('invalid_request', path, message, 'dots', hint);

/** A field that asks for what is not done here. */
export const unsupported = (path: Path, message: string, hint?: string): FreeholdError =>
  fieldError('unsupported', path, message, 'dots', hint);
