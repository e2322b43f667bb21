// How hard a model is to think, as the API says it, and how many tokens of thought that is worth here. Pure.
import { z } from 'zod';
import type { GenerateRequest } from '../../lib/text-model.ts';

export const effort = z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']);

export type Effort = z.output<typeof effort>;

/** Most tokens of thought; what is thought then ends, and the answer begins. `xhigh` and `max` have no such limit. */
export const effortBudgets = { low: 1024, medium: 4096, high: 16384 } as const;

/** @returns undefined where nothing was said: the model does as it is used to */
export function thinkingOf(given: Effort | null | undefined): GenerateRequest['thinking'] {
  switch (given) {
    case null:
    case undefined:
      return undefined;
    case 'none':
    case 'minimal':
      return { type: 'disabled' };
    case 'xhigh':
    case 'max':
      return { type: 'enabled' };
    default:
      return { type: 'enabled', budgetTokens: effortBudgets[given] };
  }
}
