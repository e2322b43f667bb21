// What a request would cost the model process, found before it is sent: a conversation that cannot fit is refused here,
// and the size of a message is guessed, so that a process that does not read is not sent more and more.
import { FreeholdError } from '../lib/errors.ts';
import type { GenerateRequest } from '../lib/text-model.ts';

/**
 * Every turn takes a token at least; rendering and cutting up turns that can never fit would hold the process for seconds.
 * @throws FreeholdError context_exceeded
 */
export function refuseTooManyTurns({ messages }: GenerateRequest, contextTokens: number): void {
  // turns of one role in a row become one
  const turns = messages.filter(({ role }, i) => role !== messages[i - 1]?.role).length;
  if (turns <= contextTokens) return;
  throw new FreeholdError(
    'context_exceeded',
    `The conversation has ${turns} turns and so more than ${turns} tokens; the context of this model holds ${contextTokens}, prompt and answer together.`,
    {
      hint: 'Shorten the conversation, or start the server with a larger --context-tokens.',
      field: 'messages',
      tokens: { prompt: turns, context: contextTokens },
    },
  );
}

/** About how many bytes a value takes as JSON; much cheaper than making it. */
export function roughBytes(value: unknown): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 2;
  for (const [key, each] of Object.entries(value)) bytes += key.length + 4 + roughBytes(each);
  return bytes;
}

export const tooMuchUnread = () =>
  new FreeholdError('overloaded', 'The model has not read the requests before this one yet.', {
    retryAfterMs: 1000,
    hint: 'Try again in a moment.',
  });
