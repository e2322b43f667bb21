// The schema that the arguments of a tool are held to: an object, whatever else its parameters say. Knows no models.
import { FreeholdError } from '../../../lib/errors.ts';
import type { GenerateRequest, Tool } from '../../../lib/text-model.ts';

/** Keywords that say nothing of a value. */
const annotations = new Set([
  ...['type', 'title', 'description', 'default', 'examples', 'deprecated'],
  ...['$schema', '$id', '$comment', '$defs', 'definitions'],
]);

/**
 * The schema of a tool's arguments. One that describes no properties takes no arguments: `{}`.
 * @param at its place among the tools
 * @throws FreeholdError invalid_request where the arguments cannot be an object
 */
export function argumentsSchema({ name, inputSchema }: Tool, at: number): Record<string, unknown> {
  const { type, required } = inputSchema;
  const types = Array.isArray(type) ? type : [type ?? 'object'];
  if (!types.includes('object')) {
    throw new FreeholdError('invalid_request', `The arguments of a tool are an object; those of "${name}" are not.`, {
      field: `tools.${at}.input_schema.type`,
      hint: 'Give the schema "type": "object".',
    });
  }
  const says = Object.keys(inputSchema).some((keyword) => keyword !== 'required' && !annotations.has(keyword));
  const needs = required !== undefined && !(Array.isArray(required) && required.length === 0);
  return { ...inputSchema, type: 'object', ...(!says && !needs && { properties: {} }) };
}

/**
 * An error of a tool's schema, told with the tool's place: `#/properties/a` is `tools.2.input_schema.properties.a`.
 */
export function inTool(error: unknown, { name }: Tool, at: number): unknown {
  if (!(error instanceof FreeholdError) || (error.code !== 'invalid_request' && error.code !== 'unsupported')) {
    return error;
  }
  const place = (error.field ?? '#').replace(/^#/, '').replaceAll('/', '.');
  return new FreeholdError(error.code, `The parameters of the tool "${name}": ${error.message}`, {
    cause: error,
    field: `tools.${at}.input_schema${place}`,
    ...(error.hint !== undefined && { hint: error.hint }),
  });
}

/**
 * The tools an answer may call.
 * @returns their places among the tools
 * @throws FreeholdError invalid_request for two tools of one name, for a choice that no tool satisfies
 */
export function callableTools({ tools = [], toolChoice = { type: 'auto' } }: GenerateRequest): number[] {
  const names = tools.map(({ name }) => name);
  names.forEach((name, at) => {
    if (name !== '' && names.indexOf(name) === at) return;
    throw new FreeholdError(
      'invalid_request',
      name === '' ? 'A tool has no name.' : `Two tools are called "${name}".`,
      { field: `tools.${at}.name` },
    );
  });
  if (toolChoice.type === 'tool') {
    const at = names.indexOf(toolChoice.name);
    if (at >= 0) return [at];
    throw new FreeholdError('invalid_request', `There is no tool "${toolChoice.name}" in the request.`, {
      field: 'tool_choice',
    });
  }
  if (toolChoice.type === 'any' && tools.length === 0) {
    throw new FreeholdError('invalid_request', 'A tool must be called, and the request has none.', {
      field: 'tool_choice',
    });
  }
  return [...tools.keys()];
}
