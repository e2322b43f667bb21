// Which models may be asked for what. Refusing the others before they are loaded costs nobody a load.
import { FreeholdError } from '../lib/errors.ts';
import type { LocalModel, ModelKind } from './types.ts';

const purposes: Record<ModelKind, string> = {
  chat: 'it is a chat model: it writes answers',
  embedding: 'it is an embedding model: it turns text into vectors',
  rerank: 'it is a rerank model: it scores passages against a query',
};

const abilities: Record<ModelKind, string> = {
  chat: 'chat',
  embedding: 'turn text into vectors',
  rerank: 'score documents',
};

/**
 * Passes a model of the kind that is wanted, and one of which nobody knows what it is for.
 * @throws FreeholdError unsupported
 */
export function requireKind({ name, kind }: Pick<LocalModel, 'name' | 'kind'>, wanted: ModelKind): void {
  if (kind === undefined || kind === wanted) return;
  throw new FreeholdError('unsupported', `The model "${name}" cannot ${abilities[wanted]}; ${purposes[kind]}.`, {
    hint: `Choose ${wanted === 'embedding' ? 'an' : 'a'} ${wanted} model: \`freehold models\` shows what is here.`,
    field: 'model',
  });
}
