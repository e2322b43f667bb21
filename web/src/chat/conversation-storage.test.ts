import { describe, expect, it } from 'vitest';
import { type ItemStorage, loadConversations, readStorageEvent, saveConversations } from './conversation-storage.ts';
import type { Answer, Conversation } from './conversations.ts';

function memory(capacity = Number.POSITIVE_INFINITY): ItemStorage & { items: Map<string, string>; writes: string[] } {
  const items = new Map<string, string>();
  const writes: string[] = [];
  return {
    items,
    writes,
    get length() {
      return items.size;
    },
    key: (index) => [...items.keys()][index] ?? null,
    getItem: (key) => items.get(key) ?? null,
    setItem(key, value) {
      if (value.length > capacity) throw new DOMException('full', 'QuotaExceededError');
      writes.push(key);
      items.set(key, value);
    },
    removeItem: (key) => void items.delete(key),
  };
}

const conversation = (id: string, updatedAt: number, answer: Partial<Answer> = {}): Conversation => ({
  id,
  title: id,
  createdAt: 0,
  updatedAt,
  messages: [
    { id: 'q', role: 'user', text: 'hi' },
    { id: 'a', role: 'assistant', text: 'hello', status: 'done', ...answer },
  ],
});

describe('conversation storage', () => {
  it('loads what it saved, newest first', () => {
    const storage = memory();
    const state = [conversation('new', 2), conversation('old', 1)];
    expect(saveConversations([], state, storage)).toBe(true);
    expect(loadConversations(storage)).toEqual(state);
  });

  it('writes only what changed and removes what is gone', () => {
    const storage = memory();
    const [a, b, c] = [conversation('a', 3), conversation('b', 2), conversation('c', 1)];
    saveConversations([], [a, b, c], storage);
    storage.writes.length = 0;
    saveConversations([a, b, c], [a, conversation('b', 9)], storage);
    expect(storage.writes).toEqual(['freehold/conversation/b']);
    expect(loadConversations(storage).map(({ id }) => id)).toEqual(['b', 'a']);
  });

  it('says when storage is full and goes on with the rest', () => {
    const storage = memory(400);
    const big = conversation('big', 2, { text: 'x'.repeat(1000) });
    expect(saveConversations([], [big, conversation('small', 1)], storage)).toBe(false);
    expect(loadConversations(storage).map(({ id }) => id)).toEqual(['small']);
  });

  it('leaves alone what it cannot read and what is not its own', () => {
    const storage = memory();
    storage.items.set('freehold/conversation/x', '{broken');
    storage.items.set('freehold/conversation/y', '{"id":"y","title":"y","updatedAt":1,"messages":[{}]}');
    storage.items.set('freehold/theme', 'dark');
    expect(loadConversations(storage)).toEqual([]);
    expect(storage.items.size).toBe(3);
  });

  it('keeps the text of an answer that a closed page left unfinished', () => {
    const storage = memory();
    saveConversations([], [conversation('a', 1, { status: 'streaming', text: 'half' })], storage);
    expect(loadConversations(storage)[0]?.messages[1]).toMatchObject({ status: 'stopped', text: 'half' });
  });

  it('reads what another tab wrote or removed', () => {
    const a = conversation('a', 1);
    expect(readStorageEvent({ key: 'freehold/conversation/a', newValue: JSON.stringify(a) })).toEqual({
      id: 'a',
      conversation: a,
    });
    expect(readStorageEvent({ key: 'freehold/conversation/a', newValue: null })).toEqual({
      id: 'a',
      conversation: undefined,
    });
    expect(readStorageEvent({ key: 'freehold/theme', newValue: 'dark' })).toBeUndefined();
    expect(readStorageEvent({ key: 'freehold/conversation/a', newValue: '{' })).toBeUndefined();
  });
});
