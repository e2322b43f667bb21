import { describe, expect, it } from 'vitest';
import {
  type Answer,
  type ConversationAction,
  type Conversations,
  type Message,
  reduceConversations,
  searchConversations,
  titleOf,
  turnsOf,
} from './conversations.ts';

const question = (id: string, text: string) => ({ id, role: 'user' as const, text });
const answer = (id: string, text = '', status: Answer['status'] = 'done'): Answer => ({
  id,
  role: 'assistant',
  text,
  status,
});
const run = (actions: ConversationAction[], state: Conversations = []) => actions.reduce(reduceConversations, state);
const ask = (conversationId: string, n: number, text = `question ${n}`): ConversationAction => ({
  type: 'ask',
  conversationId,
  question: question(`q${n}`, text),
  answer: answer(`a${n}`, `answer ${n}`),
  at: n,
});
const ids = (state: Conversations) => state.map(({ id }) => id);
const texts = (state: Conversations) => state[0]?.messages.map(({ text }) => text);

describe('asking', () => {
  it('makes a conversation titled by its first question', () => {
    const [made] = run([ask('c', 1, 'How do I prune roses?')]);
    expect(made).toMatchObject({ id: 'c', title: 'How do I prune roses?', createdAt: 1, updatedAt: 1 });
  });

  it('brings the conversation to the top', () => {
    expect(ids(run([ask('a', 1), ask('b', 2), ask('a', 3)]))).toEqual(['a', 'b']);
  });
});

describe('editing a question', () => {
  const edit: ConversationAction = {
    type: 'edit',
    conversationId: 'c',
    questionId: 'q1',
    text: 'other',
    answer: answer('new'),
    at: 9,
  };

  it('drops everything after it and titles anew when it was the first', () => {
    const state = run([ask('c', 1), ask('c', 2), edit]);
    expect(texts(state)).toEqual(['other', '']);
    expect(state[0]?.title).toBe('other');
  });

  it('keeps a title that a person gave', () => {
    expect(run([ask('c', 1), { type: 'rename', conversationId: 'c', title: 'Mine' }, edit])[0]?.title).toBe('Mine');
  });

  it('changes nothing when the question is gone', () => {
    const state = run([ask('c', 1)]);
    expect(reduceConversations(state, { ...edit, questionId: 'zzz' } as ConversationAction)).toBe(state);
  });
});

describe('answers', () => {
  it('are replaced by a retry', () => {
    expect(
      texts(run([ask('c', 1), { type: 'retry', conversationId: 'c', answer: answer('x', 'again'), at: 2 }])),
    ).toEqual(['question 1', 'again']);
  });

  it('are updated in place, and an update for a deleted one is ignored', () => {
    const state = run([ask('c', 1)]);
    const update = (answerId: string): ConversationAction => ({
      type: 'update-answer',
      conversationId: 'c',
      answerId,
      change: { text: 'done' },
      at: 5,
    });
    expect(texts(reduceConversations(state, update('a1')))).toEqual(['question 1', 'done']);
    expect(reduceConversations(state, update('gone'))).toBe(state);
  });
});

describe('the list', () => {
  it('renames, but never to nothing', () => {
    const rename = (title: string): ConversationAction => ({ type: 'rename', conversationId: 'c', title });
    expect(run([ask('c', 1), rename(' Roses '), rename('  ')])[0]?.title).toBe('Roses');
  });

  it('deletes one, deletes all, and puts one back where it was', () => {
    const state = run([ask('a', 1), ask('b', 2), ask('c', 3)]);
    const b = state[1]!;
    const without = reduceConversations(state, { type: 'delete', conversationId: 'b' });
    expect(ids(without)).toEqual(['c', 'a']);
    expect(ids(reduceConversations(without, { type: 'put', conversation: b }))).toEqual(['c', 'b', 'a']);
    expect(run([{ type: 'delete-all' }], state)).toEqual([]);
  });

  it('is searched by title and text, all words, any case', () => {
    const state = run([ask('a', 1, 'Prune the ROSES'), ask('b', 2, 'Bake bread')]);
    expect(ids(searchConversations(state, 'roses prune'))).toEqual(['a']);
    expect(ids(searchConversations(state, 'answer 2'))).toEqual(['b']);
    expect(searchConversations(state, ' ')).toBe(state);
  });
});

describe('titleOf', () => {
  it('cuts long text between words', () => {
    const title = titleOf('Please write a product description for a hand-made oak cutting board\nwith a handle');
    expect(title).toBe('Please write a product description for a…');
  });

  it('survives text without spaces, and no text', () => {
    expect([...titleOf('漢'.repeat(100))]).toHaveLength(49);
    expect(titleOf(' \n')).toBe('New chat');
  });
});

describe('turnsOf', () => {
  it('leaves out empty answers and joins the questions around them', () => {
    const messages: Message[] = [
      question('1', 'a'),
      answer('2', '', 'failed'),
      question('3', 'b'),
      answer('4', '', 'streaming'),
    ];
    expect(turnsOf(messages)).toEqual([{ role: 'user', content: 'a\n\nb' }]);
  });

  it('ends with the question, whatever the answer after it already holds', () => {
    expect(turnsOf([question('1', 'a'), answer('2', 'half', 'stopped')])).toEqual([{ role: 'user', content: 'a' }]);
  });
});
