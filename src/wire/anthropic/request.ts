// `POST /v1/messages`: what a request may hold, and how it becomes a canonical one. Pure. Fields it does not know are
// accepted, as new SDK releases add some; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { Block, GenerateRequest, Message, TextBlock } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { type GivenSchema, holdTo } from '../response-schema.ts';
import { largestCount, samplingFields, samplingOf } from '../sampling.ts';
import { fieldError, validate } from '../validate.ts';

const textBlock = z.looseObject({ type: z.literal('text'), text: z.string() });
/** Blocks that are known, and refused or left out further down; the rest is an error that lists these names. */
const otherBlock = <Type extends string>(type: Type) => z.looseObject({ type: z.literal(type) });
const block = z.discriminatedUnion('type', [
  textBlock,
  otherBlock('image'),
  otherBlock('document'),
  otherBlock('search_result'),
  otherBlock('thinking'),
  otherBlock('redacted_thinking'),
  otherBlock('tool_use'),
  otherBlock('tool_result'),
  otherBlock('server_tool_use'),
  otherBlock('web_search_tool_result'),
]);
const message = z.looseObject({
  role: z.enum(['user', 'assistant']),
  content: z.union([z.string(), z.array(block)]),
});

const outputFormat = z.looseObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) });

const prompt = {
  model: z.string().min(1).max(500),
  messages: z.array(message).min(1),
  system: z.union([z.string(), z.array(textBlock)]).nullish(),
  tools: z.array(z.unknown()).nullish(),
  tool_choice: z.looseObject({ type: z.enum(['auto', 'any', 'tool', 'none']) }).nullish(),
  thinking: z.looseObject({ type: z.enum(['enabled', 'disabled', 'adaptive']) }).nullish(),
  output_config: z.looseObject({ format: outputFormat.nullish() }).nullish(),
  // where the beta had it
  output_format: outputFormat.nullish(),
  mcp_servers: z.array(z.unknown()).nullish(),
};

const countTokensSchema = z.looseObject(prompt);

type Prompt = z.output<typeof countTokensSchema>;

const messagesSchema = z.looseObject({
  ...prompt,
  max_tokens: z.int().min(1),
  stop_sequences: z.array(z.string().min(1).max(1000)).max(64).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  // beyond temperature, top_p and top_k they are ours
  ...samplingFields,
  metadata: z.looseObject({ user_id: z.string().nullish() }).nullish(),
});

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseMessages(body: unknown, context: RequestContext): ParsedRequest {
  const given = validate(messagesSchema, body, 'dots');
  const request: GenerateRequest = {
    ...parsePrompt(given, context),
    maxTokens: Math.min(given.max_tokens, largestCount),
    sampling: samplingOf(given, 'dots'),
  };
  if (given.stop_sequences && given.stop_sequences.length > 0) request.stop = given.stop_sequences;
  if (given.ignore_eos) request.ignoreEnd = true;
  const format = schemaOf(given);
  return {
    model: given.model,
    stream: given.stream ?? false,
    request,
    ...(format && { schemaField: holdTo(request, format, String(format.path[0]), 'dots') }),
  };
}

/** `POST /v1/messages/count_tokens`: the prompt's part of a request. */
export function parseCountTokens(body: unknown, context: RequestContext): { model: string; request: GenerateRequest } {
  const given = validate(countTokensSchema, body, 'dots');
  return { model: given.model, request: parsePrompt(given, context) };
}

function parsePrompt(given: Prompt, { tenant, traceId }: RequestContext): GenerateRequest {
  refuseUnsupported(given);
  const last = given.messages.length - 1;
  const messages = given.messages.map(({ role, content }, index): Message => {
    const path = ['messages', index, 'content'];
    const blocks =
      typeof content === 'string' ? textOf(content) : content.flatMap((item, at) => toBlock(item, [...path, at]));
    const empty = content.length === 0;
    if (empty && !(index === last && role === 'assistant')) {
      throw fieldError(
        'invalid_request',
        path,
        'Messages must not be empty, save for a final assistant message',
        'dots',
      );
    }
    return { role, content: blocks };
  });
  // what is left without content, such as a turn of thoughts only, is no turn; the engine joins neighbours of one role
  const turns = messages.filter((turn) => turn.content.length > 0);
  const request: GenerateRequest = { messages: turns, tenant, traceId };
  const system = systemText(given.system);
  if (system !== '') request.system = [{ type: 'text', text: system }];
  return request;
}

function textOf(text: string): TextBlock[] {
  return text === '' ? [] : [{ type: 'text', text }];
}

function systemText(system: Prompt['system']): string {
  if (typeof system === 'string') return system;
  return (system ?? []).map(({ text }) => text).join('\n\n');
}

function toBlock(item: z.output<typeof block>, path: (string | number)[]): Block[] {
  switch (item.type) {
    case 'text':
      if (item.text === '') throw fieldError('invalid_request', [...path, 'text'], 'Must not be empty', 'dots');
      return [{ type: 'text', text: item.text }];
    case 'thinking':
    case 'redacted_thinking':
      // thoughts of earlier turns are not part of the prompt, here as at the vendor
      return [];
    case 'image':
      throw unsupported(path, 'Local models cannot read images', 'Send text only.');
    case 'document':
    case 'search_result':
      throw unsupported(path, `Blocks of type '${item.type}' are not supported yet`, 'Send the text in a text block.');
    default:
      throw unsupported(path, `Tools are not supported yet, and so are no blocks of type '${item.type}'`);
  }
}

function refuseUnsupported(given: Prompt): void {
  if (given.tools && given.tools.length > 0)
    throw unsupported(['tools'], 'Tools are not supported yet', 'Leave them out.');
  if (given.tool_choice?.type === 'any' || given.tool_choice?.type === 'tool') {
    throw unsupported(['tool_choice'], 'Tools are not supported yet', 'Leave it out.');
  }
  if (given.mcp_servers && given.mcp_servers.length > 0)
    throw unsupported(['mcp_servers'], 'MCP servers are not supported');
  if (given.thinking?.type === 'enabled') {
    throw unsupported(['thinking', 'type'], 'Thinking is not supported yet', "Leave it out, or send 'disabled'.");
  }
}

function schemaOf({ output_config: config, output_format: older }: Prompt): GivenSchema | undefined {
  const newer = config?.format;
  if (newer && older) {
    const message = 'Contradicts output_config.format, which takes its place.';
    throw fieldError('invalid_request', ['output_format'], message, 'dots', 'Send one of the two.');
  }
  if (newer) return { schema: newer.schema, path: ['output_config', 'format', 'schema'] };
  return older ? { schema: older.schema, path: ['output_format', 'schema'] } : undefined;
}

function unsupported(path: (string | number)[], message: string, hint?: string): FreeholdError {
  return fieldError('unsupported', path, `${message}.`, 'dots', hint);
}
