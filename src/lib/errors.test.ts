import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { asFreeholdError, errorKinds, FreeholdError, fromErrorRecord, invariant, toErrorRecord } from './errors.ts';

describe('FreeholdError', () => {
  it('takes status and retryable from its code', () => {
    expect(new FreeholdError('overloaded', 'full', { retryAfterMs: 5 })).toMatchObject({
      status: 529,
      retryable: true,
      retryAfterMs: 5,
    });
    expect(new FreeholdError('model_not_found', 'no')).toMatchObject({ status: 404, retryable: false });
  });

  it('crosses a process border whole, its cause aside', () => {
    const error = new FreeholdError('invalid_request', 'bad', {
      hint: 'mend it',
      field: 'a.b',
      cause: new Error('secret'),
    });
    const record = JSON.parse(JSON.stringify(toErrorRecord(error)));
    expect(record).toEqual({ code: 'invalid_request', message: 'bad', hint: 'mend it', field: 'a.b' });
    expect(fromErrorRecord(record)).toMatchObject({ status: 400, field: 'a.b' });
    const tokens = { prompt: 9, context: 8 };
    const long = toErrorRecord(new FreeholdError('context_exceeded', 'long', { tokens }));
    expect(fromErrorRecord(JSON.parse(JSON.stringify(long)))).toMatchObject({ tokens });
  });

  it('hides what it does not know, and keeps it as the cause', () => {
    const cause = new Error('/home/someone/secret');
    const error = asFreeholdError(cause);
    expect(error).toMatchObject({ code: 'internal', status: 500, cause });
    expect(error.message).not.toContain('secret');
    expect(asFreeholdError(error)).toBe(error);
  });
});

describe('invariant', () => {
  it('throws only when it is broken', () => {
    invariant(true, 'x');
    expect(() => invariant(0, 'zero')).toThrow('invariant broken: zero');
  });
});

describe('docs/errors.md', () => {
  // to write it anew: npx vitest run src/lib/errors.test.ts -u
  it('lists exactly the codes', async () => {
    const rows = Object.entries(errorKinds).map(
      ([code, { status, retryable, meaning }]) =>
        `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${meaning} |`,
    );
    const page = [
      '# Errors',
      '',
      'Every error has one of these codes. HTTP answers carry the status and the message in the shape of the protocol that was',
      'spoken; the command line prints message and hint, and the code with `--json`. A retryable error may go away by itself: the',
      'same request can be sent again, after `retry-after` where the answer names it.',
      '',
      '| code | status | retryable | meaning |',
      '|---|---|---|---|',
      ...rows,
      '',
    ].join('\n');
    await expect(page).toMatchFileSnapshot(path.join(import.meta.dirname, '../../docs/errors.md'));
  });
});
