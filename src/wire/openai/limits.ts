// What chat completions and the older completions share in a request: the settings of other local servers that change the
// answer and are not done here, strings to stop at, several answers. Pure.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import { fieldError } from '../validate.ts';

/** Most answers to one prompt. */
export const mostAnswers = 32;

/** At most so long, and so many. */
export const stopStrings = z.union([z.string().max(1000), z.array(z.string().min(1).max(1000)).max(4)]).nullish();

/** One or several, none of them empty. */
export function parseStop(stop: z.output<typeof stopStrings>): string[] {
  if (typeof stop === 'string') return stop === '' ? [] : [stop];
  return stop ?? [];
}

/** Settings of other local servers that change the answer, and are not done here. */
const othersSettings = [
  'min_tokens',
  'best_of',
  'use_beam_search',
  'stop_token_ids',
  'bad_words',
  'allowed_token_ids',
  'prompt_logprobs',
  'mirostat',
  'dynatemp_range',
  'xtc_probability',
  'grammar',
  'json_schema',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
];

const structured = /^guided_|^grammar$|^json_schema$|^structured_outputs$/;

/** A field that is known and not done, unless it asks for nothing; and what is said of it. */
export type Refusal = [field: string, refused: boolean, message: string];

/** @throws FreeholdError unsupported about the first field that is refused, settings of other servers included */
export function refuseByName(given: Record<string, unknown>, refusals: readonly Refusal[]): void {
  const others = othersSettings.map((field): Refusal => {
    const message = structured.test(field) ? 'Structured output is asked for with response_format' : 'Not supported';
    return [field, asksForSomething(field, given[field]), message];
  });
  for (const [field, refused, message] of [...refusals, ...others]) {
    if (refused) throw unsupported([field], message, 'Leave it out.');
  }
}

/** Clients send what they know, turned off, too. */
function asksForSomething(field: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  const nothing = field === 'best_of' ? 1 : 0;
  return isSet(value) && value !== nothing && value !== false && value !== '';
}

export const isSet = (value: unknown) => value !== undefined && value !== null;

export function unsupported(path: readonly (string | number)[], message: string, hint?: string): FreeholdError {
  return fieldError('unsupported', path, `${message}.`, 'brackets', hint);
}
