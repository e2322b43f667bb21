// One-time sign-in tokens: what `freehold up` prints so that the page opens signed in. In memory only; each is good
// once and for 24 hours, and a restart makes them all void.
import { hashSecret, randomBase62 } from '../store/secrets.ts';

export interface SignInTokens {
  issue(): string;
  /** @returns true once for each token that was issued and has not expired */
  redeem(token: string): boolean;
}

export const signInLifetimeMs = 24 * 3600_000;

/** @param now milliseconds; tests turn the clock */
export function createSignInTokens(now: () => number = Date.now): SignInTokens {
  /** Hash of a token -> when it expires. Looking up a hash tells nothing about the token by its timing. */
  const open = new Map<string, number>();
  return {
    issue() {
      const token = randomBase62(43);
      open.set(hashSecret(token), now() + signInLifetimeMs);
      return token;
    },
    redeem(token) {
      const hash = hashSecret(token);
      const expiresAt = open.get(hash);
      open.delete(hash);
      return expiresAt !== undefined && now() < expiresAt;
    },
  };
}
