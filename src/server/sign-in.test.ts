import { expect, it } from 'vitest';
import { createSignInTokens, signInLifetimeMs } from './sign-in.ts';

it('is good once, for a day, and only as it was issued', () => {
  let now = 0;
  const tokens = createSignInTokens(() => now);
  const [first, second] = [tokens.issue(), tokens.issue()];
  expect(first).not.toBe(second);
  expect(tokens.redeem('guess')).toBe(false);
  expect(tokens.redeem(first)).toBe(true);
  expect(tokens.redeem(first)).toBe(false);
  now = signInLifetimeMs;
  expect(tokens.redeem(second)).toBe(false);
});
