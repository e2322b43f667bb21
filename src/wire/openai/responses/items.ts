// The items that requests and answers of the Responses API are made of: messages, calls of functions and their results,
// thoughts. What each may hold, and its place in the canonical conversation. Pure.
import { z } from 'zod';
import type { DocumentBlock, TextBlock } from '../../../lib/text-model.ts';
import type { RequestFile } from '../../completion.ts';
import { imagesRefused } from '../../images.ts';
import { fieldError, validate } from '../../validate.ts';
import type { Conversation } from '../conversation.ts';
import { documentOf } from '../files.ts';
import { argumentsOf } from '../tools.ts';

type Path = readonly (string | number)[];

const part = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('input_text'), text: z.string() }),
  z.looseObject({ type: z.literal('output_text'), text: z.string() }),
  z.looseObject({ type: z.literal('refusal'), refusal: z.string() }),
  z.looseObject({ type: z.literal('input_image') }),
  z.looseObject({ type: z.literal('input_audio') }),
  z.looseObject({
    type: z.literal('input_file'),
    file_id: z.string().nullish(),
    file_data: z.string().nullish(),
    file_url: z.string().nullish(),
    filename: z.string().max(500).nullish(),
  }),
]);
const content = z.union([z.string(), z.array(part)]);
const id = z.string().min(1).max(200);
const itemId = id.nullish();

const message = z.looseObject({
  type: z.literal('message').nullish(),
  id: itemId,
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content,
});
const functionCall = z.looseObject({
  type: z.literal('function_call'),
  id: itemId,
  call_id: id,
  name: z.string().min(1).max(200),
  arguments: z.string(),
});
const functionCallOutput = z.looseObject({
  type: z.literal('function_call_output'),
  id: itemId,
  call_id: id,
  output: content,
});
const thought = z.looseObject({ type: z.string(), text: z.string() });
const reasoning = z.looseObject({
  type: z.literal('reasoning'),
  id: itemId,
  summary: z.array(thought).nullish(),
  content: z.array(thought).nullish(),
});
/** An item of an earlier answer, by its id. */
const reference = z.looseObject({ type: z.literal('item_reference').nullish(), id });

const schemas = {
  message,
  function_call: functionCall,
  function_call_output: functionCallOutput,
  reasoning,
  item_reference: reference,
};

/** Any of them, for descriptions of the API. */
export const itemSchema = z.union(Object.values(schemas));

export type Item =
  | (z.output<typeof message> & { type: 'message' })
  | z.output<typeof functionCall>
  | z.output<typeof functionCallOutput>
  | z.output<typeof reasoning>;

export type Reference = z.output<typeof reference> & { type: 'item_reference' };

/**
 * Checks one item. One without a type is a message, or a reference where it has an id and no role.
 * @param path where it stands in the request
 * @throws FreeholdError invalid_request, or unsupported for kinds of items that nothing here makes or reads
 */
export function itemOf(value: unknown, path: Path): Item | Reference {
  const given = validate(z.looseObject({ type: z.string().nullish() }), value, 'brackets', path);
  const type = given.type ?? ('role' in given || !('id' in given) ? 'message' : 'item_reference');
  if (!Object.hasOwn(schemas, type)) {
    const message = `Items of type '${type.slice(0, 60)}' are not supported.`;
    const hint = `Send items of type ${Object.keys(schemas).join(', ')}.`;
    throw fieldError('unsupported', [...path, 'type'], message, 'brackets', hint);
  }
  const checked = validate(schemas[type as keyof typeof schemas], value, 'brackets', path);
  return { ...checked, type } as Item | Reference;
}

/**
 * Adds an item to the conversation: what the model thought, said and called is one turn.
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function addItem(
  conversation: Conversation,
  item: Item,
  path: Path,
  files: ReadonlyMap<string, RequestFile> | undefined,
): void {
  switch (item.type) {
    case 'message': {
      const blocks = blocksOf(item.content, [...path, 'content'], files);
      if (item.role === 'assistant') conversation.assistant(blocks, true);
      else if (item.role === 'user') conversation.user(blocks);
      else conversation.system(blocks.map(({ text }) => text).join('\n\n'));
      break;
    }
    case 'reasoning': {
      const parts = item.content?.length ? item.content : (item.summary ?? []);
      const text = parts.map((each) => each.text).join('\n\n');
      if (text !== '') conversation.assistant([{ type: 'thinking', text }], true);
      break;
    }
    case 'function_call':
      conversation.call({
        type: 'tool-use',
        id: item.call_id,
        name: item.name,
        input: argumentsOf(item.arguments),
      });
      break;
    case 'function_call_output': {
      const blocks = blocksOf(item.output, [...path, 'output'], files);
      const result = blocks.map(({ text }): TextBlock => ({ type: 'text', text }));
      conversation.result({ type: 'tool-result', toolUseId: item.call_id, content: result }, [...path, 'call_id']);
      break;
    }
    default:
      item satisfies never;
  }
}

function blocksOf(
  given: z.output<typeof content>,
  path: Path,
  files: ReadonlyMap<string, RequestFile> | undefined,
): (TextBlock | DocumentBlock)[] {
  if (typeof given === 'string') return given === '' ? [] : [{ type: 'text', text: given }];
  return given.flatMap((item, index): (TextBlock | DocumentBlock)[] => {
    switch (item.type) {
      case 'input_text':
      case 'output_text':
        return item.text === '' ? [] : [{ type: 'text', text: item.text }];
      case 'refusal':
        return [{ type: 'text', text: item.refusal }];
      case 'input_file':
        return [documentOf(item, [...path, index], files)];
      case 'input_image':
        throw imagesRefused([...path, index], 'brackets');
      case 'input_audio': {
        const message = 'Local models do not hear; audio is not supported.';
        throw fieldError('unsupported', [...path, index], message, 'brackets', 'Send text only.');
      }
      default:
        return item satisfies never;
    }
  });
}

/** An item as it is kept and listed: with an id, its text in parts. */
export type StoredItem = Record<string, unknown> & { id: string; type: string };

const idPrefixes = { message: 'msg', function_call: 'fc', function_call_output: 'fco', reasoning: 'rs' } as const;

/**
 * Items of a request as they are kept and listed.
 * @param responseId their ids are made from it, where they have none
 */
export function storedInput(items: readonly Item[], responseId: string): StoredItem[] {
  const suffix = responseId.replace(/^[^_]*_/, '');
  return items.map((item, index): StoredItem => {
    const given = { ...item, id: item.id ?? `${idPrefixes[item.type]}_${suffix}i${index}` };
    if (item.type === 'reasoning') return { summary: [], ...given };
    if (item.type !== 'message') return { status: 'completed', ...given };
    const type = item.role === 'assistant' ? 'output_text' : 'input_text';
    const annotations = item.role === 'assistant' ? { annotations: [] } : {};
    const content = typeof item.content === 'string' ? [{ type, text: item.content, ...annotations }] : item.content;
    return { status: 'completed', ...given, content };
  });
}
