import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../lib/errors.ts';
import { describeFailure, exitStatus, usageError } from './failure.ts';
import { createStyle } from './output.ts';

const plain = createStyle(false);

describe('a failure', () => {
  it('is its message and its hint', () => {
    const error = new FreeholdError('port_in_use', 'Port 8080 is in use.', {
      hint: 'Use --port.',
      cause: new Error('EADDRINUSE'),
    });
    expect(describeFailure(error, plain, false)).toEqual(['error: Port 8080 is in use.', 'Use --port.']);
  });

  it('shows what lies underneath when asked to', () => {
    const error = new FreeholdError('file_io', 'No.', { cause: new Error('outer', { cause: new Error('inner') }) });
    const text = describeFailure(error, plain, true).join('\n');
    expect(text).toContain('code: file_io');
    expect(text).toMatch(/caused by: Error: outer\n[\s\S]*caused by: Error: inner/);
  });

  it('names an unforeseen error instead of hiding it', () => {
    const [first, second] = describeFailure(new TypeError('x is not a function'), plain, false);
    expect(first).toContain('inside Freehold');
    expect(second).toContain('TypeError: x is not a function');
  });

  it('cannot drive the terminal', () => {
    const error = new FreeholdError('gguf_invalid', 'Bad name \u001b]0;x\u0007.', { hint: '\u001b[2J' });
    expect(describeFailure(error, plain, false).join('')).not.toMatch(/[\u001b\u0007]/);
  });

  it('exits with 2 for wrong usage and settings, 130 when interrupted, else 1', () => {
    expect(exitStatus(usageError('x'))).toBe(2);
    expect(exitStatus(new FreeholdError('config_invalid', 'x'))).toBe(2);
    expect(exitStatus(new FreeholdError('invalid_request', 'x'))).toBe(2);
    expect(exitStatus(new FreeholdError('cancelled', 'x'))).toBe(130);
    expect(exitStatus(new FreeholdError('model_not_found', 'x'))).toBe(1);
  });
});
