// What a chat template does with its input, found by rendering trial conversations when the model is loaded: whether it
// trims, whether it knows a system turn, tools, calls, results and thoughts, and in which shape it wants them. Trials are
// marked as requests are, so a template that rewrites what it is given is found out here.
// Knows nothing of requests.
import { FreeholdError } from '../../lib/errors.ts';
import type { Tool } from '../../lib/text-model.ts';
import { Markers, type PromptPiece } from './chat-template-marks.ts';
import { jsonText, templateTool } from './tools/describe.ts';
import { isTrained, thinkingSyntaxOf, toolSyntaxOf } from './tools/family.ts';
import type { AnswerSyntax, ToolSyntax } from './tools/syntax.ts';

/** A call in OpenAI's shape, which chat templates expect. */
export interface TemplateCall {
  /** Nine letters and digits, as Mistral's templates want. */
  id: string;
  type: 'function';
  function: { name: string; arguments: unknown };
}

export interface TemplateMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  /** What the model thought before this turn. */
  reasoning_content?: string;
  /** Never empty: templates ask only whether it is there. */
  tool_calls?: TemplateCall[];
  /** Of results: which call they answer, and the tool's name. */
  tool_call_id?: string;
  name?: string;
}

/**
 * @param variables of the template's own, such as `tools` or `enable_thinking`
 * @throws Error whatever the template raises; FreeholdError model_failed when it takes too long
 */
export type RunTemplate = (
  messages: readonly TemplateMessage[],
  variables?: Readonly<Record<string, unknown>>,
) => string;

/** Where a template looks for tools, and whether it wants each as a text of JSON. */
export interface ToolVariable {
  name: string;
  asText: boolean;
}

export interface Habits {
  /** It trims texts: markers would not be, so texts are trimmed before. */
  trims: boolean;
  knowsSystem: boolean;
  syntax: AnswerSyntax;
  /** Whether it writes tools, calls and results itself, the arguments given as one or the other; otherwise we do. */
  tools: ToolVariable | 'ours';
  calls: 'object' | 'string' | 'ours';
  results: 'template' | 'ours';
  /** The system text stands in prompts with results, too. */
  systemInLoops: boolean;
  /** Several calls may stand in one turn. Otherwise each gets a turn, its result after it. */
  severalCalls: boolean;
  /** A person's turn may follow results. Otherwise its text goes with the last result. */
  textAfterResults: boolean;
  /** Results stand where JSON is expected. */
  resultsAsJson: boolean;
  /** The variable that turns thinking on and off. */
  thinkingSwitch: string | undefined;
}

const tool = {
  name: 'trial_tool',
  description: 'A trial of tools.',
  inputSchema: {
    type: 'object',
    properties: { trial_place: { type: 'string', description: 'A trial of places.' } },
    required: ['trial_place'],
  },
};
const question: TemplateMessage = { role: 'user', content: 'x' };
/** What Qwen 3 and SmolLM3 call it, then Granite and DeepSeek. */
const switches = ['enable_thinking', 'thinking'];
/** What nearly all want, then SmolLM3. */
const toolVariables: readonly ToolVariable[] = [
  { name: 'tools', asText: false },
  { name: 'tools', asText: true },
  { name: 'xml_tools', asText: true },
];

/**
 * @param source the template, where the model came with one
 * @throws FreeholdError model_failed when a trial takes too long
 */
export function findHabits(run: RunTemplate, source: string | undefined): Habits {
  const plain = (messages: TemplateMessage[], variables?: Record<string, unknown>) =>
    attempt(() => run(messages, variables)) ?? '';
  const spaces = plain([{ role: 'user', content: '  trial of spaces  ' }]);
  const system = plain([{ role: 'system', content: 'trial of system' }, question]);
  const thinkingSwitch = switches.find(
    (name) => plain([question], { [name]: true }) !== plain([question], { [name]: false }),
  );
  const thinks = plain([question], thinkingSwitch ? { [thinkingSwitch]: true } : {});
  const { toolSyntax, ...tools } = withoutDelay(source, () => findToolHabits(run, source));
  return {
    trims: spaces.includes('trial of spaces') && !spaces.includes('  trial of spaces  '),
    knowsSystem: system.includes('trial of system'),
    syntax: { tools: toolSyntax, thinking: thinkingSyntaxOf(source, thinks) },
    thinkingSwitch,
    ...tools,
  };
}

type ToolHabits = Omit<Habits, 'trims' | 'knowsSystem' | 'syntax' | 'thinkingSwitch'> & { toolSyntax: ToolSyntax };

function findToolHabits(run: RunTemplate, source: string | undefined): ToolHabits {
  /** Undefined where the template refuses, or rewrites what it is given: then we write it. */
  const marked = (variable: ToolVariable, make: (markers: Markers) => TemplateMessage[]): Made | undefined => {
    const markers = new Markers();
    const pieces = attempt(() => markers.split(run(make(markers), givenTools(variable, [tool], markers))));
    return pieces && { text: pieces.map(({ text }) => text).join(''), texts: textsOf(pieces) };
  };
  const [told] = toolVariables.flatMap((variable) => {
    const made = marked(variable, () => [question]);
    const isWhole = [tool.description, 'trial_place', 'A trial of places.'].every((text) => made?.texts.has(text));
    return made && isWhole && made.text.includes(`"name": "${tool.name}"`) ? [{ variable, made }] : [];
  });
  if (!told) return ours(toolSyntaxOf(source, {}, tool.name));

  const trial = (make: (markers: Markers) => TemplateMessage[]) => marked(told.variable, make);
  const [written] = (['object', 'string'] as const).flatMap((shape) => {
    const made = trial((m) => [question, calling(m, shape)]);
    // as JSON, and not as JSON within a string of JSON
    return made?.texts.has(tool.name) && /"trial_place": ?"trial value"/.test(made.text) ? [{ shape, made }] : [];
  });
  const toolSyntax = toolSyntaxOf(source, { tools: told.made.text, call: written?.made.text }, tool.name);
  if (!isTrained(toolSyntax)) return ours(toolSyntax);

  const calls = written?.shape ?? 'ours';
  const called = (m: Markers) => (calls === 'ours' ? { ...question, role: 'assistant' as const } : calling(m, calls));
  const results = trial((m) => [question, called(m), result(m)]);
  const loop = trial((m) => [{ role: 'system', content: m.text('trial of system') }, question, called(m), result(m)]);
  const after = trial((m) => [question, called(m), result(m), { role: 'user', content: m.text('trial after') }]);
  const several = trial((m) => [question, calling(m, calls, 'value_a', 'value_b'), result(m), result(m, 1)]);
  return {
    toolSyntax,
    tools: told.variable,
    calls,
    results: results?.texts.has('trial of result 0') ? 'template' : 'ours',
    systemInLoops: loop?.texts.has('trial of system') ?? false,
    severalCalls: calls !== 'ours' && ['value_a', 'value_b'].every((text) => several?.texts.has(text)),
    textAfterResults: after?.texts.has('trial after') ?? false,
    resultsAsJson: /: ?trial of result 0[,}]/.test(results?.text ?? ''),
  };
}

/** A template that takes for ever over tools may be quick without them: then it does not see any. */
function withoutDelay(source: string | undefined, find: () => ToolHabits): ToolHabits {
  try {
    return find();
  } catch (error) {
    if (!(error instanceof FreeholdError)) throw error;
    return ours(toolSyntaxOf(source, {}, tool.name));
  }
}

/** Of templates that know no tools, or of a family that is not known: they see nothing but text. */
function ours(toolSyntax: ToolSyntax): ToolHabits {
  return {
    toolSyntax,
    tools: 'ours',
    calls: 'ours',
    results: 'ours',
    systemInLoops: true,
    severalCalls: false,
    textAfterResults: false,
    resultsAsJson: false,
  };
}

/** Tools as the template looks for them; nothing where there are none. */
export function givenTools(
  { name, asText }: ToolVariable,
  tools: readonly Tool[],
  markers: Markers,
): Record<string, unknown> {
  if (tools.length === 0) return {};
  const given = tools.map((each) => templateTool(each, markers));
  return { [name]: asText ? given.map(jsonText) : given };
}

/** A trial's rendering, and the texts in it. */
interface Made {
  text: string;
  texts: Set<string>;
}

/** A turn with one call for each value. */
function calling(markers: Markers, shape: Habits['calls'], ...values: string[]): TemplateMessage {
  const calls = (values.length > 0 ? values : ['trial value']).map((value, i): TemplateCall => {
    const given = markers.json({ trial_place: value });
    return {
      id: `trial000${i}`,
      type: 'function',
      function: { name: markers.text(tool.name), arguments: shape === 'string' ? jsonText(given) : given },
    };
  });
  return { role: 'assistant', content: '', tool_calls: calls };
}

function result(markers: Markers, i = 0): TemplateMessage {
  const content = markers.text(`trial of result ${i}`);
  return { role: 'tool', content, tool_call_id: `trial000${i}`, name: markers.text(tool.name) };
}

const textsOf = (pieces: readonly PromptPiece[]) =>
  new Set(pieces.filter(({ origin }) => origin === 'text').map(({ text }) => text));

/** Undefined where the template raises an error, or rewrites what it is given. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof FreeholdError && error.code !== 'unsupported') throw error;
    return undefined;
  }
}
