// Scripts for the fake model: what each answer in turn yields, event by event, as an engine would.
import { newId } from '../../src/lib/ids.ts';
import type { GenerateEvent, StopReason } from '../../src/lib/text-model.ts';
import type { Generate } from './fake-model.ts';

/** Text in pieces. */
export const says = (...pieces: string[]): GenerateEvent[] => pieces.map((text) => ({ type: 'text-delta', text }));

/** Thoughts in pieces. */
export const thinks = (...pieces: string[]): GenerateEvent[] =>
  pieces.map((text) => ({ type: 'thinking-delta', text }));

/** A call of a tool, its input in pieces of a few characters. */
export function calls(name: string, input: unknown, id = newId('call')): GenerateEvent[] {
  const pieces = JSON.stringify(input).match(/.{1,7}/gsu) ?? [];
  return [
    { type: 'tool-use-start', id, name },
    ...pieces.map((json): GenerateEvent => ({ type: 'tool-use-delta', json })),
    { type: 'tool-use-stop' },
  ];
}

/**
 * A whole answer: 10 tokens of prompt, 4 of them cached, and a token for each event.
 * @param stop default: `tool-use` where a tool is called, otherwise `end-turn`
 */
export function answer(events: readonly GenerateEvent[], stop?: StopReason): GenerateEvent[] {
  const thinkingTokens = events.filter(({ type }) => type === 'thinking-delta').length;
  const called = events.some(({ type }) => type === 'tool-use-start');
  return [
    { type: 'start', inputTokens: 10, cachedTokens: 4 },
    ...events,
    { type: 'usage', inputTokens: 10, cachedTokens: 4, outputTokens: events.length, thinkingTokens },
    { type: 'stop', reason: stop ?? (called ? 'tool-use' : 'end-turn') },
  ];
}

/** A model that answers each request with the next of these; the last one again and again. */
export function answering(...scripts: readonly (readonly GenerateEvent[])[]): Generate {
  let next = 0;
  return async function* () {
    yield* answer(scripts[Math.min(next++, scripts.length - 1)] ?? []);
  };
}
