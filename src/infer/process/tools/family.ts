// Which family a model belongs to, told by its chat template: how it writes calls of tools, and whether it thinks before it
// answers. Reads the template and what it made of a trial; knows no vocabulary, since templates of the same words are
// spelled with control tokens in one model and with plain text in the next.
import {
  bracketThinking,
  channelThinking,
  gemmaTools,
  genericTools,
  harmonyThinking,
  hermesTools,
  llama3Tools,
  mistralArgsTools,
  mistralTools,
  type ThinkingSyntax,
  type ToolSyntax,
  thinkTags,
} from './syntax.ts';

/** What a template made of a trial. Default: it refused, or lost what it was given. */
export interface Trial {
  /** Of a question, with one tool. */
  tools?: string | undefined;
  /** Of a call of that tool, with its arguments. */
  call?: string | undefined;
}

/**
 * How calls are written. A family that is not known, such as one whose calls are XML, is told in our own words: `generic`.
 * @param source the chat template, if any
 * @param name of the tool in the trial: letters and `_` only
 */
export function toolSyntaxOf(source: string | undefined, trial: Trial, name: string): ToolSyntax {
  const { tools, call = '' } = trial;
  if (tools !== undefined) {
    if (call.includes('[TOOL_CALLS]')) return mistralOf(call);
    if (new RegExp(`<tool_call>\\s*\\{"name": "${name}", "arguments": `).test(call)) return hermesTools;
    if (call.includes(`{"name": "${name}", "parameters": `)) return llama3Tools;
    // templates that say how to call, and leave it to the turn's text
    if (/<tool_call>\s*\{["']name["']: /.test(tools)) return hermesTools;
  }
  return source?.includes('<start_of_turn>') ? gemmaTools : genericTools;
}

function mistralOf(call: string): ToolSyntax {
  if (call.includes('[ARGS]')) return mistralArgsTools;
  const [open = mistralTools.open] = /\[TOOL_CALLS\] ?\[/.exec(call) ?? [];
  return { ...mistralTools, open };
}

/** Whether what a family's template says of tools is the family's own: the others are told by `describeTools`. */
export function isTrained({ family }: ToolSyntax): boolean {
  return family !== 'gemma' && family !== 'generic';
}

/**
 * How thoughts are written; undefined for a model that does not think. A vocabulary that holds `<think>` says nothing:
 * models that answer at once share it with those that think.
 * @param prompt what the template makes of a question where thinking is asked for
 */
export function thinkingSyntaxOf(source: string | undefined, prompt: string): ThinkingSyntax | undefined {
  const syntax = [thinkTags(false), bracketThinking, channelThinking, harmonyThinking].find(({ open, close }) =>
    [open, close].some((tag) => source?.includes(tag.trim())),
  );
  return syntax && { ...syntax, opensInTemplate: endsOpen(prompt, syntax) };
}

/** Whether a prompt ends with the beginning of a thought. */
export function endsOpen(prompt: string, { open }: ThinkingSyntax): boolean {
  return prompt.trimEnd().endsWith(open.trim());
}
