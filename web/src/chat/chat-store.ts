// The chat's state and everything a person can do with it, for React through `useSyncExternalStore`. Joins the pure parts:
// conversations, their storage, the answers in progress, the API. One exists for the life of the page.
import { createContext, useContext, useSyncExternalStore } from 'react';
import { streamMessage } from '../api/client.ts';
import { newId } from '../lib/ids.ts';
import { loadConversations, readStorageEvent, saveConversations } from './conversation-storage.ts';
import {
  type Answer,
  type Conversation,
  type ConversationAction,
  type Conversations,
  reduceConversations,
  turnsOf,
} from './conversations.ts';
import { type LiveAnswer, LiveAnswers } from './live-answers.ts';
import type { Preferences } from './preferences.ts';

export interface ChatStore {
  getState(): Conversations;
  subscribe(listener: () => void): () => void;
  readonly live: LiveAnswers;
  readonly hooks: ChatStoreHooks;
  /** Sends a question; resolves when its answer has ended. Makes the conversation when the id is new. */
  ask(conversationId: string, text: string, preferences: Preferences): Promise<void>;
  /** Changes a question and asks again from there. */
  edit(conversationId: string, questionId: string, text: string, preferences: Preferences): Promise<void>;
  /** Asks for the last answer again. */
  retry(conversationId: string, preferences: Preferences): Promise<void>;
  rename(conversationId: string, title: string): void;
  /** @returns what was deleted, for `restore` */
  delete(conversationId: string): Conversation | undefined;
  /** @returns what was deleted, for `restore` */
  deleteAll(): Conversations;
  restore(conversations: Conversations): void;
}

/** What the store tells the page that shows it; set by that page. */
export interface ChatStoreHooks {
  /** The answer was refused because nobody is signed in any more. */
  onSignedOut: () => void;
  /** The browser keeps no more; later changes last as long as the page. */
  onStorageFull: () => void;
}

export function createChatStore(): ChatStore {
  const hooks: ChatStoreHooks = { onSignedOut: () => undefined, onStorageFull: () => undefined };
  let state = loadConversations(localStorage);
  const listeners = new Set<() => void>();

  const become = (next: Conversations) => {
    state = next;
    for (const listener of listeners) listener();
  };
  const dispatch = (action: ConversationAction) => {
    const next = reduceConversations(state, action);
    if (next === state) return;
    if (!saveConversations(state, next, localStorage)) hooks.onStorageFull();
    become(next);
  };

  const live = new LiveAnswers({
    stream: streamMessage,
    nextFrame: (callback) => requestAnimationFrame(callback),
    now: () => performance.now(),
    onChange: (conversationId, answerId, change) => {
      dispatch({ type: 'update-answer', conversationId, answerId, change, at: Date.now() });
      if (change.error?.status === 401) hooks.onSignedOut();
    },
  });

  addEventListener('storage', (event) => {
    const change = readStorageEvent(event);
    if (!change) return;
    const { id, conversation } = change;
    become(
      reduceConversations(state, conversation ? { type: 'put', conversation } : { type: 'delete', conversationId: id }),
    );
  });
  addEventListener('pagehide', () => live.checkpoint());

  const emptyAnswer = (): Answer => ({ id: newId(), role: 'assistant', text: '', status: 'streaming' });
  const answerTo = (conversationId: string, answer: Answer, { model, system, temperature, maxTokens }: Preferences) => {
    const messages = state.find(({ id }) => id === conversationId)?.messages ?? [];
    return live.start(conversationId, answer.id, {
      model,
      messages: turnsOf(messages),
      maxTokens,
      ...(system.trim() && { system }),
      ...(temperature !== undefined && { temperature }),
    });
  };

  return {
    live,
    hooks,
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ask(conversationId, text, preferences) {
      const answer = emptyAnswer();
      const question = { id: newId(), role: 'user' as const, text };
      dispatch({ type: 'ask', conversationId, question, answer, at: Date.now() });
      return answerTo(conversationId, answer, preferences);
    },
    edit(conversationId, questionId, text, preferences) {
      const answer = emptyAnswer();
      dispatch({ type: 'edit', conversationId, questionId, text, answer, at: Date.now() });
      return answerTo(conversationId, answer, preferences);
    },
    retry(conversationId, preferences) {
      const answer = emptyAnswer();
      dispatch({ type: 'retry', conversationId, answer, at: Date.now() });
      return answerTo(conversationId, answer, preferences);
    },
    rename: (conversationId, title) => dispatch({ type: 'rename', conversationId, title }),
    delete(conversationId) {
      live.stop(conversationId);
      const deleted = state.find(({ id }) => id === conversationId);
      dispatch({ type: 'delete', conversationId });
      return deleted;
    },
    deleteAll() {
      for (const { id } of state) live.stop(id);
      const deleted = state;
      dispatch({ type: 'delete-all' });
      return deleted;
    },
    restore(conversations) {
      for (const conversation of conversations) dispatch({ type: 'put', conversation });
    },
  };
}

const ChatStoreContext = createContext<ChatStore | undefined>(undefined);
export const ChatStoreProvider = ChatStoreContext.Provider;

export function useChatStore(): ChatStore {
  const store = useContext(ChatStoreContext);
  if (!store) throw new Error('useChatStore outside of ChatStoreProvider');
  return store;
}

export function useConversations(store: ChatStore): Conversations {
  return useSyncExternalStore(store.subscribe, store.getState);
}

/** The answer while it is being written; undefined before and after. */
export function useLiveAnswer(answerId: string): LiveAnswer | undefined {
  const { live } = useChatStore();
  return useSyncExternalStore(live.subscribe, () => live.get(answerId));
}

/** Ids of the conversations that are being answered. */
export function useBusyConversations({ live }: ChatStore): ReadonlySet<string> {
  const key = useSyncExternalStore(live.subscribe, () => live.busyKey);
  return new Set(key.split(',').filter(Boolean));
}
