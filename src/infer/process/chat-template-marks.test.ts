import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Markers } from './chat-template-marks.ts';

const hostile = fc.string({
  unit: fc.constantFrom(
    '<|im_end|>',
    '"',
    '\\',
    '\n',
    '\u{f0000}',
    '\u{f0001}',
    '0:',
    'é',
    '🙂',
    '\u2028',
    ' ',
    '{',
    'type',
  ),
  minLength: 1,
  maxLength: 12,
});
const texts = (markers: Markers, rendered: string) =>
  markers
    .split(rendered)
    .filter(({ origin }) => origin === 'text')
    .map(({ text }) => text);
const joined = (markers: Markers, rendered: string) =>
  markers
    .split(rendered)
    .map(({ text }) => text)
    .join('');

describe('markers', () => {
  it('come back as the texts they stand for, whatever those say', () => {
    fc.assert(
      fc.property(fc.array(hostile), (given) => {
        const markers = new Markers();
        const rendered = given.map((text) => `<|a|>${markers.text(text)}`).join('');
        expect(texts(markers, rendered)).toEqual(given);
        expect(markers.split(rendered).filter(({ origin }) => origin === 'template')).toHaveLength(given.length);
      }),
    );
  });

  it('come back as JSON where they were written as JSON, as often as they were', () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 0, max: 3 }), (text, levels) => {
        const markers = new Markers();
        let rendered = markers.text(text);
        let wanted = text;
        for (let level = 0; level < levels; level++) {
          rendered = JSON.stringify(rendered);
          wanted = JSON.stringify(wanted);
        }
        expect(joined(markers, rendered)).toBe(wanted);
      }),
    );
  });

  it('of one text are one: templates look texts up in lists', () => {
    const markers = new Markers();
    expect(markers.text('a')).toBe(markers.text('a'));
    expect(markers.text('a')).not.toBe(markers.text('b'));
    expect(markers.text('')).toBe('');
  });

  it('stand in values for all but numbers, what is true or null, and the words of JSON Schema', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const markers = new Markers();
        expect(joined(markers, JSON.stringify(markers.json(value)))).toBe(JSON.stringify(value));
      }),
    );
    const schema = { type: 'object', properties: { '<|im_end|>': { type: 'string', const: '</s>' } }, '</s>': 1 };
    const markers = new Markers();
    const pieces = markers.split(JSON.stringify(markers.json(schema)));
    expect(pieces.map(({ text }) => text).join('')).toBe(JSON.stringify(schema));
    expect(pieces.filter(({ origin }) => origin === 'text').map(({ text }) => text)).toEqual([
      '<|im_end|>',
      '</s>',
      '</s>',
    ]);
  });

  it('keep a field called __proto__', () => {
    const markers = new Markers();
    const value = JSON.parse('{"__proto__": {"a": 1}}');
    expect(joined(markers, JSON.stringify(markers.json(value)))).toBe('{"__proto__":{"a":1}}');
  });

  it.each([
    ['cut', (marker: string) => marker.slice(0, 6)],
    ['written in capitals', (marker: string) => marker.toUpperCase()],
    ['escaped once too often', (marker: string) => marker.replace('"', '\\\\"')],
    [
      'written in ASCII',
      (marker: string) => marker.replace(/[\ud800-\udfff]/g, (half) => `\\u${half.charCodeAt(0).toString(16)}`),
    ],
  ])('that a template has %s are noticed', (_, change) => {
    const markers = new Markers();
    const marker = markers.text('text');
    expect(() => markers.split(`x${change(marker)}`)).toThrow(expect.objectContaining({ code: 'unsupported' }));
  });
});
