// What a model costs before it exists: parameters, arithmetic, memory. Pure functions of its configuration, for "will it fit?" and
// "how long will it take?".
import { elementCount } from '../tensor/tensor.ts';
import type { ModelConfig, ParameterRole } from './config.ts';
import { parametersOf } from './model.ts';

/** Parameters by what they are for, and all of them. A head tied to the embedding counts as embedding. */
export function parameterCount(config: ModelConfig): Record<ParameterRole | 'total', number> {
  const counts = { matrix: 0, embedding: 0, head: 0, norm: 0, total: 0 };
  for (const { role, shape } of parametersOf(config)) {
    counts[role] += elementCount(shape);
    counts.total += elementCount(shape);
  }
  return counts;
}

/** Parameters that every token is multiplied with: matrices and head, not the look-up of an embedding. */
export function multipliedParameters(config: ModelConfig): number {
  return parameterCount(config).matrix + config.vocab * config.width;
}

/**
 * Floating-point operations of training on one token: forward 2, backward 4 for each multiplied parameter, and the same for scores
 * and weighted sums of attention, where a token sees half of its context on average. Norms and the like are left out, and
 * so is what recomputation does twice: this is the work that is needed, whoever does it.
 */
export function flopsPerToken(config: ModelConfig, context = config.context): number {
  const { layers, heads, headSize } = config;
  const attentionForward = 2 * 2 * layers * heads * headSize * (context / 2);
  return 6 * multipliedParameters(config) + 3 * attentionForward;
}
