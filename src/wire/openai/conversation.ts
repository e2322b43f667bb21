// A canonical conversation in the making, from the flat lists of messages and items that the two APIs send: whose turn a
// block belongs to, which call a result answers, what is said to the model as its system text. Pure.
import type { Block, GenerateRequest, Message, ToolResultBlock, ToolUseBlock } from '../../lib/text-model.ts';
import { fieldError } from '../validate.ts';

type Path = readonly (string | number)[];

export interface Conversation {
  /** Text of the operator, wherever it stands: all of it comes first. */
  system(text: string): void;
  user(blocks: readonly Block[]): void;
  /** @param joins whether it goes on with the assistant's turn before it, if there is one; text after text never does */
  assistant(blocks: readonly Block[], joins?: boolean): void;
  call(block: ToolUseBlock): void;
  /**
   * @param path where it stands in the request
   * @throws FreeholdError invalid_request where no call before it has that id
   */
  result(block: ToolResultBlock, path: Path): void;
  /**
   * @param field of the request, for the message
   * @throws FreeholdError invalid_request when there is nothing to answer
   */
  end(field: string): Pick<GenerateRequest, 'system' | 'messages'>;
}

export function startConversation(): Conversation {
  const system: string[] = [];
  const messages: Message[] = [];
  const calls = new Set<string>();
  const add = (role: Message['role'], blocks: readonly Block[], joins: boolean) => {
    if (blocks.length === 0) return;
    const last = messages.at(-1);
    const texts = last?.content.at(-1)?.type === 'text' && blocks[0]?.type === 'text';
    if (joins && last?.role === role && !texts) last.content.push(...blocks);
    else messages.push({ role, content: [...blocks] });
  };
  return {
    system(text) {
      if (text !== '') system.push(text);
    },
    user: (blocks) => add('user', blocks, false),
    assistant: (blocks, joins = false) => add('assistant', blocks, joins),
    call(block) {
      calls.add(block.id);
      add('assistant', [block], true);
    },
    result(block, path) {
      if (!calls.has(block.toolUseId)) {
        const message = `No tool call before it has the id "${block.toolUseId.slice(0, 100)}".`;
        throw fieldError('invalid_request', path, message, 'brackets', 'Send the call that it answers, too.');
      }
      const last = messages.at(-1);
      add('user', [block], last?.role === 'user' && last.content.every(({ type }) => type === 'tool-result'));
    },
    end(field) {
      if (messages.length === 0 && system.length === 0) {
        const message = 'There is nothing to answer: every message is empty';
        throw fieldError('invalid_request', [field], message, 'brackets');
      }
      return { ...(system.length > 0 && { system: [{ type: 'text', text: system.join('\n\n') }] }), messages };
    },
  };
}
