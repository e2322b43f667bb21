// Calls of tools by a model that knows words: what it is asked for stands in the arguments.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Question, startEngine, type TestEngine } from '../../../../test/support/engine.ts';
import { realModelFile } from '../../../../test/support/real-model.ts';
import type { GenerateEvent } from '../../../lib/text-model.ts';
import { loadNative } from '../../../native/ffi.ts';
import { Model } from '../../../native/llama.ts';
import { createConstraint } from '../constraint.ts';

const file = await realModelFile();

const tools = [
  {
    name: 'get_weather',
    description: 'Current weather of a city.',
    inputSchema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
  {
    name: 'add',
    description: 'Adds two numbers.',
    inputSchema: { type: 'object', properties: { a: { type: 'number' }, b: { type: 'number' } }, required: ['a', 'b'] },
  },
];

describe.skipIf(!file)('needs a real model: a call', () => {
  let model: Model;
  let tested: TestEngine;

  beforeAll(async () => {
    const native = loadNative({ device: 'cpu' });
    model = await Model.load(native, { file: file as string });
    tested = await startEngine(
      { native, model },
      {
        constrain: (schema, signal, frame) => createConstraint(native, model, schema, signal, frame),
        maxSequences: 1,
      },
      { contextTokens: 2048, threads: 2 },
    );
  }, 120_000);
  afterAll(() => model?.dispose());

  const ask = async (text: string, request: Partial<Question> = {}) => {
    const { events } = await tested.answer({
      text,
      tools,
      sampling: { temperature: 0 },
      ignoreEnd: false,
      parallelToolCalls: false,
      maxTokens: 120,
      ...request,
    });
    const start = events.find(
      (event): event is GenerateEvent & { type: 'tool-use-start' } => event.type === 'tool-use-start',
    );
    const json = events.flatMap((event) => (event.type === 'tool-use-delta' ? [event.json] : []));
    return { name: start?.name, pieces: json.length, input: start && JSON.parse(json.join('')) };
  };

  it('that must come is of the right tool, with what was asked', async () => {
    const weather = await ask('What is the weather in Paris?', { toolChoice: { type: 'any' } });
    expect(weather).toMatchObject({ name: 'get_weather', input: { city: expect.stringContaining('Paris') } });
    const sum = await ask('How much is 17 plus 25?', { toolChoice: { type: 'any' } });
    expect(sum).toMatchObject({ name: 'add', input: { a: 17, b: 25 } });
    // as it is written, not at once
    expect(sum.pieces).toBeGreaterThan(3);
  }, 60_000);

  it('is of the tool that is named', async () => {
    const chosen = await ask('How much is 17 plus 25?', { toolChoice: { type: 'tool', name: 'get_weather' } });
    expect(chosen).toMatchObject({ name: 'get_weather', input: { city: expect.any(String) } });
  }, 60_000);
});
