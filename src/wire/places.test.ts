import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../lib/errors.ts';
import { inRequest } from './places.ts';

const places = { schemaField: 'text.format.schema', promptField: 'input', toolFields: ['tools[1].parameters'] };
const about = (field: string | undefined) =>
  new FreeholdError('unsupported', 'No.', {
    hint: 'Mend it.',
    tokens: { prompt: 2, context: 1 },
    ...(field === undefined ? {} : { field }),
  });

describe('the place of an error', () => {
  it.each([
    ['messages', 'input'],
    ['#/properties/a', 'text.format.schema#/properties/a'],
    ['#', 'text.format.schema'],
    ['tools.0.input_schema.properties.a', 'tools[1].parameters.properties.a'],
    ['tools.0.input_schema', 'tools[1].parameters'],
    ['tools.7.input_schema', 'tools.7.input_schema'],
    ['tools.0.name', 'tools.0.name'],
    ['adapter', 'adapter'],
  ])('%s is %s', (given, expected) => {
    expect(inRequest(about(given), places)).toMatchObject({ code: 'unsupported', field: expected, hint: 'Mend it.' });
  });

  it('keeps what else an error tells', () => {
    expect(inRequest(about('messages'), places)).toMatchObject({ message: 'No.', tokens: { prompt: 2, context: 1 } });
  });

  it('stays as it is where nothing else is known', () => {
    for (const error of [about('messages'), about(undefined), new Error('x')]) expect(inRequest(error, {})).toBe(error);
  });
});
