import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import { anthropicError } from './errors.ts';

describe('an error', () => {
  it.each([
    ['invalid_request', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['forbidden', 403, 'permission_error'],
    ['model_not_found', 404, 'not_found_error'],
    ['payload_too_large', 413, 'request_too_large'],
    ['rate_limited', 429, 'rate_limit_error'],
    ['internal', 500, 'api_error'],
    ['model_process_lost', 503, 'api_error'],
    ['overloaded', 529, 'overloaded_error'],
  ] as const)('%s has status %i and type %s', (code, status, type) => {
    const answer = anthropicError(new FreeholdError(code, 'It broke.', { hint: 'Mend it.' }), 'req_1');
    expect(answer).toMatchObject({
      status,
      body: { type: 'error', error: { type, message: 'It broke. Mend it.' }, request_id: 'req_1' },
    });
  });

  it.each([
    [402, 'billing_error'],
    [504, 'timeout_error'],
    [507, 'api_error'],
    [409, 'invalid_request_error'],
  ])('of status %i, which engines elsewhere may answer with, has type %s', (status, type) => {
    const error = Object.assign(new FreeholdError('internal', 'x'), { status });
    expect(anthropicError(error, 'r')).toMatchObject({ status, body: { error: { type } } });
  });

  it('of a refused thread says so as the vendor does; others have no details', () => {
    const refused = (field: string) => anthropicError(new FreeholdError('unsupported', 'x', { field }), 'r').body;
    expect(refused('thread')).toMatchObject({ error: { details: { error_code: 'thread_unsupported_request' } } });
    expect((refused('tools') as { error: object }).error).not.toHaveProperty('details');
  });

  it('of a prompt over context has the words of the vendor', () => {
    expect(anthropicError(new FreeholdError('context_exceeded', 'It has 9 tokens.'), 'r').body).toMatchObject({
      error: { message: 'prompt is too long: It has 9 tokens.' },
    });
    const counted = new FreeholdError('context_exceeded', 'The prompt is 9 tokens long.', {
      hint: 'Shorten it.',
      tokens: { prompt: 9, context: 8 },
    });
    expect(anthropicError(counted, 'r').body).toMatchObject({
      error: { message: 'prompt is too long: 9 tokens > 8 maximum. Shorten it.' },
    });
  });

  it('says whether and when to try again', () => {
    const headers = (retryAfterMs?: number) =>
      anthropicError(new FreeholdError('overloaded', 'x', retryAfterMs === undefined ? {} : { retryAfterMs }), 'r')
        .headers;
    expect(headers(10)).toMatchObject({ 'x-should-retry': 'true', 'retry-after': '1', 'retry-after-ms': '10' });
    expect(headers(2500)).toMatchObject({ 'retry-after': '3' });
    expect(headers()).toMatchObject({ 'retry-after': '1' });
    expect(anthropicError(new FreeholdError('does_not_fit', 'x'), 'r').headers).toEqual({ 'x-should-retry': 'false' });
  });
});
