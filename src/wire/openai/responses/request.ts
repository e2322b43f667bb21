// `POST /v1/responses`: what a request may hold, and how it becomes a canonical one once the items that it goes on from
// are known. Pure. Fields it does not know are accepted; what it knows and cannot do is refused by name, never dropped.
import { z } from 'zod';
import type { GenerateRequest } from '../../../lib/text-model.ts';
import type { ParsedRequest, RequestContext } from '../../completion.ts';
import { type GivenSchema, holdTo } from '../../response-schema.ts';
import { largestCount, samplingFields, samplingOf } from '../../sampling.ts';
import { fieldError, validate } from '../../validate.ts';
import { startConversation } from '../conversation.ts';
import { isSet, refuseByName } from '../limits.ts';
import { effort, thinkingOf } from '../reasoning.ts';
import { functionFields, type GivenChoice, type GivenFunction, mostTools, refuseTool, toolsOf } from '../tools.ts';
import { addItem, type Item, itemOf, itemSchema, type StoredItem } from './items.ts';

const schema = z.record(z.string(), z.unknown());

const tool = z.looseObject({ type: z.string() });
const functionTool = z.looseObject({ type: z.literal('function'), ...functionFields });

const toolChoice = z.union([
  z.enum(['none', 'auto', 'required']),
  z.looseObject({
    type: z.string(),
    name: z.string().nullish(),
    mode: z.enum(['auto', 'required']).nullish(),
    tools: z.array(z.looseObject({ type: z.string(), name: z.string().nullish() })).nullish(),
  }),
]);

const fields = {
  model: z.string().min(1).max(500),
  instructions: z.string().nullish(),
  previous_response_id: z.string().min(1).max(200).nullish(),
  store: z.boolean().nullish(),
  stream: z.boolean().nullish(),
  background: z.boolean().nullish(),
  tools: z.array(tool).max(mostTools).nullish(),
  tool_choice: toolChoice.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  text: z
    .looseObject({
      format: z
        .discriminatedUnion('type', [
          z.looseObject({ type: z.literal('text') }),
          z.looseObject({ type: z.literal('json_object') }),
          z.looseObject({ type: z.literal('json_schema'), name: z.string().nullish(), schema }),
        ])
        .nullish(),
      verbosity: z.enum(['low', 'medium', 'high']).nullish(),
    })
    .nullish(),
  reasoning: z
    .looseObject({ effort: effort.nullish(), summary: z.enum(['auto', 'concise', 'detailed', 'none']).nullish() })
    .nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  max_tool_calls: z.int().min(0).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, { message: 'At most 16 pairs are kept' })
    .nullish(),
  include: z.array(z.string()).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  ...samplingFields,
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  prompt_cache_key: z.string().nullish(),
};

const mostItems = 20_000;

/** For checking: each item is checked by its own kind, further down. */
const envelope = z.looseObject({
  ...fields,
  input: z.union([z.string(), z.array(z.unknown()).max(mostItems)]).nullish(),
});

/** For descriptions of the API. */
export const responsesSchema = z.looseObject({
  ...fields,
  tools: z.array(functionTool).max(mostTools).nullish(),
  input: z.union([z.string(), z.array(itemSchema).max(mostItems)]).nullish(),
});

export type Given = z.output<typeof envelope>;

/** A request that is well formed; what it refers to is yet to be found. */
export interface ReadResponses {
  given: Given;
  /** Its own items; a reference stands for the item of that id. */
  items: ReturnType<typeof itemOf>[];
  previousId: string | undefined;
  /** Ids of items of earlier answers. */
  references: string[];
}

/** What a request refers to, as it was found. */
export interface Referred {
  /** Items of the answers it goes on from, the oldest first. */
  history: readonly StoredItem[];
  /** Items by id, those of nobody and of others left out. */
  items: ReadonlyMap<string, StoredItem>;
}

export interface ParsedResponses extends ParsedRequest {
  given: Given;
  /** Its own items, references replaced. */
  input: Item[];
  store: boolean;
  background: boolean;
  /** Whether what is too long for the model loses its oldest turns. */
  truncate: boolean;
}

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function readResponses(body: unknown): ReadResponses {
  const given = validate(envelope, body, 'brackets');
  refuseByName(given, [
    ['conversation', isSet(given.conversation), 'Conversations are not kept; answers are: send previous_response_id'],
    ['prompt', isSet(given.prompt), 'Prompt templates are not kept here'],
    ['context_management', isSet(given.context_management), 'Contexts are not compacted'],
    ['moderation', isSet(given.moderation), 'Nothing is moderated here'],
  ]);
  if (given.background && given.store === false) {
    const message = 'What is answered in the background is read later, and so it is stored.';
    throw fieldError('invalid_request', ['store'], message, 'brackets', 'Leave out store or background.');
  }
  const input = given.input ?? [];
  const items: ReadResponses['items'] =
    typeof input === 'string'
      ? [{ type: 'message', role: 'user', content: input }]
      : input.map((item, index) => itemOf(item, ['input', index]));
  return {
    given,
    items,
    previousId: given.previous_response_id ?? undefined,
    references: items.flatMap((item) => (item.type === 'item_reference' ? [item.id] : [])),
  };
}

/** @throws FreeholdError invalid_request or unsupported, naming the field */
export function parseResponses(
  { given, items }: ReadResponses,
  { tenant, traceId, files }: RequestContext,
  referred: Referred,
): ParsedResponses {
  const conversation = startConversation();
  if (given.instructions) conversation.system(given.instructions);
  for (const item of referred.history) {
    const known = itemOf(item, ['previous_response_id']);
    if (known.type !== 'item_reference') addItem(conversation, known, ['previous_response_id'], files);
  }
  const input = items.map((item, index): Item => {
    const path = ['input', index];
    const own = item.type === 'item_reference' ? dereferenced(item.id, path, referred) : item;
    addItem(conversation, own, path, files);
    return own;
  });
  const { toolFields, ...tools } = toolsOf(functionsOf(given), choiceOf(given.tool_choice), given.parallel_tool_calls);
  const request: GenerateRequest = {
    ...conversation.end('input'),
    ...tools,
    sampling: samplingOf(given, 'brackets'),
    tenant,
    traceId,
  };
  // the vendor tells them only where they are included
  if (given.include?.includes('message.output_text.logprobs')) {
    request.sampling = { ...request.sampling, logprobs: given.top_logprobs ?? 0 };
  }
  const thinking = thinkingOf(given.reasoning?.effort);
  if (thinking) request.thinking = thinking;
  if (typeof given.max_output_tokens === 'number') {
    request.maxTokens = Math.min(given.max_output_tokens, largestCount);
  }
  if (given.ignore_eos) request.ignoreEnd = true;
  const format = schemaOf(given);
  return {
    model: given.model,
    stream: given.stream ?? false,
    request,
    promptField: 'input',
    ...(toolFields && { toolFields }),
    ...(format && { schemaField: holdTo(request, format, 'text.format', 'brackets') }),
    given,
    input,
    store: given.store ?? true,
    background: given.background ?? false,
    truncate: given.truncation === 'auto',
  };
}

function dereferenced(id: string, path: (string | number)[], { items }: Referred): Item {
  const found = items.get(id);
  const item = found && itemOf(found, path);
  if (item && item.type !== 'item_reference') return item;
  const message = `There is no item "${id.slice(0, 100)}".`;
  const hint = 'Items of answers that were stored can be referred to; send the item itself.';
  throw fieldError('invalid_request', [...path, 'id'], message, 'brackets', hint);
}

function functionsOf({ tools }: Given): GivenFunction[] {
  return (tools ?? []).map((item, index): GivenFunction => {
    const path = ['tools', index];
    if (item.type !== 'function') refuseTool(item.type, path);
    return { ...validate(functionTool, item, 'brackets', path), path };
  });
}

function choiceOf(choice: Given['tool_choice']): GivenChoice | undefined {
  if (choice === null || choice === undefined) return undefined;
  if (typeof choice === 'string') return { type: choice };
  if (choice.type === 'function') return { type: 'function', name: choice.name ?? '', path: ['tool_choice', 'name'] };
  if (choice.type !== 'allowed_tools') return refuseTool(choice.type, ['tool_choice']);
  const path = ['tool_choice', 'tools'];
  const names = (choice.tools ?? []).map((item, index) => {
    if (item.type !== 'function') refuseTool(item.type, [...path, index]);
    return item.name ?? '';
  });
  if (names.length === 0) throw fieldError('invalid_request', path, 'At least 1 item is required', 'brackets');
  return { type: 'allowed', mode: choice.mode ?? 'auto', names, path };
}

/** Strict or not, the answer is held to the schema. */
function schemaOf({ text }: Given): GivenSchema | undefined {
  switch (text?.format?.type) {
    case 'json_schema':
      return { schema: text.format.schema, path: ['text', 'format', 'schema'] };
    case 'json_object':
      return { schema: { type: 'object' }, path: ['text', 'format'] };
    default:
      return undefined;
  }
}
