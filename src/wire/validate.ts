// From a zod schema's first complaint to an error in the vendors' style: the path of the field, what was expected, what
// was given. Knows no protocol; how a path is spelled is given.
import type { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';

/** How a protocol spells the path of a field: `messages.0.role` or `messages[0].role`. */
export type PathStyle = 'dots' | 'brackets';

type Path = readonly PropertyKey[];

/** The parts of zod's issue that are read here; unions nest them. */
interface Issue {
  code?: string;
  path: Path;
  message: string;
  expected?: string;
  format?: string;
  values?: readonly unknown[];
  options?: readonly unknown[];
  discriminator?: string;
  minimum?: number | bigint;
  maximum?: number | bigint;
  inclusive?: boolean;
  origin?: string;
  errors?: readonly (readonly Issue[])[];
}

/** `['messages', 0, 'role']` as the protocol spells it. */
export function fieldName(path: Path, style: PathStyle): string {
  return path.reduce<string>((name, part) => {
    if (style === 'brackets' && typeof part === 'number') return `${name}[${part}]`;
    return name === '' ? String(part) : `${name}.${String(part)}`;
  }, '');
}

/** @returns an error about one field; its message starts with the field's path */
export function fieldError(
  code: 'invalid_request' | 'unsupported',
  path: Path,
  message: string,
  style: PathStyle,
  hint?: string,
): FreeholdError {
  const field = fieldName(path, style);
  return new FreeholdError(code, field === '' ? message : `${field}: ${message}`, {
    ...(field === '' ? {} : { field }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/**
 * Checks a value against a schema.
 * @param at where the value stands in the request, if it is a part of it
 * @throws FreeholdError invalid_request about the first field at fault
 */
export function validate<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  style: PathStyle,
  at: Path = [],
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = deepest(result.error.issues[0] as Issue, []);
  throw fieldError('invalid_request', [...at, ...issue.path], describe(issue, valueAt(value, issue.path)), style);
}

/** Of a union's branches, the one that was meant is the one that fits by type, or whose complaint lies deepest. */
function deepest(issue: Issue, prefix: Path): Issue {
  const here: Issue = { ...issue, path: [...prefix, ...issue.path] };
  if (issue.code !== 'invalid_union' || !issue.errors || issue.errors.length === 0) return here;
  const branches = issue.errors.flatMap((branch) => (branch[0] ? [deepest(branch[0], here.path)] : []));
  const best = branches.reduce((a, b) => (b.path.length > a.path.length ? b : a), branches[0] ?? here);
  if (best.path.length > here.path.length) return best;
  const fits = branches.find((branch) => branch.code !== 'invalid_type');
  if (fits) return fits;
  const expected = branches.map((branch) => branch.expected).filter((name) => name !== undefined);
  return { ...here, code: 'invalid_type', expected: expected.join(' or ') };
}

function describe(issue: Issue, given: unknown): string {
  if (given === undefined && issue.code !== 'custom') return 'Field required';
  const but = `, but ${show(given)} was given`;
  switch (issue.code) {
    case 'invalid_type':
      return `Input should be ${article(issue.expected === 'int' ? 'integer' : (issue.expected ?? 'another type'))}${but}`;
    case 'invalid_value':
      return `Input should be ${list(issue.values ?? [])}${but}`;
    case 'invalid_union':
      return `Input should be ${list(issue.options ?? [])}${but}`;
    case 'too_small':
      if (issue.origin === 'array') return `At least ${issue.minimum} item is required`;
      if (issue.origin === 'string') return 'Must not be empty';
      return `Input should be greater than ${issue.inclusive ? 'or equal to ' : ''}${issue.minimum}${but}`;
    case 'too_big':
      if (issue.origin === 'array' || issue.origin === 'string') {
        return `At most ${issue.maximum} ${issue.origin === 'array' ? 'items' : 'characters'} are allowed`;
      }
      return `Input should be less than ${issue.inclusive ? 'or equal to ' : ''}${issue.maximum}${but}`;
    default:
      return issue.message;
  }
}

function valueAt(value: unknown, path: Path): unknown {
  let here = value;
  for (const part of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<PropertyKey, unknown>)[part];
  }
  return here;
}

/** A value as far as an error message may repeat it. */
function show(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}

function article(expected: string): string {
  return expected
    .split(' or ')
    .map((name) => (/^[aeio]/.test(name) ? `an ${name}` : `a ${name}`))
    .join(' or ');
}

function list(values: readonly unknown[]): string {
  const shown = values.map((value) => (typeof value === 'string' ? `'${value}'` : String(value)));
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`;
}
