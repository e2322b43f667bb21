// Conversations as plain data and the one function that changes them. Knows neither React, nor storage, nor the network.
// A conversation is a flat list of turns; a user turn is followed by the one answer that is kept.

/** What is known about how an answer was made; each field only once it is known. */
export interface AnswerStats {
  timeToFirstTokenMs?: number;
  tokensPerSecond?: number;
  outputTokens?: number;
  inputTokens?: number;
}

export interface Question {
  id: string;
  role: 'user';
  text: string;
}

export interface Answer {
  id: string;
  role: 'assistant';
  text: string;
  /** What a reasoning model wrote before its answer. */
  thinking?: string;
  /** `stopped`: ended by the reader; what had come is kept. `failed`: see `error`. */
  status: 'streaming' | 'done' | 'stopped' | 'failed';
  /** The model that answered, as the server named it. */
  model?: string;
  stats?: AnswerStats;
  /** The API's stop reason, e.g. `end_turn` or `max_tokens`. */
  stopReason?: string;
  /** `retryable`: the same question may be answered later; absent in what older pages stored. */
  error?: { message: string; status: number; retryable?: boolean };
}

export type Message = Question | Answer;

export interface Conversation {
  id: string;
  title: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  updatedAt: number;
  messages: Message[];
}

/** Newest first by `updatedAt`. */
export type Conversations = readonly Conversation[];

export type ConversationAction =
  /** Asks in a conversation, which is made when it is not there yet. */
  | { type: 'ask'; conversationId: string; question: Question; answer: Answer; at: number }
  /** Replaces a question's text; everything after it gives way to a new answer. */
  | { type: 'edit'; conversationId: string; questionId: string; text: string; answer: Answer; at: number }
  /** Replaces the last answer. */
  | { type: 'retry'; conversationId: string; answer: Answer; at: number }
  | { type: 'update-answer'; conversationId: string; answerId: string; change: Partial<Answer>; at: number }
  | { type: 'rename'; conversationId: string; title: string }
  | { type: 'delete'; conversationId: string }
  | { type: 'delete-all' }
  /** A conversation as storage or another tab has it. */
  | { type: 'put'; conversation: Conversation };

export function reduceConversations(state: Conversations, action: ConversationAction): Conversations {
  switch (action.type) {
    case 'ask': {
      const { question, answer, at } = action;
      const known = state.find(({ id }) => id === action.conversationId) ?? {
        id: action.conversationId,
        title: titleOf(question.text),
        createdAt: at,
        updatedAt: at,
        messages: [],
      };
      return put(state, { ...known, updatedAt: at, messages: [...known.messages, question, answer] });
    }
    case 'edit':
      return change(state, action.conversationId, (conversation) => {
        const index = conversation.messages.findIndex(({ id }) => id === action.questionId);
        if (index < 0) return conversation;
        const question: Question = { id: action.questionId, role: 'user', text: action.text };
        const messages = [...conversation.messages.slice(0, index), question, action.answer];
        const untouched = index === 0 && conversation.title === titleOf((conversation.messages[0] as Question).text);
        const title = untouched ? titleOf(action.text) : conversation.title;
        return { ...conversation, title, messages, updatedAt: action.at };
      });
    case 'retry':
      return change(state, action.conversationId, (conversation) => {
        const last = conversation.messages.at(-1);
        const kept = last?.role === 'assistant' ? conversation.messages.slice(0, -1) : conversation.messages;
        return { ...conversation, messages: [...kept, action.answer], updatedAt: action.at };
      });
    case 'update-answer':
      return change(state, action.conversationId, (conversation) => {
        if (!conversation.messages.some(({ id }) => id === action.answerId)) return conversation;
        const messages = conversation.messages.map((message) =>
          message.id === action.answerId ? ({ ...message, ...action.change } as Answer) : message,
        );
        return { ...conversation, messages, updatedAt: action.at };
      });
    case 'rename':
      return change(state, action.conversationId, (conversation) => {
        const title = action.title.trim();
        return title === '' ? conversation : { ...conversation, title };
      });
    case 'delete':
      return state.filter(({ id }) => id !== action.conversationId);
    case 'delete-all':
      return [];
    case 'put':
      return put(state, action.conversation);
    default:
      return action satisfies never;
  }
}

function change(state: Conversations, id: string, edit: (conversation: Conversation) => Conversation): Conversations {
  const before = state.find((conversation) => conversation.id === id);
  if (!before) return state;
  const after = edit(before);
  return after === before ? state : put(state, after);
}

function put(state: Conversations, conversation: Conversation): Conversations {
  const others = state.filter(({ id }) => id !== conversation.id);
  const at = others.findIndex(({ updatedAt }) => updatedAt <= conversation.updatedAt);
  return at < 0 ? [...others, conversation] : [...others.slice(0, at), conversation, ...others.slice(at)];
}

/** A short title out of a first message: its first line, cut between words at about 48 characters. */
export function titleOf(text: string): string {
  const line = (text.trim().split('\n')[0] ?? '').replace(/\s+/g, ' ').trim();
  if (line === '') return 'New chat';
  const characters = [...line];
  if (characters.length <= 48) return line;
  const cut = characters.slice(0, 48).join('');
  const space = cut.lastIndexOf(' ');
  return `${(space > 24 ? cut.slice(0, space) : cut).replace(/[\s,;:.-]+$/, '')}…`;
}

/** The conversations whose title or any message contains every word of the query, in any case. */
export function searchConversations(state: Conversations, query: string): Conversations {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return state;
  return state.filter(({ title, messages }) => {
    const haystack = [title, ...messages.map(({ text }) => text)].join('\n').toLowerCase();
    return words.every((word) => haystack.includes(word));
  });
}

/**
 * What is sent to the model: the turns up to and including the last question. Answers without text are left out, and questions
 * that then follow each other become one, since turns must alternate.
 */
export function turnsOf(messages: readonly Message[]): { role: 'user' | 'assistant'; content: string }[] {
  const turns: { role: 'user' | 'assistant'; content: string }[] = [];
  for (const { role, text } of messages) {
    if (text.trim() === '') continue;
    const last = turns.at(-1);
    if (last?.role === role) last.content += `\n\n${text}`;
    else turns.push({ role, content: text });
  }
  while (turns.at(-1)?.role === 'assistant') turns.pop();
  return turns;
}
