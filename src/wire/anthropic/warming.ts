// `max_tokens: 0` computes a prompt for the cache and answers nothing. Engines generate at least one token, which nobody
// gets to see. Pure.
import type { GenerateEvent } from '../../lib/text-model.ts';
import type { Completion, StreamEncoder } from '../completion.ts';

/** What the engine is asked for in place of no tokens at all. */
export const fewestTokens = 1;

/** A whole answer without what was generated. */
export function silenced(completion: Completion): Completion {
  return {
    ...completion,
    blocks: [],
    usage: { ...completion.usage, outputTokens: 0 },
    stopReason: 'max-tokens',
    stopSequence: undefined,
  };
}

/** The same of a stream. */
export function silencedStream(encoder: StreamEncoder): StreamEncoder {
  const silence = (event: GenerateEvent): GenerateEvent | undefined => {
    switch (event.type) {
      case 'start':
        return event;
      case 'usage':
        return { ...event, outputTokens: 0 };
      case 'stop':
        return { type: 'stop', reason: 'max-tokens' };
      default:
        return undefined;
    }
  };
  return {
    ...encoder,
    encode(event, answer) {
      const kept = silence(event);
      return kept === undefined ? '' : encoder.encode(kept, answer);
    },
  };
}
