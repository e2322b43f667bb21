// `POST /v1/chat/completions`: what a request may hold, and how it becomes a canonical one. Pure. Fields it does not
// know are accepted; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { GenerateRequest } from '../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../completion.ts';
import { type GivenSchema, holdTo } from '../response-schema.ts';
import { largestCount, samplingFields, samplingOf } from '../sampling.ts';
import { fieldError, validate } from '../validate.ts';
import { isSet, mostAnswers, parseStop, refuseByName, stopStrings } from './limits.ts';
import { conversationOf, messageSchema } from './messages.ts';
import { effort, thinkingOf } from './reasoning.ts';
import { functionFields, type GivenChoice, type GivenFunction, mostTools, refuseTool, toolsOf } from './tools.ts';

const schema = z.record(z.string(), z.unknown());

const tool = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('function'), function: z.looseObject(functionFields) }),
  z.looseObject({ type: z.literal('custom') }),
]);
const chosen = z.looseObject({ name: z.string() });
const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.discriminatedUnion('type', [
    z.looseObject({ type: z.literal('function'), function: chosen }),
    z.looseObject({
      type: z.literal('allowed_tools'),
      allowed_tools: z.looseObject({
        mode: z.enum(['auto', 'required']),
        tools: z.array(z.looseObject({ type: z.string(), function: chosen.nullish() })).min(1),
      }),
    }),
    z.looseObject({ type: z.literal('custom') }),
  ]),
]);

export const chatSchema = z.looseObject({
  model: z.string().min(1).max(500),
  messages: z.array(messageSchema).min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  stop: stopStrings,
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
  reasoning_effort: effort.nullish(),
  // whether to think, as the clients of other local servers say it
  chat_template_kwargs: z.looseObject({ enable_thinking: z.boolean().nullish() }).nullish(),
  tools: z.array(tool).max(mostTools).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  // the older way to say the same
  functions: z.array(z.looseObject(functionFields)).max(mostTools).nullish(),
  function_call: z.union([z.enum(['none', 'auto']), chosen]).nullish(),
  // known, and refused unless they ask for nothing
  modalities: z.array(z.string()).nullish(),
  audio: z.unknown().optional(),
  web_search_options: z.unknown().optional(),
});

type Chat = z.output<typeof chatSchema>;

/** A chat request, and how its answer is told. */
export interface ParsedChat extends ParsedRequest {
  /** Whether its stream ends with a chunk about usage. */
  includeUsage: boolean;
  /** Whether calls are told in the older way, as `function_call`. Default false. */
  functionCall?: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseChat(body: unknown, { tenant, traceId, files }: RequestContext): ParsedChat {
  const given = validate(chatSchema, body, 'brackets');
  refuseUnsupported(given);
  const older = (given.functions?.length ?? 0) > 0;
  const { toolFields, ...tools } = older ? functionsOf(given) : givenTools(given);
  const request: GenerateRequest = {
    ...conversationOf(given.messages, files),
    ...tools,
    sampling: samplingOf(given, 'brackets'),
    tenant,
    traceId,
  };
  const logprobs = logprobsOf(given);
  if (logprobs !== undefined) request.sampling = { ...request.sampling, logprobs };
  const thinking = thinkingOf(given.reasoning_effort ?? switchOf(given.chat_template_kwargs?.enable_thinking));
  if (thinking) request.thinking = thinking;
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
    ...(older && { functionCall: true }),
    ...(toolFields && { toolFields }),
    ...(format && { schemaField: holdTo(request, format, 'response_format', 'brackets') }),
  };
}

/** Thinking on is as long as it takes. */
const switchOf = (on: boolean | null | undefined) => (typeof on === 'boolean' ? (on ? 'max' : 'none') : undefined);

function givenTools(given: Chat): ReturnType<typeof toolsOf> {
  const functions = (given.tools ?? []).map((item, index): GivenFunction => {
    if (item.type === 'custom') refuseTool('custom', ['tools', index]);
    return { ...item.function, path: ['tools', index, 'function'] };
  });
  return toolsOf(functions, choiceOf(given.tool_choice), given.parallel_tool_calls);
}

function choiceOf(choice: Chat['tool_choice']): GivenChoice | undefined {
  if (choice === null || choice === undefined) return undefined;
  if (typeof choice === 'string') return { type: choice };
  switch (choice.type) {
    case 'function':
      return { type: 'function', name: choice.function.name, path: ['tool_choice', 'function', 'name'] };
    case 'allowed_tools': {
      const path = ['tool_choice', 'allowed_tools', 'tools'];
      const names = choice.allowed_tools.tools.map((item, index) => {
        if (item.type !== 'function') refuseTool(item.type, [...path, index]);
        if (item.function) return item.function.name;
        throw fieldError('invalid_request', [...path, index, 'function'], 'Field required', 'brackets');
      });
      return { type: 'allowed', mode: choice.allowed_tools.mode, names, path };
    }
    case 'custom':
      return refuseTool('custom', ['tool_choice']);
    default:
      return choice satisfies never;
  }
}

/** The older way: at most one call an answer. */
function functionsOf(given: Chat): ReturnType<typeof toolsOf> {
  if ((given.tools?.length ?? 0) > 0) {
    const message = 'Contradicts tools, which say the same.';
    throw fieldError('invalid_request', ['functions'], message, 'brackets', 'Send one of the two.');
  }
  const functions = (given.functions ?? []).map((item, index) => ({ ...item, path: ['functions', index] }));
  const choice = given.function_call;
  const path = ['function_call', 'name'];
  const wanted: GivenChoice | undefined =
    typeof choice === 'string' ? { type: choice } : choice ? { type: 'function', name: choice.name, path } : undefined;
  return toolsOf(functions, wanted, false);
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

function refuseUnsupported(given: Chat): void {
  refuseByName(given, [
    ['modalities', (given.modalities ?? []).some((name) => name !== 'text'), 'Answers are text only'],
    ['audio', isSet(given.audio), 'Answers are text only'],
    ['web_search_options', isSet(given.web_search_options), 'Web search is not supported'],
  ]);
}
