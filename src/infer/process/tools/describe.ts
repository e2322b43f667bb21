// Tools as they stand in a prompt: as values for a chat template that writes them itself, and in words of our own where
// it does not. Names, descriptions and schemas are somebody's text and go in as markers. Knows no messages.
import type { Tool } from '../../../lib/text-model.ts';
import type { Markers } from '../chat-template-marks.ts';
import { type AnswerSyntax, type ToolSyntax, writeCalls } from './syntax.ts';

/** A tool in OpenAI's shape, which chat templates expect, its texts marked. */
export interface TemplateTool {
  type: 'function';
  function: { name: string; description: string; parameters: unknown };
}

export function templateTool({ name, description = '', inputSchema }: Tool, markers: Markers): TemplateTool {
  return {
    type: 'function',
    function: {
      name: markers.text(name),
      description: markers.text(description),
      parameters: markers.json(inputSchema),
    },
  };
}

/**
 * What tells a model of its tools, and how to call them, where its chat template does not: a system text.
 * @param tools at least one
 * @returns our own text, with markers for that of the tools
 */
export function describeTools(tools: readonly Tool[], syntax: ToolSyntax, markers: Markers): string {
  const lines = tools.map((tool) => jsonText(templateTool(tool, markers).function));
  const call = writeCalls(syntax, [{ name: 'NAME', argumentsJson: '{"PARAMETER": "VALUE"}' }]);
  return `# Tools

You can call these tools. Each line is one: its name, what it does, and a JSON Schema of its parameters.
<tools>
${lines.join('\n')}
</tools>

To call a tool, write this and nothing after it, with its name and your values in place of the capitals:
${call}
The result comes in the next message. If no tool helps, answer in plain words.`;
}

/** The result of a call in a turn of the person's, where the chat template knows no results. */
export function describeResult(result: string, { family }: ToolSyntax): string {
  return family === 'gemma' ? `\`\`\`tool_output\n${result}\n\`\`\`` : `<tool_response>\n${result}\n</tool_response>`;
}

/** Words in brackets, the only ones of ours that some vocabularies hold as one token, and not as text. */
const bracketed = /<[^<>\s]+>|\[[A-Z_/]+\]/g;

/** The markup that we write of our own into prompts, where the chat template does not. */
export function ownMarkup({ tools, thinking }: AnswerSyntax): string {
  const calls = writeCalls(tools, [{ name: 'NAME', argumentsJson: '{}' }]);
  const own = [describeResult('', tools), calls, thinking?.open, thinking?.cut].join('\n');
  return (own.match(bracketed) ?? []).join('\n');
}

/** JSON spaced as Python spaces it, as in what models read. */
export function jsonText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(jsonText).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const fields = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${jsonText(item)}`);
  return `{${fields.join(', ')}}`;
}
