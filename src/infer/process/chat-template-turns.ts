// From a request's messages to those a chat template is given: neighbours of one role joined, the system text and the
// results of tools where the template takes them, calls in the shape it wants, documents and whatever it does not know as
// text. All that people and tools wrote is marked. Knows the template's habits, not the template.
import { createHash } from 'node:crypto';
import { FreeholdError } from '../../lib/errors.ts';
import type {
  Block,
  DocumentBlock,
  GenerateRequest,
  Message,
  Tool,
  ToolResultBlock,
  ToolUseBlock,
} from '../../lib/text-model.ts';
import type { Habits, TemplateCall, TemplateMessage } from './chat-template-habits.ts';
import type { Markers } from './chat-template-marks.ts';
import { describeResult, describeTools, jsonText } from './tools/describe.ts';
import { writeCalls } from './tools/syntax.ts';

/** One role's say, between two of the other's. */
interface Turn {
  role: 'user' | 'assistant';
  /** Undefined: there was none, not even an empty one. */
  text: string | undefined;
  thoughts: string;
  calls: ToolUseBlock[];
  results: (ToolResultBlock & { name: string })[];
}

/** What a template is to render, and the text after it. */
export interface TemplateTurns {
  messages: TemplateMessage[];
  /** Beginning of the answer, which the model continues. */
  prefill: string;
}

/**
 * @throws FreeholdError invalid_request for results without a call, and for a call at the end; unsupported for images
 */
export function templateTurns(request: GenerateRequest, habits: Habits, markers: Markers): TemplateTurns {
  const turns = gatherTurns(request.messages);
  const prefill = takePrefill(turns);
  const write = new TurnWriter(habits, markers, request);
  const messages = turns.flatMap((turn, i) => write.turn(turn, turns, i));
  const system = write.system((request.system ?? []).map(({ text }) => text).join('\n\n'), toolsOf(request));
  if (system !== '') {
    const first = messages.find(({ role }) => role === 'user');
    const isLoop = messages.some(({ role }) => role === 'tool');
    if ((habits.knowsSystem && (habits.systemInLoops || !isLoop)) || !first)
      messages.unshift({ role: 'system', content: system });
    else first.content = `${system}\n\n${first.content}`;
  }
  return { messages, prefill };
}

/** The tools a prompt speaks of: none where none may be called. */
export function toolsOf({ tools = [], toolChoice }: GenerateRequest): readonly Tool[] {
  return toolChoice?.type === 'none' ? [] : tools;
}

/** Takes off a final assistant turn. */
function takePrefill(turns: Turn[]): string {
  if (turns.at(-1)?.role !== 'assistant') return '';
  const { text = '', calls } = turns.pop() as Turn;
  const [call] = calls;
  if (!call) return text;
  throw new FreeholdError(
    'invalid_request',
    `The conversation ends with the tool call "${call.id}"; its result is missing.`,
    {
      field: 'messages',
      hint: 'Give the result of every tool call in the turn after it.',
    },
  );
}

/** Joins neighbours of one role. A turn of thoughts only is none. */
function gatherTurns(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  /** Calls by id, and whether their results were given. */
  const calls = new Map<string, { name: string; answered: boolean }>();
  for (const message of messages) {
    const turn = readTurn(message, calls);
    if (turn.text === undefined && turn.calls.length + turn.results.length === 0) continue;
    const last = turns.at(-1);
    if (last?.role !== turn.role) {
      turns.push(turn);
      continue;
    }
    last.text = [last.text, turn.text].filter((text) => text !== undefined).join('\n\n');
    last.thoughts = [last.thoughts, turn.thoughts].filter((text) => text !== '').join('\n\n');
    last.calls.push(...turn.calls);
    last.results.push(...turn.results);
  }
  return turns;
}

/** A person's blocks (a document, then a question) stand on lines of their own; a model's go on where they stopped. */
function readTurn({ role, content }: Message, calls: Map<string, { name: string; answered: boolean }>): Turn {
  const turn: Turn = { role, text: undefined, thoughts: '', calls: [], results: [] };
  const texts: string[] = [];
  for (const block of content) {
    switch (block.type) {
      case 'text':
        texts.push(block.text);
        break;
      case 'document':
        texts.push(documentText(block));
        break;
      case 'thinking':
        turn.thoughts += block.text;
        break;
      case 'tool-use':
        calls.set(block.id, { name: block.name, answered: false });
        turn.calls.push(block);
        break;
      case 'tool-result':
        turn.results.push({ ...block, name: answer(block, calls) });
        break;
      case 'image':
        throw noImages('the request holds an image');
      default:
        block satisfies never;
    }
  }
  if (texts.length > 0) turn.text = texts.filter((text) => text !== '').join(role === 'user' ? '\n' : '');
  return turn;
}

/** @returns the name of the tool that was called */
function answer({ toolUseId: id }: ToolResultBlock, calls: Map<string, { name: string; answered: boolean }>): string {
  const call = calls.get(id);
  if (call && !call.answered) {
    call.answered = true;
    return call.name;
  }
  throw new FreeholdError(
    'invalid_request',
    call
      ? `The tool call "${id}" has two results.`
      : `There is a result of the tool call "${id}", but no such call before it.`,
    { field: 'messages', hint: 'Send the assistant turn with the call, then one result with the same id.' },
  );
}

const noImages = (what: string) =>
  new FreeholdError('unsupported', `This model reads text only; ${what}.`, { field: 'messages' });

/**
 * A document as a model reads it: `<document title="…">`, its text, `</document>`, each on lines of its own. A tag says to
 * small models where it ends, as a blank line does not.
 */
function documentText({ title, text }: DocumentBlock): string {
  const name = title?.replaceAll('"', '&quot;').replace(/\s+/g, ' ').trim();
  return `<document${name ? ` title="${name}"` : ''}>\n${text}\n</document>`;
}

function resultText({ content, isError }: ToolResultBlock): string {
  const text = content
    .map((block: Block) => {
      if (block.type === 'text') return block.text;
      throw noImages('the result of a tool holds an image');
    })
    .join('\n');
  // no template has another place for it
  return isError && !/^\s*error\b/i.test(text) ? `Error: ${text}`.trim() : text;
}

/** Nine letters and digits, as Mistral's templates want; for other templates, too: ids are long, and strangers write them. */
function shortId(id: string): string {
  const number = createHash('sha256').update(id).digest().readBigUInt64BE();
  return number.toString(36).padStart(9, '0').slice(-9);
}

/** Writes turns as one template takes them. */
class TurnWriter {
  readonly #habits: Habits;
  readonly #markers: Markers;
  readonly #keepsThoughts: boolean;
  /** Place of the last turn in which a person said something: what the model thought since is shown to it. */
  #lastQuestion: number | undefined;

  constructor(habits: Habits, markers: Markers, { thinking }: GenerateRequest) {
    this.#habits = habits;
    this.#markers = markers;
    this.#keepsThoughts = habits.syntax.thinking !== undefined && thinking?.type !== 'disabled';
  }

  /** @returns our own text and markers; empty for no system text */
  system(text: string, tools: readonly Tool[]): string {
    const { tools: whose, syntax } = this.#habits;
    const told = whose === 'ours' && tools.length > 0 ? describeTools(tools, syntax.tools, this.#markers) : '';
    return [this.#text(text), told].filter((part) => part !== '').join('\n\n');
  }

  turn(turn: Turn, turns: readonly Turn[], i: number): TemplateMessage[] {
    if (turn.role === 'user') return this.#user(turn, turns[i - 1]);
    this.#lastQuestion ??= turns.findLastIndex(
      ({ role, text }) => role === 'user' && text !== undefined && text !== '',
    );
    return this.#assistant(turn, turns[i + 1], i > this.#lastQuestion);
  }

  #assistant(turn: Turn, next: Turn | undefined, isInLoop: boolean): TemplateMessage[] {
    const { calls, thoughts } = turn;
    const message: TemplateMessage = { role: 'assistant', content: this.#text(turn.text ?? '') };
    const thought = thoughts.trim();
    if (isInLoop && this.#keepsThoughts && thought !== '') message.reasoning_content = this.#markers.text(thought);
    if (calls.length === 0) return [message];
    if (this.#habits.calls === 'ours') {
      const { tools } = this.#habits.syntax;
      const written = calls.map(({ name, input }) => ({
        name: this.#markers.text(name),
        argumentsJson: this.#argumentsJson(input),
      }));
      message.content = [message.content, writeCalls(tools, written)].filter((part) => part !== '').join('\n');
      return [message];
    }
    if (this.#habits.severalCalls || calls.length === 1) {
      return [{ ...message, tool_calls: calls.map((call) => this.#call(call)) }];
    }
    return calls.flatMap((call, at) => {
      const before: TemplateMessage = at === 0 ? message : { role: 'assistant', content: '' };
      const result = next?.results.find(({ toolUseId }) => toolUseId === call.id);
      return [{ ...before, tool_calls: [this.#call(call)] }, ...(result ? this.#results([result]) : [])];
    });
  }

  #user({ text, results }: Turn, before: Turn | undefined): TemplateMessage[] {
    const { results: whose, calls, severalCalls, textAfterResults, syntax } = this.#habits;
    if (results.length === 0) return [{ role: 'user', content: this.#text(text ?? '') }];
    const order = before?.calls.map(({ id }) => id) ?? [];
    const sorted = results.toSorted((a, b) => order.indexOf(a.toolUseId) - order.indexOf(b.toolUseId));
    if (whose === 'ours') {
      const written = sorted.map((result) => describeResult(this.#markers.text(resultText(result)), syntax.tools));
      const content = [written.join('\n'), this.#text(text ?? '')].filter((part) => part !== '').join('\n\n');
      return [{ role: 'user', content }];
    }
    // those of several calls stand beside their calls already
    const isBesideCall = ({ toolUseId }: ToolResultBlock) =>
      calls !== 'ours' && !severalCalls && order.length > 1 && order.includes(toolUseId);
    if (text === undefined || text === '') return this.#results(sorted.filter((result) => !isBesideCall(result)));
    if (textAfterResults) {
      const messages = this.#results(sorted.filter((result) => !isBesideCall(result)));
      return [...messages, { role: 'user', content: this.#text(text) }];
    }
    return this.#results(sorted, text);
  }

  /** @param after what the person said beside the results, where the template takes no turn after them */
  #results(results: Turn['results'], after?: string): TemplateMessage[] {
    return results.map((result, i) => {
      const text = resultText(result);
      const whole = after !== undefined && i === results.length - 1 ? `${text}\n\n${after}` : text;
      return {
        role: 'tool',
        content: this.#habits.resultsAsJson ? this.#jsonOf(whole) : this.#markers.text(whole),
        tool_call_id: shortId(result.toolUseId),
        name: this.#markers.text(result.name),
      };
    });
  }

  #call({ id, name, input }: ToolUseBlock): TemplateCall {
    const given = this.#habits.calls === 'string' ? this.#argumentsJson(input) : this.#markers.json(input ?? {});
    return { id: shortId(id), type: 'function', function: { name: this.#markers.text(name), arguments: given } };
  }

  /** Arguments that are a text are JSON that could not be read, of a call that was cut off: as it was written. */
  #argumentsJson(input: unknown): string {
    return typeof input === 'string' ? this.#markers.text(input) : jsonText(this.#markers.json(input ?? {}));
  }

  #jsonOf(text: string): string {
    try {
      JSON.parse(text);
      return this.#markers.text(text);
    } catch {
      return JSON.stringify(this.#markers.text(text));
    }
  }

  #text(text: string): string {
    return this.#markers.text(this.#habits.trims ? text.trim() : text);
  }
}
