// The messages of a chat request: what they may hold, and the canonical conversation they become. Calls and results of
// tools, the older `function_call` and role `function` too. Pure.
import { z } from 'zod';
import type { Block, DocumentBlock, GenerateRequest, TextBlock, ToolUseBlock } from '../../lib/text-model.ts';
import type { RequestFile } from '../completion.ts';
import { imagesRefused } from '../images.ts';
import { fieldError } from '../validate.ts';
import { type Conversation, startConversation } from './conversation.ts';
import { documentOf } from './files.ts';
import { argumentsOf, refuseTool } from './tools.ts';

type Path = (string | number)[];

const textPart = z.looseObject({ type: z.literal('text'), text: z.string() });
const part = z.discriminatedUnion('type', [
  textPart,
  z.looseObject({ type: z.literal('refusal'), refusal: z.string() }),
  z.looseObject({ type: z.literal('image_url') }),
  z.looseObject({ type: z.literal('input_audio') }),
  z.looseObject({
    type: z.literal('file'),
    file: z.looseObject({
      file_id: z.string().nullish(),
      file_data: z.string().nullish(),
      filename: z.string().max(500).nullish(),
    }),
  }),
]);
const content = z.union([z.string(), z.array(part)]);

const id = z.string().min(1).max(200);
const call = z.looseObject({ name: z.string().min(1).max(200), arguments: z.string() });
const toolCall = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('function'), id, function: call }),
  z.looseObject({ type: z.literal('custom'), id }),
]);

export const messageSchema = z.discriminatedUnion('role', [
  z.looseObject({ role: z.literal('system'), content }),
  z.looseObject({ role: z.literal('developer'), content }),
  z.looseObject({ role: z.literal('user'), content }),
  z.looseObject({
    role: z.literal('assistant'),
    content: content.nullish(),
    refusal: z.string().nullish(),
    // what the model thought, as other local servers have it
    reasoning_content: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    function_call: call.nullish(),
  }),
  z.looseObject({ role: z.literal('tool'), content: content.nullish(), tool_call_id: id }),
  z.looseObject({ role: z.literal('function'), content: z.string().nullish(), name: id }),
]);

type GivenMessage = z.output<typeof messageSchema>;

/**
 * @param files the caller's files that the messages name
 * @throws FreeholdError invalid_request or unsupported, naming the message's field
 */
export function conversationOf(
  messages: readonly GivenMessage[],
  files: ReadonlyMap<string, RequestFile> | undefined,
): Pick<GenerateRequest, 'system' | 'messages'> {
  const conversation = startConversation();
  /** Calls in the older way have no id: the latest of each name. */
  const functionCalls = new Map<string, string>();
  messages.forEach((item, index) => {
    const path = ['messages', index];
    const blocks = blocksOf(item.content, [...path, 'content'], files);
    switch (item.role) {
      case 'system':
      case 'developer':
        conversation.system(blocks.map(({ text }) => text).join('\n\n'));
        break;
      case 'user':
        conversation.user(blocks);
        break;
      case 'assistant':
        addAnswer(conversation, item, blocks, path);
        if (item.function_call) {
          const { name } = item.function_call;
          functionCalls.set(name, `call_${index}`);
          conversation.call({
            type: 'tool-use',
            id: `call_${index}`,
            name,
            input: argumentsOf(item.function_call.arguments),
          });
        }
        break;
      case 'tool':
        conversation.result(resultOf(item.tool_call_id, blocks), [...path, 'tool_call_id']);
        break;
      case 'function':
        conversation.result(resultOf(functionCalls.get(item.name) ?? item.name, blocks), [...path, 'name']);
        break;
      default:
        item satisfies never;
    }
  });
  return conversation.end('messages');
}

type Answer = Extract<GivenMessage, { role: 'assistant' }>;

/** What it thought, said and called is one turn, or the rest of the one before it where it only called. */
function addAnswer(conversation: Conversation, item: Answer, blocks: readonly Block[], path: Path): void {
  const said: Block[] = [
    ...(item.reasoning_content ? [{ type: 'thinking' as const, text: item.reasoning_content }] : []),
    ...blocks,
    ...(item.refusal ? [{ type: 'text' as const, text: item.refusal }] : []),
  ];
  conversation.assistant(said);
  item.tool_calls?.forEach((given, index) => {
    if (given.type === 'custom') refuseTool('custom', [...path, 'tool_calls', index]);
    const { name, arguments: text } = given.function;
    conversation.call({ type: 'tool-use', id: given.id, name, input: argumentsOf(text) } satisfies ToolUseBlock);
  });
}

const resultOf = (toolUseId: string, blocks: readonly (TextBlock | DocumentBlock)[]) => ({
  type: 'tool-result' as const,
  toolUseId,
  content: blocks.map(({ text }): TextBlock => ({ type: 'text', text })),
});

function blocksOf(
  given: z.output<typeof content> | null | undefined,
  path: Path,
  files: ReadonlyMap<string, RequestFile> | undefined,
): (TextBlock | DocumentBlock)[] {
  if (given === null || given === undefined || given === '') return [];
  if (typeof given === 'string') return [{ type: 'text', text: given }];
  return given.flatMap((item, index): (TextBlock | DocumentBlock)[] => {
    switch (item.type) {
      case 'text':
        return item.text === '' ? [] : [{ type: 'text', text: item.text }];
      case 'refusal':
        return [{ type: 'text', text: item.refusal }];
      case 'file':
        return [documentOf(item.file, [...path, index, 'file'], files)];
      case 'image_url':
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
