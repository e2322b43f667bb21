import { describe, expect, it } from 'vitest';
import { parseSlash } from './slash.ts';

describe('a slash', () => {
  it('is a command with what follows it', () => {
    expect(parseSlash('/new')).toEqual({ type: 'command', name: 'new', argument: '' });
    expect(parseSlash(' /System  Be brief.\nAnd kind. ')).toEqual({
      type: 'command',
      name: 'system',
      argument: 'Be brief.\nAnd kind.',
    });
    expect(parseSlash('/q')).toMatchObject({ name: 'bye' });
    expect(parseSlash('/?')).toMatchObject({ name: 'help' });
  });

  it('that is no command is said to be unknown', () => {
    expect(parseSlash('/modle x')).toEqual({ type: 'unknown', word: 'modle' });
  });

  it('begins a message when what follows is no word', () => {
    expect(parseSlash('/usr/bin is what?')).toBeUndefined();
    expect(parseSlash('/ 2')).toBeUndefined();
    expect(parseSlash('say /new')).toBeUndefined();
    expect(parseSlash('')).toBeUndefined();
  });
});
