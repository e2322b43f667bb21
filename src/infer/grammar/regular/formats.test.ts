import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { automatonOf } from './automaton.ts';
import { Expressions } from './expressions.ts';
import { stringFormats } from './formats.ts';
import { parsePattern } from './pattern.ts';
import { textsMatching } from './pattern-language.ts';

const addFormats = formats as unknown as typeof formats.default;
const ajv = new Ajv();
addFormats(ajv);

const expressions = new Expressions();
const languageOf = (pattern: string) => textsMatching(expressions, parsePattern(pattern, '#'), '#');

/** What people write, by format. */
const usual: Record<string, string[]> = {
  date: ['2024-02-29', '2023-12-31', '0001-01-01', '2000-02-29', '1999-04-30'],
  time: ['12:30:00Z', '23:59:59.123+05:30', '00:00:00-00:00'],
  'date-time': ['2026-11-22T13:00:00Z', '2024-02-29T23:59:59.999999+14:00'],
  duration: ['P1Y2M3DT4H5M6S', 'PT15M', 'P3W', 'P10D'],
  email: ['a@b.co', 'first.last+tag@sub.example.com', "o'hara@example.org"],
  hostname: ['example.com', 'a', 'ec2-203-0-113-25.compute-1.amazonaws.com', 'x'.repeat(63), 'localhost'],
  ipv4: ['0.0.0.0', '255.255.255.255', '192.168.1.20'],
  ipv6: ['::', '::1', '2001:db8::8a2e:370:7334', '1:2:3:4:5:6:7:8', 'fe80::', '1:2:3:4:5:6:7::'],
  uri: [
    'https://example.com/a/b?c=d&e=%20#f',
    'mailto:a@b.co',
    'urn:isbn:0451450523',
    'file:///etc/hosts',
    'http://user@h:80/',
  ],
  uuid: ['123e4567-e89b-12d3-a456-426614174000', 'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'],
  byte: ['', 'YQ==', 'YWI=', 'YWJj', 'YWJjZGVm'],
  password: ['anything at all'],
  binary: ['\u0000\u0001'],
};

const wrong: Record<string, string[]> = {
  date: ['2023-02-29', '1900-02-29', '2024-13-01', '2024-04-31', '24-01-01'],
  time: ['12:30:00', '24:00:00Z', '12:60:00Z'],
  'date-time': ['2026-11-22 13:00:00Z', '2026-11-22T13:00:00', '2023-02-29T00:00:00Z'],
  duration: ['P', 'PT', '1Y', 'P1W2D'],
  email: ['a@b', 'a..b@c.de', '@b.co', 'a b@c.de'],
  hostname: ['', '-a', 'a-', 'a..b', 'x'.repeat(64), 'a_b'],
  ipv4: ['1.2.3', '256.1.1.1', '01.1.1.1'],
  ipv6: ['1:2:3', ':::', '1:2:3:4:5:6:7:8:9', '1::2::3', '12345::'],
  uri: ['example.com', '//a/b', 'http://a b', 'http://a/"'],
  uuid: ['123e4567e89b12d3a456426614174000', '123e4567-e89b-12d3-a456-42661417400'],
  byte: ['YQ', 'YQ=', 'Y===', 'a b='],
};

describe('formats', () => {
  it('take what people write and validators accept', () => {
    for (const [format, pattern] of Object.entries(stringFormats)) {
      for (const text of usual[format] ?? []) {
        expect([format, text, pattern === undefined || new RegExp(pattern, 'u').test(text)]).toEqual([
          format,
          text,
          true,
        ]);
        expect([format, text, ajv.validate({ type: 'string', format }, text)]).toEqual([format, text, true]);
      }
      expect([format, usual[format]?.length ?? 0]).not.toEqual([format, 0]);
    }
  });

  it('take nothing else', () => {
    for (const [format, texts] of Object.entries(wrong)) {
      for (const text of texts) {
        expect([format, text, new RegExp(stringFormats[format] as string, 'u').test(text)]).toEqual([
          format,
          text,
          false,
        ]);
      }
    }
  });

  it('have automata whose texts validators accept', () => {
    // a text for every edge: the shortest way there, the edge, the shortest way to an end
    for (const [format, pattern] of Object.entries(stringFormats)) {
      if (pattern === undefined) continue;
      const automaton = automatonOf(expressions, languageOf(pattern), 5000);
      const toState: (string | undefined)[] = [''];
      const order = [0];
      for (const state of order) {
        for (const { set, to } of automaton[state]?.edges ?? []) {
          if (toState[to] !== undefined) continue;
          toState[to] = toState[state] + String.fromCodePoint(set[0] as number);
          order.push(to);
        }
      }
      const toEnd: (string | undefined)[] = automaton.map(({ accepts }) => (accepts ? '' : undefined));
      for (let found = true; found; ) {
        found = false;
        for (const [state, { edges }] of automaton.entries()) {
          const edge = edges.find(({ to }) => toEnd[to] !== undefined);
          if (toEnd[state] !== undefined || !edge) continue;
          toEnd[state] = String.fromCodePoint(edge.set[0] as number) + toEnd[edge.to];
          found = true;
        }
      }
      const validate = ajv.compile({ type: 'string', format });
      for (const [state, { edges }] of automaton.entries()) {
        for (const { set, to } of edges) {
          for (const code of [set[0], set.at(-1)] as number[]) {
            const text = `${toState[state]}${String.fromCodePoint(code)}${toEnd[to]}`;
            expect([format, text, validate(text)]).toEqual([format, text, true]);
          }
        }
      }
    }
  });
});
