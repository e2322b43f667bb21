import { describe, expect, it } from 'vitest';
import { parseDuration, parseMoment } from './time-flags.ts';

const now = Date.parse('2026-11-22T12:00:00Z');

describe('a time as a flag', () => {
  it.each([
    ['0', 0],
    ['30s', 30_000],
    ['90min', 5_400_000],
    ['24h', 86_400_000],
    ['1.5 h', 5_400_000],
    ['2w', 1_209_600_000],
  ])('%s is a duration', (given, ms) => {
    expect(parseDuration(given)).toBe(ms);
  });

  it.each(['', '24', '-1h', '1m', '1 month', 'h', '1e9d', '999999999y', 'NaNh', '٣h'])('%j is none', (given) => {
    expect(() => parseDuration(given)).toThrow('Expected a time');
  });

  it.each([
    ['30d', '2026-12-22T12:00:00.000Z'],
    ['2027-01-31', '2027-01-31T00:00:00.000Z'],
    ['2027-01-31T10:30', '2027-01-31T10:30:00.000Z'],
    ['2027-01-31T10:30:05+02:00', '2027-01-31T08:30:05.000Z'],
  ])('%s is a moment', (given, iso) => {
    expect(new Date(parseMoment(given, now)).toISOString()).toBe(iso);
  });

  it.each(['', 'tomorrow', '2027-02-30', '2027-13-01', '31.1.2027', '2027-01-31T25:00', '20270131'])(
    '%j is none',
    (given) => {
      expect(() => parseMoment(given, now)).toThrow('Expected a time from now');
    },
  );

  it.each(['0', '2026-11-22', '1999-01-01'])('%s is not in the future', (given) => {
    expect(() => parseMoment(given, now)).toThrow('in the future');
  });
});
