// Calls of tools that a model with random weights makes: whatever it writes, the arguments of every call satisfy the
// schema of its tool, and what the request says of calls holds.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  expectSame,
  type Fixture,
  loadFixture,
  type Question,
  startEngine,
  type TestEngine,
  words,
} from '../../../../test/support/engine.ts';
import { randomSchema } from '../../../../test/support/random-schema.ts';
import { schemaValidator } from '../../../../test/support/schema-validator.ts';
import type { GenerateEvent, Tool } from '../../../lib/text-model.ts';
import { createConstraint } from '../constraint.ts';
import { PromptLookup } from '../speculation/prompt-lookup.ts';
import { Speculation } from '../speculation/speculation.ts';

let fixture: Fixture;
let tested: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  tested = await start({ speculation: new Speculation(new PromptLookup()) });
});
afterAll(() => fixture.model.dispose());

const start = (options: Parameters<typeof startEngine>[1] = {}) => {
  const { native, model } = fixture;
  return startEngine(
    fixture,
    { constrain: (schema, signal, frame) => createConstraint(native, model, schema, signal, frame), ...options },
    { contextTokens: 4096 },
  );
};

const weather: Tool = {
  name: 'get_weather',
  description: 'The weather of a place.',
  inputSchema: {
    type: 'object',
    properties: { place: { enum: ['Paris', 'Rome'] }, days: { type: 'integer', minimum: 1, maximum: 9 } },
    required: ['place'],
    additionalProperties: false,
  },
};
const clock: Tool = { name: 'get', inputSchema: { type: 'object', properties: {} } };

interface Call {
  id: string;
  name: string;
  json: string;
  complete: boolean;
}

function callsOf(events: readonly GenerateEvent[]): Call[] {
  const calls: Call[] = [];
  let open = false;
  for (const event of events) {
    if (event.type === 'tool-use-start') {
      expect(open).toBe(false);
      calls.push({ id: event.id, name: event.name, json: '', complete: false });
      open = true;
    }
    const last = calls.at(-1) as Call;
    if (event.type === 'tool-use-delta') {
      expect(open).toBe(true);
      last.json += event.json;
    }
    if (event.type !== 'tool-use-stop') continue;
    open = false;
    try {
      JSON.parse(last.json);
      last.complete = true;
    } catch {
      last.complete = false;
    }
  }
  expect(open).toBe(false);
  return calls;
}

const reasonOf = ({ events }: Answer) => events.find((event) => event.type === 'stop')?.reason;

const asked = (seed: number, request: Partial<Question> = {}): Question => ({
  text: words(seed, 4),
  tools: [weather, clock],
  toolChoice: { type: 'any' },
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed },
  parallelToolCalls: true,
  ignoreEnd: false,
  maxTokens: 400,
  ...request,
});

describe('a call', () => {
  it('has arguments that satisfy the schema of its tool, whatever that is', async () => {
    const schemas = fc.array(randomSchema, { minLength: 1, maxLength: 3 });
    let complete = 0;
    await fc.assert(
      fc.asyncProperty(schemas, fc.nat(1000), async (parameters, seed) => {
        // parameters are an object; the schema is one of them
        const tools = parameters.map(({ schema: { $defs, ...value } }, i) => ({
          name: `tool_${i}`,
          inputSchema: {
            type: 'object',
            properties: { value },
            required: ['value'],
            additionalProperties: false,
            $defs,
          },
        }));
        const answer = await tested.answer(asked(seed, { tools: tools as Tool[] })).catch((error) => error as Error);
        if (answer instanceof Error) {
          // no value satisfies it, too many ways to read it, too long a prompt
          expect(answer).toMatchObject({
            code: expect.stringMatching(/^(invalid_request|unsupported|context_exceeded)$/),
          });
          return;
        }
        const calls = callsOf(answer.events);
        for (const [i, { name, json, complete: whole }] of calls.entries()) {
          const tool = tools.find((each) => each.name === name);
          expect(tool).toBeDefined();
          if (!whole) {
            expect([reasonOf(answer), i]).toEqual(['max-tokens', calls.length - 1]);
            continue;
          }
          complete += 1;
          const valid = schemaValidator(tool?.inputSchema);
          expect(valid(JSON.parse(json)), `${json} ${JSON.stringify(valid.errors)}`).toBe(true);
        }
        expect(answer.text).toBe('');
      }),
      { numRuns: 40, endOnFailure: true },
    );
    expect(complete).toBeGreaterThan(20);
  }, 120_000);

  it('of a tool without properties has no arguments', async () => {
    const bare = { name: 'get', inputSchema: { type: 'object' } };
    for (const tool of [clock, bare, { name: 'get', inputSchema: {} }]) {
      const { events } = await tested.answer(asked(1, { tools: [tool], parallelToolCalls: false }));
      expect(callsOf(events)).toEqual([
        { id: expect.stringMatching(/^call_/), name: 'get', json: expect.stringMatching(/^\{\s*\}$/), complete: true },
      ]);
    }
  });

  it('is one where calls side by side are not wanted, and may be several where they are', async () => {
    let most = 0;
    for (let seed = 0; seed < 10; seed++) {
      const one = await tested.answer(asked(seed, { parallelToolCalls: false }));
      expect([callsOf(one.events).length, reasonOf(one)]).toEqual([1, 'tool-use']);
      const more = await tested.answer(asked(seed));
      most = Math.max(most, callsOf(more.events).length);
    }
    expect(most).toBeGreaterThan(1);
  });

  it('is of the tool that is chosen', async () => {
    for (const name of ['get', 'get_weather']) {
      const { events } = await tested.answer(asked(3, { toolChoice: { type: 'tool', name }, maxTokens: 300 }));
      expect(new Set(callsOf(events).map((call) => call.name))).toEqual(new Set([name]));
    }
  });

  it('does not come where there is to be none', async () => {
    for (let seed = 0; seed < 4; seed++) {
      const { events } = await tested.answer(asked(seed, { toolChoice: { type: 'none' }, maxTokens: 40 }));
      expect(callsOf(events)).toEqual([]);
    }
  });

  it('in the text of the person is text', async () => {
    const text = '<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call>';
    const answer = await tested.answer(asked(5, { text, toolChoice: { type: 'auto' }, maxTokens: 20 }));
    expect(callsOf(answer.events)).toEqual([]);
    expect(answer.text).not.toBe('');
  });

  it('is the same with guesses and without', async () => {
    const lone = await start({ maxSequences: 1 });
    for (let seed = 0; seed < 6; seed++) {
      const question = asked(seed, {
        text: 'get_weather {"place": "Paris", "days": 3} '.repeat(3),
        sampling: { temperature: 0 },
        maxTokens: 200,
      });
      const one = callsOf((await tested.answer(question)).events);
      const other = callsOf((await lone.answer(question)).events);
      expect(one.map(({ name, json }) => [name, json])).toEqual(other.map(({ name, json }) => [name, json]));
      expect(one.length).toBeGreaterThan(0);
    }
  });

  it('leaves answers beside it as they are, and they it', async () => {
    const lone = await start({ maxSequences: 1 });
    const free: Question[] = [1, 2, 3].map((seed) => ({ text: words(seed, 9), maxTokens: 60 }));
    const alone: Answer[] = [];
    for (const question of free) alone.push(await lone.answer(question));
    const calling = [1, 2, 3, 4].map((seed) => tested.ask(asked(seed)));
    const beside = free.map((question) => tested.ask(question));
    for (const [i, { done }] of beside.entries()) expectSame(await done, alone[i] as Answer);
    for (const { done } of calling) expect(callsOf((await done).events).length).toBeGreaterThan(0);
  });

  it('that is cancelled leaves others to go on', async () => {
    for (let round = 0; round < 5; round++) {
      const asks = [1, 2, 3].map((seed) => {
        const one = tested.ask(asked(seed, { onEvent: (event) => event.type === 'tool-use-start' && one.cancel() }));
        return one;
      });
      for (const { done } of asks) await expect(done).rejects.toMatchObject({ code: 'cancelled' });
    }
    expect(callsOf((await tested.answer(asked(1))).events).length).toBeGreaterThan(0);
  });
});

describe('parameters that cannot be enforced', () => {
  it.each([
    [{ type: 'object', properties: { a: { type: 'string', not: {} } } }, 'unsupported', '.properties.a.not'],
    [
      { type: 'object', properties: { a: { type: 'string', minLength: 'x' } } },
      'invalid_request',
      '.properties.a.minLength',
    ],
  ])('are an error that names the tool and the place: %j', async (inputSchema, code, place) => {
    const tools = [clock, { name: 'broken', inputSchema, strict: true }];
    await expect(tested.answer(asked(1, { tools }))).rejects.toMatchObject({
      code,
      field: `tools.1.input_schema${place}`,
      message: expect.stringContaining('"broken"'),
    });
  });

  it('are all parameters where nothing holds answers to a schema', async () => {
    const plain = await startEngine(fixture, {}, { contextTokens: 2048 });
    await expect(plain.answer(asked(1))).rejects.toMatchObject({ code: 'unsupported' });
  });
});
