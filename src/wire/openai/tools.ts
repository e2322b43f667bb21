// Functions that a model may call: as requests declare and choose them, and as the canonical request has them. The two
// APIs (chat completions, responses) nest the same things differently; here they are flat. Pure.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest, Tool } from '../../lib/text-model.ts';
import { fieldError, fieldName } from '../validate.ts';

type Path = readonly (string | number)[];

/** What a function is called, as the vendor allows it. */
const functionName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, {
  message: 'Input should be 1 to 64 letters, digits, underscores or dashes',
});

/**
 * A function without the name of its kind around it. Arguments are held to the schema whatever `strict` says; only where it
 * says true, a schema that cannot be enforced in all it says is an error.
 */
export const functionFields = {
  name: functionName,
  description: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  strict: z.boolean().nullish(),
};

/** Most functions of one request, as the vendor has it. */
export const mostTools = 128;

export interface GivenFunction {
  name: string;
  description?: string | null | undefined;
  parameters?: Record<string, unknown> | null | undefined;
  strict?: boolean | null | undefined;
  /** Where it stands in the request. */
  path: Path;
}

/** A choice among the functions, whatever the API called it. */
export type GivenChoice =
  | { type: 'auto' | 'none' | 'required' }
  | { type: 'function'; name: string; path: Path }
  | { type: 'allowed'; mode: 'auto' | 'required'; names: string[]; path: Path };

/**
 * @param choice undefined: the vendor's default, which is auto where there are functions
 * @returns the fields of the canonical request that tell of tools, and where each one's schema stands; nothing where
 *   there are no functions
 * @throws FreeholdError invalid_request for two functions of one name, and for a choice of what is not there
 */
export function toolsOf(
  functions: readonly GivenFunction[],
  choice: GivenChoice | undefined,
  parallel: boolean | null | undefined,
): Pick<GenerateRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'> & { toolFields?: string[] } {
  const names = new Set<string>();
  for (const { name, path } of functions) {
    if (names.has(name)) throw invalid([...path, 'name'], `There are two functions called "${name}".`);
    names.add(name);
  }
  if (functions.length === 0) {
    if (choice === undefined || choice.type === 'auto' || choice.type === 'none') return {};
    throw invalid(['tool_choice'], 'There are no tools to choose from.', 'Send tools, or leave it out.');
  }
  const known = (name: string, path: Path) => {
    if (!names.has(name)) throw invalid(path, `There is no function "${name.slice(0, 100)}" among the tools.`);
  };
  if (choice?.type === 'function') known(choice.name, choice.path);
  if (choice?.type === 'allowed') for (const name of choice.names) known(name, choice.path);
  const allowed = choice?.type === 'allowed' ? new Set(choice.names) : names;
  const shown = functions.filter(({ name }) => allowed.has(name));
  return {
    tools: shown.map(canonicalTool),
    toolFields: shown.map(({ path }) => fieldName([...path, 'parameters'], 'brackets')),
    ...(choice && { toolChoice: canonicalChoice(choice) }),
    ...(parallel === false && { parallelToolCalls: false }),
  };
}

function canonicalTool({ name, description, parameters, strict }: GivenFunction): Tool {
  return {
    name,
    ...(description ? { description } : {}),
    // without parameters it takes none, as the vendor says
    inputSchema: parameters ?? { type: 'object', properties: {}, additionalProperties: false },
    ...(strict && { strict }),
  };
}

function canonicalChoice(choice: GivenChoice): NonNullable<GenerateRequest['toolChoice']> {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return { type: choice.type };
    case 'required':
      return { type: 'any' };
    case 'function':
      return { type: 'tool', name: choice.name };
    case 'allowed':
      return { type: choice.mode === 'required' ? 'any' : 'auto' };
    default:
      return choice satisfies never;
  }
}

/** @throws FreeholdError unsupported: tools that are not functions have no one here to run them */
export function refuseTool(type: string, path: Path): never {
  const hint =
    type === 'custom'
      ? 'Declare a function with one string parameter instead.'
      : 'Send tools of type function, and run them where the request comes from.';
  const message = `Tools of type '${type.slice(0, 60)}' are not supported.`;
  throw fieldError('unsupported', path, message, 'brackets', hint);
}

/**
 * Arguments of an earlier call, back from the text that the API carries them in.
 * @returns text that is no JSON (an answer that was cut off) as it is, under a name of its own
 */
export function argumentsOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text);
  } catch {
    return { partial_json: text };
  }
}

function invalid(path: Path, message: string, hint?: string): FreeholdError {
  return fieldError('invalid_request', path, message, 'brackets', hint);
}
