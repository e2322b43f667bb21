// Keeps conversations in the browser: one localStorage item each, so that two tabs write different items and lose nothing
// of each other. The server keeps none yet; when it does, this file gives way to calls of its API.
import type { Conversation, Conversations } from './conversations.ts';

const prefix = 'freehold/conversation/';

/** What is used of `localStorage`. */
export type ItemStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem' | 'key' | 'length'>;

/** All stored conversations, newest first. Items that cannot be read are left where they are and not shown. */
export function loadConversations(storage: ItemStorage): Conversations {
  const keys = Array.from({ length: storage.length }, (_, index) => storage.key(index));
  return keys
    .flatMap((key) => {
      const conversation = key?.startsWith(prefix) ? readConversation(storage.getItem(key)) : undefined;
      return conversation ? [closeInterrupted(conversation)] : [];
    })
    .sort((a, b) => b.updatedAt - a.updatedAt);
}

/**
 * Writes the difference between two states.
 * @returns false when the browser's storage is full; what could be written was
 */
export function saveConversations(before: Conversations, after: Conversations, storage: ItemStorage): boolean {
  const known = new Map(before.map((conversation) => [conversation.id, conversation]));
  let complete = true;
  for (const conversation of after) {
    if (known.get(conversation.id) !== conversation) {
      try {
        storage.setItem(prefix + conversation.id, JSON.stringify(conversation));
      } catch {
        complete = false;
      }
    }
    known.delete(conversation.id);
  }
  for (const id of known.keys()) storage.removeItem(prefix + id);
  return complete;
}

/** What another tab did, out of the `storage` event it causes here; undefined when it concerns no conversation. */
export function readStorageEvent(event: {
  key: string | null;
  newValue: string | null;
}): { id: string; conversation?: Conversation } | undefined {
  if (!event.key?.startsWith(prefix)) return undefined;
  const conversation = readConversation(event.newValue);
  if (event.newValue !== null && !conversation) return undefined;
  return { id: event.key.slice(prefix.length), conversation };
}

function readConversation(item: string | null): Conversation | undefined {
  try {
    const value = JSON.parse(item ?? 'null') as Partial<Conversation> | null;
    const valid =
      typeof value?.id === 'string' &&
      typeof value.title === 'string' &&
      typeof value.updatedAt === 'number' &&
      Array.isArray(value.messages) &&
      value.messages.every(
        ({ id, role, text }) => typeof id === 'string' && typeof role === 'string' && typeof text === 'string',
      );
    return valid ? (value as Conversation) : undefined;
  } catch {
    return undefined;
  }
}

/** The page was left while an answer was being written: what had come is kept as a stopped answer. */
function closeInterrupted(conversation: Conversation): Conversation {
  const open = (message: Conversation['messages'][number]) =>
    message.role === 'assistant' && message.status === 'streaming';
  if (!conversation.messages.some(open)) return conversation;
  const messages = conversation.messages.map((message) =>
    open(message) ? { ...message, status: 'stopped' } : message,
  );
  return { ...conversation, messages: messages as Conversation['messages'] };
}
