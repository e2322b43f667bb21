// `POST /v1/messages`: how a request becomes a canonical one. What it may hold is `schema.ts`. Pure. Fields it does not
// know are accepted, as new SDK releases add some; what it knows and cannot do is refused by name, never dropped.
import type { Block, GenerateRequest, Message, TextBlock } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { type GivenSchema, holdTo } from '../response-schema.ts';
import { largestCount, samplingOf } from '../sampling.ts';
import { validate } from '../validate.ts';
import { blocksOf } from './blocks.ts';
import { invalid, unsupported } from './errors-at.ts';
import { countTokensSchema, type GivenMessage, type GivenPrompt, messagesSchema } from './schema.ts';
import { holdsResults, type Thoughts, thinkingOf } from './thinking.ts';
import { requirePairs } from './tool-turns.ts';
import { toolsOf } from './tools.ts';
import { fewestTokens } from './warming.ts';

export interface ParsedMessages extends ParsedRequest {
  /** What the answer shows of the model's thoughts. */
  thoughts: Thoughts;
  /** The prompt is computed for the cache, and nothing is answered. */
  warming: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseMessages(body: unknown, context: RequestContext): ParsedMessages {
  const given = validate(messagesSchema, body, 'dots');
  const { thinking, thoughts } = thinkingOf(given, given.max_tokens);
  const request: GenerateRequest = {
    ...parsePrompt(given, context),
    thinking,
    maxTokens: Math.min(Math.max(given.max_tokens, fewestTokens), largestCount),
    sampling: samplingOf(given, 'dots'),
  };
  if (given.stop_sequences && given.stop_sequences.length > 0) request.stop = given.stop_sequences;
  if (given.ignore_eos) request.ignoreEnd = true;
  const format = schemaOf(given);
  return {
    model: given.model,
    stream: given.stream ?? false,
    request,
    thoughts,
    warming: given.max_tokens === 0,
    ...(format && { schemaField: holdTo(request, format, String(format.path[0]), 'dots') }),
  };
}

/** `POST /v1/messages/count_tokens`: the prompt's part of a request. */
export function parseCountTokens(body: unknown, context: RequestContext): { model: string; request: GenerateRequest } {
  const given = validate(countTokensSchema, body, 'dots');
  const { thinking } = thinkingOf(given, undefined);
  return { model: given.model, request: { ...parsePrompt(given, context), thinking } };
}

function parsePrompt(given: GivenPrompt, context: RequestContext): GenerateRequest {
  refuseUnsupported(given);
  requirePairs(given.messages);
  const { tenant, traceId } = context;
  const request: GenerateRequest = { messages: turnsOf(given.messages, context), ...toolsOf(given), tenant, traceId };
  const system = [systemText(given.system), ...systemMessages(given.messages)].filter(Boolean).join('\n\n');
  if (system !== '') request.system = [{ type: 'text', text: system }];
  return request;
}

function turnsOf(given: readonly GivenMessage[], context: RequestContext): Message[] {
  const last = given.length - 1;
  // the turn being answered begins with the last thing a user said that is not a tool's result
  const asked = given.findLastIndex(({ role, content }) => role === 'user' && !holdsResults(content));
  const turns = given.map(({ role, content }, index): Message | undefined => {
    const path = ['messages', index, 'content'];
    if (content.length === 0 && !(index === last && role === 'assistant')) {
      throw invalid(path, 'Messages must not be empty, save for a final assistant message');
    }
    if (role === 'system') return undefined;
    if (typeof content === 'string') return { role, content: textOf(content) };
    const blockContext = { role, files: context.files, keepThoughts: index > asked };
    const blocks = content.flatMap((block, at) => blocksOf(block, [...path, at], blockContext));
    return { role, content: resultsFirst(blocks) };
  });
  // what is left without content, such as a turn of thoughts only, is no turn; the engine joins neighbours of one role
  const kept = turns.filter((turn): turn is Message => turn?.content.some(({ type }) => type !== 'thinking') ?? false);
  if (kept.length === 0) throw invalid(['messages'], 'There is nothing to answer: no message says anything.');
  return kept;
}

/** What a user says beside the results of tools comes after them, as templates have it. */
function resultsFirst(blocks: Block[]): Block[] {
  const results = blocks.filter(({ type }) => type === 'tool-result');
  return results.length === 0 ? blocks : [...results, ...blocks.filter(({ type }) => type !== 'tool-result')];
}

const textOf = (text: string): TextBlock[] => (text === '' ? [] : [{ type: 'text', text }]);

function systemText(system: GivenPrompt['system']): string {
  if (typeof system === 'string') return system;
  return (system ?? [])
    .map(({ text }) => text)
    .filter((text) => !accounting.test(text))
    .join('\n\n');
}

/**
 * A line for the vendor's own accounting that Claude Code puts before the system text. It is no instruction, and differs
 * from request to request: as part of the prompt it would keep the prefix cache from ever being of use.
 */
const accounting = /^x-anthropic-billing-header:[^\n]*$/;

/** System text amid the conversation: templates know one place for it, before all messages. */
function systemMessages(messages: readonly GivenMessage[]): string[] {
  const lastUser = messages.findLastIndex(({ role }) => role === 'user');
  return messages.flatMap(({ role, content, clear_at: until }, index) => {
    if (role !== 'system' || (until === 'next_user_message' && index < lastUser)) return [];
    if (typeof content === 'string') return [content];
    return content.map((block, at) => {
      if (block.type === 'text') return block.text;
      throw invalid(['messages', index, 'content', at], 'System messages hold text only.');
    });
  });
}

function refuseUnsupported(given: GivenPrompt): void {
  const refused = (field: string, message: string) => unsupported([field], message, 'Leave it out.');
  if (given.mcp_servers && given.mcp_servers.length > 0) throw refused('mcp_servers', 'MCP servers are not called.');
  if (isSet(given.thread)) throw refused('thread', 'Conversations are not held between requests: send all messages.');
  if (isSet(given.container)) throw refused('container', 'There are no containers and no skills here.');
}

const isSet = (value: unknown) => value !== undefined && value !== null;

function schemaOf({ output_config: config, output_format: older }: GivenPrompt): GivenSchema | undefined {
  const newer = config?.format;
  if (newer && older) {
    const message = 'Contradicts output_config.format, which takes its place.';
    throw invalid(['output_format'], message, 'Send one of the two.');
  }
  if (newer) return { schema: newer.schema, path: ['output_config', 'format', 'schema'] };
  return older ? { schema: older.schema, path: ['output_format', 'schema'] } : undefined;
}
