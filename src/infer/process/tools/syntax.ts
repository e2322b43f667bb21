// How families of models write calls of tools and thoughts into their answers. Texts only: which tokens spell them, and
// which of them are control tokens, is found where an answer is followed (course.ts). Which family a model belongs to is
// told by its chat template (family.ts).
//
// One answer with two calls is written
//   open · callOpen NAME beforeArguments ARGUMENTS callClose · separator · callOpen NAME … callClose · close

export type ToolFamily = 'hermes' | 'llama3' | 'mistral' | 'gemma' | 'generic';

export interface ToolSyntax {
  family: ToolFamily;
  /**
   * What tells a call from other text, at the beginning of `open + callOpen`: from there on the answer is held to a call.
   * Empty where a call is told by its JSON alone; then calls only come at the beginning of an answer.
   */
  marker: string;
  /** Control tokens that may come before a call and say nothing: `<|python_tag|>`. */
  leads: readonly string[];
  /** Begins the calls of an answer, written once. */
  open: string;
  /** Begins each call; the name of the tool follows. */
  callOpen: string;
  /** Other beginnings of a call in the place of `callOpen`, taken where a call is told by its JSON. */
  alsoOpens?: readonly string[];
  /** Between the name and the JSON of the arguments. */
  beforeArguments: string;
  /** Ends each call. */
  callClose: string;
  /** Between two calls. */
  separator: string;
  /** Ends the calls of an answer, written once. */
  close: string;
}

export interface ThinkingSyntax {
  /** Begins a thought, at the beginning of an answer. */
  open: string;
  /** Ends it. */
  close: string;
  /** What ends a thought that used up its budget; holds `close`. */
  cut: string;
  /** Whether the chat template writes `open` at the end of the prompt, at least where thinking is asked for. */
  opensInTemplate: boolean;
}

/** How one model writes its answers. */
export interface AnswerSyntax {
  tools: ToolSyntax;
  /** Undefined: it does not think before it answers. */
  thinking: ThinkingSyntax | undefined;
}

/** Qwen 2.5 and 3, Hermes, and the many that were trained like them. */
export const hermesTools: ToolSyntax = {
  family: 'hermes',
  marker: '<tool_call>',
  leads: [],
  open: '',
  callOpen: '<tool_call>\n{"name": "',
  beforeArguments: '", "arguments": ',
  callClose: '}\n</tool_call>',
  separator: '\n',
  close: '',
};

/** Llama 3.1, 3.2, 3.3: the answer is the JSON of a call. */
export const llama3Tools: ToolSyntax = {
  family: 'llama3',
  marker: '',
  leads: ['<|python_tag|>'],
  open: '',
  callOpen: '{"name": "',
  alsoOpens: ['{"type": "function", "name": "'],
  beforeArguments: '", "parameters": ',
  callClose: '}',
  separator: '; ',
  close: '',
};

/** Mistral up to 2024: one array of calls. */
export const mistralTools: ToolSyntax = {
  family: 'mistral',
  marker: '[TOOL_CALLS]',
  leads: [],
  open: '[TOOL_CALLS] [',
  callOpen: '{"name": "',
  beforeArguments: '", "arguments": ',
  callClose: '}',
  separator: ', ',
  close: ']',
};

/** Mistral since 2025: name and arguments apart. */
export const mistralArgsTools: ToolSyntax = {
  family: 'mistral',
  marker: '[TOOL_CALLS]',
  leads: [],
  open: '',
  callOpen: '[TOOL_CALLS]',
  beforeArguments: '[ARGS]',
  callClose: '',
  separator: '',
  close: '',
};

/** Gemma 3, whose template knows no tools: what it is told to write (family.ts) in the fence it was trained with. */
export const gemmaTools: ToolSyntax = {
  family: 'gemma',
  marker: '```tool_code',
  leads: [],
  open: '',
  callOpen: '```tool_code\n{"name": "',
  beforeArguments: '", "parameters": ',
  callClose: '}\n```',
  separator: '\n',
  close: '',
};

/** Models that were not trained to call tools: told how in the prompt, and held to it by grammar. */
export const genericTools: ToolSyntax = { ...hermesTools, family: 'generic' };

/** @param opensInTemplate see `ThinkingSyntax` */
export function thinkTags(opensInTemplate: boolean): ThinkingSyntax {
  return { open: '<think>', close: '</think>', cut: '\n</think>\n\n', opensInTemplate };
}

/** Magistral. */
export const bracketThinking: ThinkingSyntax = {
  open: '[THINK]',
  close: '[/THINK]',
  cut: '[/THINK]',
  opensInTemplate: false,
};

/** Gemma 4. */
export const channelThinking: ThinkingSyntax = {
  open: '<|channel>thought\n',
  close: '<channel|>',
  cut: '<channel|>',
  opensInTemplate: false,
};

/** gpt-oss: the answer is a message of its own. */
export const harmonyThinking: ThinkingSyntax = {
  open: '<|channel|>analysis<|message|>',
  close: '<|end|><|start|>assistant<|channel|>final<|message|>',
  cut: '<|end|><|start|>assistant<|channel|>final<|message|>',
  opensInTemplate: false,
};

/**
 * Calls as the family writes them: for prompts that say how, and for calls of earlier turns.
 * @param argumentsJson JSON of an object
 */
export function writeCalls(syntax: ToolSyntax, calls: readonly { name: string; argumentsJson: string }[]): string {
  const { open, callOpen, beforeArguments, callClose, separator, close } = syntax;
  const written = calls.map(
    ({ name, argumentsJson }) => callOpen + nameIn(syntax, name) + beforeArguments + argumentsJson + callClose,
  );
  return open + written.join(separator) + close;
}

/** The name as it stands in a call: in JSON quotes there are escapes. */
export function nameIn({ callOpen }: ToolSyntax, name: string): string {
  return callOpen.endsWith('"') ? JSON.stringify(name).slice(1, -1) : name;
}
