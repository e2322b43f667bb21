// Which models may be asked to chat. Refusing the others before they are loaded costs nobody a load.
import { FreeholdError } from '../lib/errors.ts';
import type { LocalModel, ModelKind } from './types.ts';

const purposes: Record<Exclude<ModelKind, 'chat'>, string> = {
  embedding: 'it is an embedding model: it turns text into vectors',
  rerank: 'it is a rerank model: it scores passages against a query',
};

/**
 * Passes a model that chats, and one of which nobody knows what it is for.
 * @throws FreeholdError unsupported
 */
export function requireChat({ name, kind }: Pick<LocalModel, 'name' | 'kind'>): void {
  if (kind === undefined || kind === 'chat') return;
  throw new FreeholdError('unsupported', `The model "${name}" cannot chat; ${purposes[kind]}.`, {
    hint: 'Choose a chat model: `freehold models` shows what is here.',
    field: 'model',
  });
}
