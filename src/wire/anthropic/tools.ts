// The tools of an Anthropic request, and which of them the answer may or must call. Tools that clients run become
// canonical ones; those the vendor would run are refused by name, as nothing here runs them. Pure.
import type { GenerateRequest, Tool } from '../../lib/text-model.ts';
import { clientTools } from './client-tools.ts';
import { invalid, type Path, unsupported } from './errors-at.ts';
import type { GivenPrompt, GivenTool } from './schema.ts';

/** Why a type of tool is refused, by how its name begins. */
const refusals: readonly [string, string][] = [
  ['web_search_', 'Web search is run by the vendor’s servers'],
  ['web_fetch_', 'Web fetch is run by the vendor’s servers'],
  ['code_execution_', 'Code execution is run by the vendor’s servers'],
  ['tool_search_tool_', 'Tool search is run by the vendor’s servers'],
  ['advisor_', 'The advisor is run by the vendor’s servers'],
  ['mcp_toolset', 'MCP servers are called by the vendor’s servers'],
  ['computer_', 'Computer use needs a model that sees, and the models here read text only'],
  ['browser_', 'The browser tools need a model that sees, and the models here read text only'],
];

/**
 * @returns the parts of a canonical request that are about tools
 * @throws FreeholdError invalid_request or unsupported, naming the tool
 */
export function toolsOf(given: GivenPrompt): Pick<GenerateRequest, 'tools' | 'toolChoice' | 'parallelToolCalls'> {
  const tools = (given.tools ?? []).map((tool, index) => toolOf(tool, ['tools', index]));
  const names = new Set<string>();
  tools.forEach(({ name }, index) => {
    if (names.has(name)) throw invalid(['tools', index, 'name'], 'Tool names must be unique.');
    names.add(name);
  });
  const choice = given.tool_choice;
  if (tools.length === 0) {
    if (choice?.type === 'any' || choice?.type === 'tool') {
      throw invalid(['tool_choice'], 'tool_choice may only be specified while providing tools.');
    }
    return {};
  }
  if (choice?.type === 'tool' && !names.has(choice.name)) {
    throw invalid(['tool_choice', 'name'], `Tool '${choice.name.slice(0, 128)}' not found in provided tools.`);
  }
  const parallel = choice && choice.type !== 'none' && choice.disable_parallel_tool_use ? false : undefined;
  return {
    tools,
    ...(choice && { toolChoice: choice.type === 'tool' ? { type: 'tool', name: choice.name } : { type: choice.type } }),
    ...(parallel === false && { parallelToolCalls: false }),
  };
}

function toolOf(given: GivenTool, path: Path): Tool {
  if (given.allowed_callers && !given.allowed_callers.includes('direct')) {
    const message = 'A tool that only code execution may call is of no use here: nothing runs that code.';
    throw unsupported([...path, 'allowed_callers'], message, "Add 'direct', or leave it out.");
  }
  const type = given.type ?? 'custom';
  if (type !== 'custom') return typedTool(given, type, path);
  if (given.name === undefined) throw invalid([...path, 'name'], 'Field required');
  if (given.input_schema === undefined) throw invalid([...path, 'input_schema'], 'Field required');
  if (given.input_schema.type !== 'object') {
    throw invalid([...path, 'input_schema', 'type'], "Input should be 'object'");
  }
  const description = [given.description, ...examplesOf(given)].filter(Boolean).join('\n\n');
  return {
    name: given.name,
    ...(description && { description }),
    inputSchema: given.input_schema,
    ...(given.strict && { strict: true }),
  };
}

/** Examples are for the model to read. */
function examplesOf({ input_examples: examples }: GivenTool): string[] {
  if (!examples || examples.length === 0) return [];
  return [`Examples of input:\n${examples.map((example) => JSON.stringify(example)).join('\n')}`];
}

function typedTool(given: GivenTool, type: string, path: Path): Tool {
  const at = [...path, 'type'];
  const refusal = refusals.find(([prefix]) => type.startsWith(prefix));
  if (refusal) {
    const hint = 'Leave it out, or offer a tool of your own and run it yourself.';
    throw unsupported(at, `Tools of type '${type}' are not supported. ${refusal[1]}.`, hint);
  }
  const known = Object.hasOwn(clientTools, type) ? clientTools[type] : undefined;
  if (!known) {
    const types = ['custom', ...Object.keys(clientTools)].map((each) => `'${each}'`).join(', ');
    throw unsupported(at, `Tools of type '${type}' are not known here. Those that are: ${types}.`);
  }
  if (given.name !== undefined && given.name !== known.name) {
    throw invalid([...path, 'name'], `Input should be '${known.name}'`);
  }
  return known;
}
