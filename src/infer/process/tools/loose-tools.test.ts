// Tools that are not strict, called by a model with random weights: what of their schema can be enforced is, whatever else
// it says. Strict ones, and answers that must satisfy a schema, are refused with the place.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Fixture,
  loadFixture,
  type Question,
  startEngine,
  type TestEngine,
} from '../../../../test/support/engine.ts';
import { schemaValidator } from '../../../../test/support/schema-validator.ts';
import { serverTools } from '../../../../test/support/server-tools.ts';
import type { Tool } from '../../../lib/text-model.ts';
import { createConstraint } from '../constraint.ts';

let fixture: Fixture;
let tested: TestEngine;

beforeAll(async () => {
  fixture = await loadFixture();
  const { native, model } = fixture;
  tested = await startEngine(
    fixture,
    { constrain: (schema, signal, frame) => createConstraint(native, model, schema, signal, frame) },
    { contextTokens: 8192 },
  );
});
afterAll(() => fixture.model.dispose());

const asked = (request: Partial<Question>): Question => ({
  text: 'go',
  toolChoice: { type: 'any' },
  sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 },
  parallelToolCalls: false,
  ignoreEnd: false,
  maxTokens: 500,
  ...request,
});

/** The arguments of the one call; undefined where it was cut off. */
async function argumentsOf(tool: Tool, seed: number): Promise<unknown> {
  const question = asked({ tools: [tool], sampling: { temperature: 1, topK: 0, topP: 1, minP: 0, seed } });
  const { events } = await tested.answer(question);
  const json = events.flatMap((event) => (event.type === 'tool-use-delta' ? [event.json] : [])).join('');
  expect(events.filter(({ type }) => type === 'tool-use-start')).toHaveLength(1);
  return events.some((event) => event.type === 'stop' && event.reason === 'tool-use') ? JSON.parse(json) : undefined;
}

const having = (a: object, beside: object = {}) => ({ type: 'object', properties: { a }, required: ['a'], ...beside });
const flags = { type: 'array', items: { type: 'boolean' }, minItems: 1, maxItems: 3 };
const flag = { type: 'boolean' };

/** Schema, what remains of it, and the place that a strict tool is refused for. */
const table: [keyword: string, schema: Record<string, unknown>, remains: object, place: string][] = [
  ['uniqueItems', having({ ...flags, uniqueItems: true }), having(flags), '.properties.a.uniqueItems'],
  ['contains', having({ ...flags, contains: { const: true } }), having(flags), '.properties.a.contains'],
  ['minContains', having({ ...flags, minContains: 1 }), having(flags), '.properties.a.minContains'],
  ['maxContains', having({ ...flags, maxContains: 1 }), having(flags), '.properties.a.maxContains'],
  ['unevaluatedItems', having({ ...flags, unevaluatedItems: false }), having(flags), '.properties.a.unevaluatedItems'],
  ['not', having({ ...flag, not: { const: true } }), having(flag), '.properties.a.not'],
  ['patternProperties', having(flag, { patternProperties: { '^x': {} } }), having(flag), '.patternProperties'],
  ['minProperties', having(flag, { minProperties: 2 }), having(flag), '.minProperties'],
  ['maxProperties', having(flag, { maxProperties: 9 }), having(flag), '.maxProperties'],
  ['dependentRequired', having(flag, { dependentRequired: { a: ['b'] } }), having(flag), '.dependentRequired'],
  ['dependentSchemas', having(flag, { dependentSchemas: { a: {} } }), having(flag), '.dependentSchemas'],
  ['dependencies', having(flag, { dependencies: { a: ['b'] } }), having(flag), '.dependencies'],
  ['if', having(flag, { if: { properties: { a: { const: true } } }, else: { required: ['b'] } }), having(flag), '.if'],
  ['unevaluatedProperties', having(flag, { unevaluatedProperties: false }), having(flag), '.unevaluatedProperties'],
  ['$dynamicRef', having({ ...flag, $dynamicRef: '#x' }), having(flag), '.properties.a.$dynamicRef'],
  ['multipleOf', having({ enum: [1, 2, 3], multipleOf: 2 }), having({ enum: [1, 2, 3] }), '.properties.a.multipleOf'],
  [
    'format',
    having({ type: 'string', format: 'path', maxLength: 3 }),
    having({ type: 'string', maxLength: 3 }),
    '.properties.a.format',
  ],
  [
    'pattern',
    having({ type: 'string', pattern: '(a)\\1', maxLength: 3 }),
    having({ type: 'string', maxLength: 3 }),
    '.properties.a.pattern',
  ],
  ['$ref', having({ $ref: 'https://example.com/a' }, { maxProperties: 1 }), having({}), '.maxProperties'],
  ['a word nobody knows', having({ ...flag, widget: 'switch' }), having(flag), '.properties.a.widget'],
];

describe('a tool whose schema cannot be enforced', () => {
  it.each(table)('is called with arguments that satisfy all but %s', async (_, inputSchema, remains) => {
    const valid = schemaValidator(remains);
    let complete = 0;
    for (let seed = 0; seed < 3; seed++) {
      const found = await argumentsOf({ name: 'look', inputSchema }, seed);
      if (found === undefined) continue;
      complete += 1;
      expect(valid(found), JSON.stringify([found, valid.errors])).toBe(true);
    }
    expect(complete).toBeGreaterThan(0);
  });

  it.each(table)('is refused where it is strict, with the place: %s', async (_, inputSchema, _remains, place) => {
    const tools = [{ name: 'look', inputSchema, strict: true }];
    await expect(tested.answer(asked({ tools }))).rejects.toMatchObject({
      code: 'unsupported',
      field: `tools.0.input_schema${place}`,
      message: expect.stringContaining('"look"'),
    });
  });

  it.each(table)('is refused as the schema of an answer: %s', async (_, responseSchema, _remains, place) => {
    await expect(tested.answer(asked({ toolChoice: { type: 'auto' }, responseSchema }))).rejects.toMatchObject({
      code: 'unsupported',
      field: `#${place.replaceAll('.', '/')}`,
    });
  });

  it('is refused where it is malformed or no object, strict or not', async () => {
    for (const [inputSchema, place] of [
      [{ type: 'string' }, '.type'],
      [{ type: 'object', properties: 3 }, '.properties'],
      [having({ type: 'text' }), '.properties.a.type'],
      [having({ ...flags, uniqueItems: true, minItems: 'one' }), '.properties.a.minItems'],
    ] as [Record<string, unknown>, string][]) {
      for (const strict of [true, false]) {
        const refused = asked({ tools: [{ name: 'look', inputSchema, strict }] });
        // a strict one may be refused for the other keyword first
        if (strict && place.endsWith('minItems')) continue;
        await expect(tested.answer(refused)).rejects.toMatchObject({
          code: 'invalid_request',
          field: `tools.0.input_schema${place}`,
        });
      }
    }
  });

  it('is held to its schema where it is strict and another of the same schema is not', async () => {
    const inputSchema = having({ ...flags, uniqueItems: true });
    await argumentsOf({ name: 'look', inputSchema }, 1);
    const tools = [
      { name: 'look', inputSchema },
      { name: 'see', inputSchema, strict: true },
    ];
    await expect(tested.answer(asked({ tools }))).rejects.toMatchObject({
      field: 'tools.1.input_schema.properties.a.uniqueItems',
    });
  });
});

describe('tools as servers publish them', () => {
  it.each(serverTools.map((tool) => [tool.name, tool] as const))('are taken: %s', async (_, tool) => {
    const found = await argumentsOf(tool, 3);
    if (found === undefined) return;
    const { required = [] } = tool.inputSchema as { required?: string[] };
    expect(Object.keys(found as object)).toEqual(expect.arrayContaining(required));
  });

  it('are taken all together', async () => {
    const { events } = await tested.answer(asked({ tools: serverTools, toolChoice: { type: 'auto' }, maxTokens: 5 }));
    expect(events.at(-1)?.type).toBe('stop');
  });
});
