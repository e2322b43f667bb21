// `POST /v1/chat/completions`: what a request may hold, and how it becomes a canonical one. Pure. Fields it does not
// know are accepted; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest, Message, TextBlock } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { type GivenSchema, holdTo } from '../response-schema.ts';
import { largestCount, samplingFields, samplingOf } from '../sampling.ts';
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

const schema = z.record(z.string(), z.unknown());

/** Most answers to one request. */
const mostAnswers = 32;

/** Settings of other local servers that change the answer, and are not done here. */
const othersSettings = [
  'min_tokens',
  'best_of',
  'use_beam_search',
  'stop_token_ids',
  'bad_words',
  'allowed_token_ids',
  'prompt_logprobs',
  'mirostat',
  'dynatemp_range',
  'xtc_probability',
  'grammar',
  'json_schema',
  'guided_json',
  'guided_regex',
  'guided_choice',
  'guided_grammar',
  'structured_outputs',
];

const chatSchema = z.looseObject({
  model: z.string().min(1).max(500),
  messages: z.array(message).min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string().max(1000), z.array(z.string().min(1).max(1000)).max(4)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  ...samplingFields,
  n: z.int().min(1).max(mostAnswers).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.looseObject({ type: z.literal('text') }),
      // with a schema of its own it is llama-server's
      z.looseObject({ type: z.literal('json_object'), schema: schema.nullish() }),
      z.looseObject({ type: z.literal('json_schema'), json_schema: z.looseObject({ schema }) }),
    ])
    .nullish(),
  // known, and refused unless they ask for nothing
  tools: z.array(z.unknown()).nullish(),
  tool_choice: z.unknown().optional(),
  functions: z.array(z.unknown()).nullish(),
  function_call: z.unknown().optional(),
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
  const request: GenerateRequest = { messages, sampling: samplingOf(given, 'brackets'), tenant, traceId };
  const logprobs = logprobsOf(given);
  if (logprobs !== undefined) request.sampling = { ...request.sampling, logprobs };
  if (system.length > 0) request.system = [{ type: 'text', text: system.join('\n\n') }];
  const maxTokens = given.max_completion_tokens ?? given.max_tokens;
  if (typeof maxTokens === 'number') request.maxTokens = Math.min(maxTokens, largestCount);
  const stop = parseStop(given.stop);
  if (stop.length > 0) request.stop = stop;
  if (given.ignore_eos) request.ignoreEnd = true;
  const format = schemaOf(given.response_format);
  return {
    model: given.model,
    stream: given.stream ?? false,
    includeUsage: given.stream_options?.include_usage ?? false,
    answers: given.n ?? 1,
    request,
    ...(format && { schemaField: holdTo(request, format, 'response_format', 'brackets') }),
  };
}

/** Strict or not, the answer is held to the schema. */
function schemaOf(format: Chat['response_format']): GivenSchema | undefined {
  switch (format?.type) {
    case 'json_schema':
      return { schema: format.json_schema.schema, path: ['response_format', 'json_schema', 'schema'] };
    case 'json_object':
      return { schema: format.schema ?? { type: 'object' }, path: ['response_format', 'schema'] };
    default:
      return undefined;
  }
}

function logprobsOf({ logprobs, top_logprobs: top }: Chat): number | undefined {
  if (logprobs) return top ?? 0;
  if (!top) return undefined;
  throw fieldError('invalid_request', ['top_logprobs'], 'Needs logprobs to be true.', 'brackets');
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
  const refusals: [string, boolean, string][] = [
    ['tools', (given.tools?.length ?? 0) > 0, 'Tools are not supported yet'],
    [
      'tool_choice',
      isSet(given.tool_choice) && given.tool_choice !== 'none' && given.tool_choice !== 'auto',
      'Tools are not supported yet',
    ],
    ['functions', (given.functions?.length ?? 0) > 0, 'Functions are not supported'],
    ['modalities', (given.modalities ?? []).some((name) => name !== 'text'), 'Answers are text only'],
    ['audio', isSet(given.audio), 'Answers are text only'],
    ['web_search_options', isSet(given.web_search_options), 'Web search is not supported'],
    ...othersSettings.map((field): [string, boolean, string] => [
      field,
      asksForSomething(field, given[field]),
      structured.test(field) ? 'Structured output is asked for with response_format' : 'Not supported',
    ]),
  ];
  for (const [field, refused, message] of refusals) {
    if (refused) throw unsupported([field], message, 'Leave it out.');
  }
}

const structured = /^guided_|^grammar$|^json_schema$|^structured_outputs$/;

/** Clients send what they know, turned off, too. */
function asksForSomething(field: string, value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  const nothing = field === 'best_of' ? 1 : 0;
  return isSet(value) && value !== nothing && value !== false && value !== '';
}

const isSet = (value: unknown) => value !== undefined && value !== null;

function unsupported(path: (string | number)[], message: string, hint?: string): FreeholdError {
  return fieldError('unsupported', path, `${message}.`, 'brackets', hint);
}

function parseStop(stop: Chat['stop']): string[] {
  if (typeof stop === 'string') return stop === '' ? [] : [stop];
  return stop ?? [];
}
