// How much memory the request bodies that are being read may take together. One body is bounded by bodyLimitBytes; many at
// once, each copied as bytes, as text and as values, would still fill the memory. Whoever comes later is asked to wait.
import { FreeholdError } from '../lib/errors.ts';

/** What one body takes of the room of all. */
export interface BodyShare {
  /**
   * Asks for room for a body of which so many bytes came in all; never less than before.
   * @throws FreeholdError overloaded when the others leave too little
   */
  grow(totalBytes: number): void;
  /** Gives the room back. */
  end(): void;
}

export interface BodyBudget {
  begin(): BodyShare;
}

/** A body up to this size is not counted: whoever sends large ones must not keep out everyone who talks. */
const uncountedBytes = 64 << 10;

/** @param mostBytes of all bodies together; a body that is alone is let through whatever its size */
export function createBodyBudget(mostBytes: number): BodyBudget {
  let taken = 0;
  return {
    begin() {
      let own = 0;
      return {
        grow(totalBytes) {
          const wanted = totalBytes <= uncountedBytes ? 0 : totalBytes;
          if (wanted <= own) return;
          const others = taken - own;
          if (others > 0 && others + wanted > mostBytes) {
            throw new FreeholdError(
              'overloaded',
              'The server is reading as many large request bodies as it has room for.',
              {
                hint: 'Wait a moment and send it again, or send fewer large requests at once.',
                retryAfterMs: 1000,
              },
            );
          }
          taken = others + wanted;
          own = wanted;
        },
        end() {
          taken -= own;
          own = 0;
        },
      };
    },
  };
}
