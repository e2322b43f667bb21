// Whether the model thinks before it answers. Bedrock hands on what each vendor calls it: `thinking` (Claude), its older
// `reasoning_config`, `reasoningConfig` (Nova), `reasoning_effort` and `reasoning` (OpenAI). Without one of them a model
// does not think: programs read the answer from the first block. Pure.
import type { GenerateRequest } from '../../lib/text-model.ts';
import { type Effort, thinkingOf as thinkingOfEffort } from '../openai/reasoning.ts';
import { invalid } from './errors-at.ts';
import type { GivenPrompt } from './schema.ts';

type Thinking = NonNullable<GenerateRequest['thinking']>;

/**
 * @param maxTokens the answer's limit, where one is set
 * @param effort how hard to think, where that is said apart; it alone does not make a model think
 * @throws FreeholdError invalid_request for a budget that leaves no room for the answer, and where the answer cannot begin
 * with thoughts
 */
export function thinkingOf(given: GivenPrompt, maxTokens: number | undefined, effort: Effort | undefined): Thinking {
  const asked = askedFor(given);
  if (!asked) return { type: 'disabled' };
  const path = ['additionalModelRequestFields', asked.field];
  if (asked.budgetTokens !== undefined && maxTokens !== undefined && asked.budgetTokens >= maxTokens) {
    throw invalid(path, 'The budget of thoughts must be less than inferenceConfig.maxTokens.');
  }
  const choice = given.toolConfig?.toolChoice;
  if (choice?.any || choice?.tool) throw invalid(path, 'Thinking may not be enabled when toolChoice forces tool use.');
  if (given.messages.at(-1)?.role === 'assistant') {
    const message = 'The last message is the assistant’s: an answer that continues it cannot begin with thoughts.';
    throw invalid(path, message, 'End with a user message, or leave it out.');
  }
  if (asked.budgetTokens !== undefined) return { type: 'enabled', budgetTokens: asked.budgetTokens };
  return thinkingOfEffort(asked.effort ?? effort) ?? { type: 'enabled' };
}

interface Asked {
  field: string;
  budgetTokens?: number | undefined;
  effort?: Effort | undefined;
}

/** The field that turns thinking on, if one does. */
function askedFor({ additionalModelRequestFields: extra }: GivenPrompt): Asked | undefined {
  if (!extra) return undefined;
  const { thinking, reasoning_config: older, reasoningConfig: nova, reasoning_effort: effort, reasoning } = extra;
  for (const [field, claude] of Object.entries({ thinking, reasoning_config: older })) {
    if (claude)
      return claude.type === 'disabled' ? undefined : { field, budgetTokens: claude.budget_tokens ?? undefined };
  }
  if (nova) {
    if (nova.type === 'disabled') return undefined;
    const { budgetTokens, maxReasoningEffort } = nova;
    return {
      field: 'reasoningConfig',
      budgetTokens: budgetTokens ?? undefined,
      effort: maxReasoningEffort ?? undefined,
    };
  }
  const openai: Asked = effort
    ? { field: 'reasoning_effort', effort }
    : { field: 'reasoning', effort: reasoning?.effort ?? undefined };
  return thinkingOfEffort(openai.effort)?.type === 'enabled' ? openai : undefined;
}
