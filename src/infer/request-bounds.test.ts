import { describe, expect, it } from 'vitest';
import type { GenerateRequest } from '../lib/text-model.ts';
import { refuseTooManyTurns, roughBytes } from './request-bounds.ts';

const conversation = (roles: ('user' | 'assistant')[]): GenerateRequest => ({
  messages: roles.map((role) => ({ role, content: [{ type: 'text', text: 'a' }] })),
  tenant: 'a',
  traceId: 'test',
});
const alternating = (count: number) =>
  conversation(Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'user' : 'assistant')));

describe('a conversation of more turns than the context has tokens', () => {
  it('is refused with both numbers', () => {
    expect(() => refuseTooManyTurns(alternating(513), 512)).toThrow(
      expect.objectContaining({ code: 'context_exceeded', tokens: { prompt: 513, context: 512 } }),
    );
    expect(() => refuseTooManyTurns(alternating(512), 512)).not.toThrow();
  });

  it('is not one of as many messages of one role, which become one turn', () => {
    expect(() => refuseTooManyTurns(conversation(Array(600).fill('user')), 512)).not.toThrow();
  });
});

describe('the rough size of a message', () => {
  it('is near that of its JSON', () => {
    const message = { ...alternating(50), sampling: { temperature: 0.5, stop: ['x'.repeat(1000)] } };
    const exact = JSON.stringify(message).length;
    expect(roughBytes(message) / exact).toBeGreaterThan(0.7);
    expect(roughBytes(message) / exact).toBeLessThan(1.5);
  });
});
