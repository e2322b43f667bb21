// `POST /api/chat`: what a request may hold, and how it becomes a canonical one. Pure. Fields it does not know are
// accepted; what it knows and cannot do is refused by name. Ollama's calls have no ids of their own in older clients, and
// results name the tool or nothing at all: they are matched here.
import { z } from 'zod';
import type { Block, GenerateRequest, Message, Tool, ToolUseBlock } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { imagesRefused } from '../images.ts';
import { holdTo } from '../response-schema.ts';
import { fieldError, validate } from '../validate.ts';
import {
  applyOptions,
  formatOf,
  formatSchema,
  logprobFields,
  logprobsOf,
  modelField,
  optionsSchema,
  style,
  thinkingOf,
  thinkSchema,
  unsupported,
  wantedModel,
} from './options.ts';

const roles = ['system', 'user', 'assistant', 'tool'] as const;

const callSchema = z.looseObject({
  id: z.string().max(200).nullish(),
  function: z.looseObject({
    name: z.string().min(1).max(200),
    arguments: z.record(z.string(), z.unknown()).nullish(),
  }),
});

const messageSchema = z.looseObject({
  role: z.enum(roles),
  content: z.string().nullish(),
  thinking: z.string().nullish(),
  images: z.array(z.string()).nullish(),
  tool_calls: z.array(callSchema).max(1000).nullish(),
  tool_name: z.string().nullish(),
  tool_call_id: z.string().nullish(),
});

const toolSchema = z.looseObject({
  type: z.literal('function').nullish(),
  function: z.looseObject({
    name: z.string().min(1).max(200),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
  }),
});

export const keepAliveSchema = z.union([z.string(), z.number()]).nullish();

export const ollamaChatSchema = z.looseObject({
  model: modelField,
  messages: z.array(messageSchema).max(100_000).nullish(),
  tools: z.array(toolSchema).max(1000).nullish(),
  stream: z.boolean().nullish(),
  format: formatSchema,
  think: thinkSchema,
  options: optionsSchema,
  keep_alive: keepAliveSchema,
  truncate: z.boolean().nullish(),
  shift: z.boolean().nullish(),
  ...logprobFields,
  _debug_render_only: z.boolean().nullish(),
});

type GivenChat = z.output<typeof ollamaChatSchema>;
type GivenMessage = z.output<typeof messageSchema>;

/** A parsed request of /api/chat or /api/generate. */
export interface ParsedOllama extends ParsedRequest {
  /** The request holds nothing to answer: its model is to be loaded, and that is all. */
  loadOnly: boolean;
  /** Whether thoughts belong into the answer. */
  showThinking: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseOllamaChat(body: unknown, { tenant, traceId }: RequestContext): ParsedOllama {
  const given = validate(ollamaChatSchema, body, style);
  const loadOnly = (given.messages ?? []).length === 0;
  const { system, messages } = conversationOf(given.messages ?? []);
  if (!loadOnly && messages.length === 0 && system.length === 0) {
    throw fieldError('invalid_request', ['messages'], 'There is nothing to answer: every message is empty.', style);
  }
  const request: GenerateRequest = { messages, tenant, traceId };
  if (system.length > 0) request.system = [{ type: 'text', text: system.join('\n\n') }];
  const tools = toolsOf(given);
  if (tools.length > 0) request.tools = tools;
  return finish(given, request, loadOnly);
}

/** What both requests share: options, format, thinking, and whether the answer is a stream, which it is by default. */
export function finish(
  given: Pick<
    GivenChat,
    'model' | 'stream' | 'format' | 'think' | 'options' | 'keep_alive' | 'logprobs' | 'top_logprobs'
  > & { _debug_render_only?: boolean | null | undefined },
  request: GenerateRequest,
  loadOnly: boolean,
): ParsedOllama {
  if (given._debug_render_only) throw unsupported(['_debug_render_only'], 'Not supported', 'Leave it out.');
  if (loadOnly && isZero(given.keep_alive)) {
    const hint = 'Models make room for each other by themselves.';
    throw unsupported(['keep_alive'], 'Models are not unloaded on request', hint);
  }
  applyOptions(request, given.options);
  const logprobs = logprobsOf({ logprobs: given.logprobs ?? null, top_logprobs: given.top_logprobs ?? null });
  if (logprobs !== undefined) request.sampling = { ...request.sampling, logprobs };
  const thinking = thinkingOf(given.think);
  if (thinking) request.thinking = thinking;
  const format = loadOnly ? undefined : formatOf(given.format);
  return {
    model: wantedModel(given.model),
    stream: given.stream ?? true,
    loadOnly,
    showThinking: given.think !== false,
    request,
    ...(format && { schemaField: holdTo(request, format, 'format', style) }),
  };
}

/** `0`, `"0"`, `"0s"` … */
const isZero = (keepAlive: string | number | null | undefined) =>
  keepAlive === 0 || (typeof keepAlive === 'string' && /^0+(?:ns|us|ms|s|m|h)?$/.test(keepAlive));

function toolsOf({ tools }: GivenChat): Tool[] {
  return (tools ?? []).map(({ function: { name, description, parameters } }) => ({
    name,
    ...(description ? { description } : {}),
    inputSchema: parameters ?? { type: 'object', properties: {} },
  }));
}

function conversationOf(given: readonly GivenMessage[]): { system: string[]; messages: Message[] } {
  const system: string[] = [];
  const messages: Message[] = [];
  /** Calls that have no result yet, in order. */
  let waiting: ToolUseBlock[] = [];
  given.forEach((message, index) => {
    const path = ['messages', index];
    const text = message.content ?? '';
    const calls = message.tool_calls ?? [];
    if (calls.length > 0 && message.role !== 'assistant') {
      throw fieldError('invalid_request', [...path, 'tool_calls'], 'Only the assistant calls tools.', style);
    }
    if (message.role === 'system') {
      if (text !== '') system.push(text);
      return;
    }
    if (message.role === 'tool') {
      const call = answered(waiting, message, path);
      waiting = waiting.filter((each) => each !== call);
      const content = text === '' ? [] : [{ type: 'text' as const, text }];
      messages.push({ role: 'user', content: [{ type: 'tool-result', toolUseId: call.id, content }] });
      return;
    }
    if ((message.images?.length ?? 0) > 0) throw imagesRefused([...path, 'images'], style);
    const content: Block[] = [];
    if (message.role === 'assistant' && message.thinking) content.push({ type: 'thinking', text: message.thinking });
    if (text !== '') content.push({ type: 'text', text });
    if (message.role === 'assistant') {
      waiting = calls.map(({ id, function: { name, arguments: input } }, at) => ({
        type: 'tool-use',
        id: id || `call_${index}_${at}`,
        name,
        input: input ?? {},
      }));
      content.push(...waiting);
    }
    if (content.length > 0) messages.push({ role: message.role, content });
  });
  return { system, messages };
}

/** The call that a result belongs to: by its id, by the tool's name, or else the first that has none yet. */
function answered(waiting: readonly ToolUseBlock[], message: GivenMessage, path: (string | number)[]): ToolUseBlock {
  const { tool_call_id: id, tool_name: name } = message;
  const call = id
    ? waiting.find((each) => each.id === id)
    : name
      ? waiting.find((each) => each.name === name)
      : waiting[0];
  if (call) return call;
  const what = id ? ` with the id ${show(id)}` : name ? ` of ${show(name)}` : '';
  throw fieldError(
    'invalid_request',
    [...path, ...(id ? ['tool_call_id'] : name ? ['tool_name'] : ['role'])],
    `There is no call${what} before it that has no result yet.`,
    style,
    "A tool's result follows the assistant's message with the call.",
  );
}

const show = (text: string) => JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
