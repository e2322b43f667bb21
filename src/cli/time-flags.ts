// Times as flags give them: `--grace 24h`, `--expires 30d`, `--expires 2027-01-31`. Knows no command.
import { InvalidArgumentError } from 'commander';

const unitMs: Record<string, number> = {
  s: 1000,
  min: 60_000,
  h: 3600_000,
  d: 24 * 3600_000,
  w: 7 * 24 * 3600_000,
  y: 365 * 24 * 3600_000,
};

const mostMs = 100 * 365 * 24 * 3600_000;

function durationMs(given: string): number | undefined {
  const [, count, unit] = /^(\d{1,9}(?:\.\d{1,3})?) ?(s|min|h|d|w|y)$/.exec(given.trim()) ?? [];
  if (count === undefined || unit === undefined) return given.trim() === '0' ? 0 : undefined;
  const ms = Math.round(Number(count) * (unitMs[unit] as number));
  return ms <= mostMs ? ms : undefined;
}

/** `90min`, `24h`, `30d`, `2w`, `1y` or `0` in milliseconds. @throws InvalidArgumentError */
export function parseDuration(given: string): number {
  const ms = durationMs(given);
  if (ms === undefined) throw new InvalidArgumentError('Expected a time such as 90min, 24h, 30d, 2w or 1y.');
  return ms;
}

/**
 * A duration from now, or a date.
 * @param nowMs milliseconds since 1970
 * @returns milliseconds since 1970; of a date alone its beginning, UTC
 * @throws InvalidArgumentError for anything else, a day that no calendar has, and what is not in the future
 */
export function parseMoment(given: string, nowMs: number = Date.now()): number {
  const text = given.trim();
  const duration = durationMs(text);
  const moment = duration === undefined ? dateMs(text) : nowMs + duration;
  if (moment === undefined || Number.isNaN(moment)) {
    throw new InvalidArgumentError('Expected a time from now, such as 12h, 30d or 1y, or a date such as 2027-01-31.');
  }
  if (moment <= nowMs) throw new InvalidArgumentError('Expected a time in the future.');
  return moment;
}

function dateMs(text: string): number | undefined {
  const [, day, time = '', zone] = /^(\d{4}-\d\d-\d\d)(T\d\d:\d\d(?::\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  if (day === undefined) return undefined;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  // the parser takes February 30 for March 2
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return undefined;
  return Date.parse(time === '' ? `${day}T00:00:00Z` : `${text}${zone === undefined ? 'Z' : ''}`);
}
