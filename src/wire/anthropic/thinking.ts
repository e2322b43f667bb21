// Whether the model thinks before it answers, and whether its thoughts are shown. Without `thinking` it does not, as at
// the vendor: programs written for that read the answer from `content[0]`. Pure.
import type { GenerateRequest } from '../../lib/text-model.ts';
import { invalid } from './errors-at.ts';
import type { GivenPrompt } from './schema.ts';

/**
 * What becomes of thoughts: `shown` as thinking blocks, `omitted` from blocks that stay as proof that there were some,
 * or `hidden`: no block at all.
 */
export type Thoughts = 'shown' | 'omitted' | 'hidden';

/** How long an adaptive model may think at an effort, in tokens; the higher ones know no limit but `max_tokens`. */
const tokensOfEffort: Record<string, number> = { low: 1024, medium: 4096, high: 16_384 };

/**
 * @param maxTokens the answer's limit, where there is an answer
 * @throws FreeholdError invalid_request for a budget that leaves no room for the answer, and where the answer cannot begin
 * with thoughts
 */
export function thinkingOf(
  given: GivenPrompt,
  maxTokens: number | undefined,
): { thinking: NonNullable<GenerateRequest['thinking']>; thoughts: Thoughts } {
  const off = { thinking: { type: 'disabled' }, thoughts: 'hidden' } as const;
  const asked = given.thinking;
  switch (asked?.type) {
    case 'enabled': {
      const budgetTokens = asked.budget_tokens;
      if (maxTokens !== undefined && budgetTokens >= maxTokens) {
        throw invalid(['max_tokens'], '`max_tokens` must be greater than `thinking.budget_tokens`.');
      }
      if (given.tool_choice?.type === 'any' || given.tool_choice?.type === 'tool') {
        throw invalid(['thinking'], 'Thinking may not be enabled when tool_choice forces tool use.');
      }
      if (given.messages.at(-1)?.role === 'assistant') {
        const message = 'The last message is the assistant’s: an answer that continues it cannot begin with thoughts.';
        throw invalid(['thinking'], message, 'End with a user message, or leave out thinking.');
      }
      return { thinking: { type: 'enabled', budgetTokens }, thoughts: thoughtsOf(asked.display) };
    }
    case 'adaptive': {
      const budgetTokens = tokensOfEffort[given.output_config?.effort ?? ''];
      const thinking = { type: 'enabled' as const, ...(budgetTokens !== undefined && { budgetTokens }) };
      return { thinking, thoughts: thoughtsOf(asked.display) };
    }
    case 'between_tools':
      return answersTools(given) ? { thinking: { type: 'enabled' }, thoughts: 'shown' } : off;
    default:
      return off;
  }
}

const thoughtsOf = (display: string | null | undefined): Thoughts => (display === 'omitted' ? 'omitted' : 'shown');

/** Whether the conversation ends with results of tools. */
function answersTools({ messages }: GivenPrompt): boolean {
  const last = messages.findLast(({ role }) => role !== 'system');
  return last?.role === 'user' && holdsResults(last.content);
}

/** Whether a user's message answers calls of tools. */
export function holdsResults(content: GivenPrompt['messages'][number]['content']): boolean {
  return typeof content !== 'string' && content.some(({ type }) => type === 'tool_result');
}
