// `POST /v1/chat/completions`: what a request may hold, and how it becomes a canonical one. Pure. Fields it does not
// know are accepted; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest, Message, TextBlock } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { largestCount, samplingOf } from '../sampling.ts';
import { fieldError, validate } from '../validate.ts';

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const otherPart = <Type extends string>(type: Type) => z.looseObject({ type: z.literal(type) });
const part = z.discriminatedUnion('type', [
  textPart,
  z.looseObject({ type: z.literal('refusal'), refusal: z.string() }),
  otherPart('image_url'),
  otherPart('input_audio'),
  otherPart('file'),
]);
const content = z.union([z.string(), z.array(part)]);
const message = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content }),
  z.looseObject({ role: z.literal('developer'), content }),
  z.looseObject({ role: z.literal('user'), content }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    tool_calls: z.array(z.unknown()).nullish(),
    function_call: z.unknown().optional(),
  }),
  z.looseObject({ role: z.literal('tool'), content: z.unknown() }),
  z.looseObject({ role: z.literal('function'), content: z.unknown() }),
]);

const chatSchema = z.looseObject({
  model: z.string().min(1).max(500),
  messages: z.array(message).min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string().max(1000), z.array(z.string().min(1).max(1000)).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  // ours, and other local servers': the vendor has neither
  top_k: z.int().min(0).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  // known, and refused unless they ask for nothing
  n: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  tools: z.array(z.unknown()).nullish(),
  tool_choice: z.unknown().optional(),
  functions: z.array(z.unknown()).nullish(),
  function_call: z.unknown().optional(),
  response_format: z.looseObject({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
  modalities: z.array(z.string()).nullish(),
  audio: z.unknown().optional(),
  web_search_options: z.unknown().optional(),
});

type Chat = z.output<typeof chatSchema>;

/** A chat request, and whether its stream ends with a chunk about usage. */
export interface ParsedChat extends ParsedRequest {
  includeUsage: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseChat(body: unknown, { tenant, traceId }: RequestContext): ParsedChat {
  const given = validate(chatSchema, body, 'brackets');
  refuseUnsupported(given);
  const system: string[] = [];
  const messages: Message[] = [];
  given.messages.forEach((item, index) => {
    const path = ['messages', index];
    if (item.role === 'tool' || item.role === 'function') {
      throw unsupported([...path, 'role'], 'Tools are not supported yet');
    }
    if (item.role === 'assistant' && ((item.tool_calls?.length ?? 0) > 0 || isSet(item.function_call))) {
      throw unsupported([...path, 'tool_calls'], 'Tools are not supported yet');
    }
    const blocks = toBlocks(item.content, [...path, 'content']);
    if (item.role === 'system' || item.role === 'developer') system.push(...blocks.map(({ text }) => text));
    else if (blocks.length > 0) messages.push({ role: item.role, content: blocks });
  });
  if (messages.length === 0 && system.length === 0) {
    throw fieldError('invalid_request', ['messages'], 'There is nothing to answer: every message is empty', 'brackets');
  }
  const request: GenerateRequest = { messages, sampling: samplingOf(given), tenant, traceId };
  if (system.length > 0) request.system = [{ type: 'text', text: system.join('\n\n') }];
  const maxTokens = given.max_completion_tokens ?? given.max_tokens;
  if (typeof maxTokens === 'number') request.maxTokens = Math.min(maxTokens, largestCount);
  const stop = parseStop(given.stop);
  if (stop.length > 0) request.stop = stop;
  return {
    model: given.model,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    request,
  };
}

function toBlocks(given: z.output<typeof content> | null | undefined, path: (string | number)[]): TextBlock[] {
  if (given === null || given === undefined || given === '') return [];
  if (typeof given === 'string') return [{ type: 'text', text: given }];
  return given.flatMap((item, index): TextBlock[] => {
    switch (item.type) {
      case 'text':
        return item.text === '' ? [] : [{ type: 'text', text: item.text }];
      case 'refusal':
        return [{ type: 'text', text: item.refusal }];
      case 'image_url':
        throw unsupported([...path, index], 'Local models cannot read images', 'Send text only.');
      default:
        throw unsupported([...path, index], `Parts of type '${item.type}' are not supported`, 'Send text only.');
    }
  });
}

function refuseUnsupported(given: Chat): void {
  const refusals: [keyof Chat & string, boolean, string][] = [
    ['n', (given.n ?? 1) > 1, 'One answer for each request'],
    ['logprobs', given.logprobs === true || (given.top_logprobs ?? 0) > 0, 'No log probabilities are given yet'],
    ['frequency_penalty', (given.frequency_penalty ?? 0) !== 0, 'Penalties are not supported yet'],
    ['presence_penalty', (given.presence_penalty ?? 0) !== 0, 'Penalties are not supported yet'],
    ['logit_bias', Object.keys(given.logit_bias ?? {}).length > 0, 'Logit biases are not supported yet'],
    ['tools', (given.tools?.length ?? 0) > 0, 'Tools are not supported yet'],
    [
      'tool_choice',
      isSet(given.tool_choice) && given.tool_choice !== 'none' && given.tool_choice !== 'auto',
      'Tools are not supported yet',
    ],
    ['functions', (given.functions?.length ?? 0) > 0, 'Functions are not supported'],
    ['response_format', (given.response_format?.type ?? 'text') !== 'text', 'Structured output is not supported yet'],
    ['modalities', (given.modalities ?? []).some((name) => name !== 'text'), 'Answers are text only'],
    ['audio', isSet(given.audio), 'Answers are text only'],
    ['web_search_options', isSet(given.web_search_options), 'Web search is not supported'],
  ];
  for (const [field, refused, message] of refusals) {
    if (refused) throw unsupported([field], message, 'Leave it out.');
  }
}

const isSet = (value: unknown) => value !== undefined && value !== null;

function unsupported(path: (string | number)[], message: string, hint?: string): FreeholdError {
  return fieldError('unsupported', path, `${message}.`, 'brackets', hint);
}

function parseStop(stop: Chat['stop']): string[] {
  if (typeof stop === 'string') return stop === '' ? [] : [stop];
  return stop ?? [];
}
