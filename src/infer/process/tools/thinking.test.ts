// Thoughts of a model whose template knows them, with random weights: told from the answer, kept within their budget, and
// followed by what the request asks for.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  type Fixture,
  loadFixture,
  type Question,
  startEngine,
  type TestEngine,
  words,
} from '../../../../test/support/engine.ts';
import { createConstraint } from '../constraint.ts';
import { PromptLookup } from '../speculation/prompt-lookup.ts';
import { Speculation } from '../speculation/speculation.ts';

/** Begins a thought, and knows no switch for it. */
const template = `{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: <think>\\n' }}{% endif %}{# </think> #}`;

let fixture: Fixture;
let tested: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  const { native, model } = fixture;
  Object.defineProperty(model, 'chatTemplate', { value: template });
  tested = await startEngine(
    fixture,
    {
      speculation: new Speculation(new PromptLookup()),
      constrain: (schema, signal, frame) => createConstraint(native, model, schema, signal, frame),
    },
    { contextTokens: 2048 },
  );
});
afterAll(() => fixture.model.dispose());

const asked = (seed: number, request: Partial<Question> = {}): Question => ({
  text: words(seed, 6),
  maxTokens: 60,
  sampling: { temperature: 1, seed },
  ...request,
});

const joined = ({ events }: Answer, type: 'thinking-delta' | 'text-delta') =>
  events.flatMap((event) => (event.type === type ? [event.text] : [])).join('');
const usage = ({ events }: Answer) => events.find((event) => event.type === 'usage');

describe('a thought', () => {
  it('ends with its budget, and the answer goes on', async () => {
    for (const budgetTokens of [1, 7, 20]) {
      const answer = await tested.answer(asked(budgetTokens, { thinking: { type: 'enabled', budgetTokens } }));
      const { thinkingTokens = 0, outputTokens } = usage(answer) ?? { outputTokens: 0 };
      expect(joined(answer, 'thinking-delta')).not.toBe('');
      expect(answer.text).not.toBe('');
      expect(answer.text).not.toContain('think>');
      expect(thinkingTokens).toBeGreaterThan(budgetTokens);
      // those of the closing marker, letter by letter
      expect(thinkingTokens).toBeLessThanOrEqual(budgetTokens + '\n</think>'.length);
      expect(outputTokens).toBe(60);
    }
  });

  it('without a budget may take all there is', async () => {
    const answer = await tested.answer(asked(1));
    expect(answer.text).toBe('');
    expect(usage(answer)).toMatchObject({ thinkingTokens: 60, outputTokens: 60 });
  });

  it('does not come where it is not wanted', async () => {
    const answer = await tested.answer(asked(2, { thinking: { type: 'disabled' } }));
    expect(joined(answer, 'thinking-delta')).toBe('');
    expect(answer.text).not.toBe('');
    expect(usage(answer)?.thinkingTokens).toBeUndefined();
  });

  it('is followed by the call that must come', async () => {
    const tools = [{ name: 'look', inputSchema: { type: 'object', properties: { at: { enum: ['sea', 'sky'] } } } }];
    for (let seed = 0; seed < 5; seed++) {
      const { events, text } = await tested.answer(
        asked(seed, {
          tools,
          toolChoice: { type: 'any' },
          parallelToolCalls: false,
          thinking: { type: 'enabled', budgetTokens: 10 },
          maxTokens: 200,
        }),
      );
      expect(text).toBe('');
      const types = [...new Set(events.map(({ type }) => type))];
      expect(types).toEqual([
        'start',
        'thinking-delta',
        'tool-use-start',
        'tool-use-delta',
        'tool-use-stop',
        'usage',
        'stop',
      ]);
      const json = events.flatMap((event) => (event.type === 'tool-use-delta' ? [event.json] : [])).join('');
      expect([{}, { at: 'sea' }, { at: 'sky' }]).toContainEqual(JSON.parse(json));
      expect(events.at(-1)).toEqual({ type: 'stop', reason: 'tool-use' });
    }
  });

  it('is followed by an answer that satisfies the schema', async () => {
    for (let seed = 0; seed < 5; seed++) {
      const answer = await tested.answer(
        asked(seed, {
          responseSchema: { enum: ['yes', 'no', 3] },
          thinking: { type: 'enabled', budgetTokens: 5 },
          ignoreEnd: false,
        }),
      );
      expect(joined(answer, 'thinking-delta')).not.toBe('');
      expect(['yes', 'no', 3]).toContain(JSON.parse(answer.text));
      expect(answer.events.at(-1)).toEqual({ type: 'stop', reason: 'end-turn' });
    }
  });
});
