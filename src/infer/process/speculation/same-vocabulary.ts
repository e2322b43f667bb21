// Whether a draft model speaks in the same tokens as the model it guesses for: token by token, or its guesses would mean
// something else.
import { FreeholdError } from '../../../lib/errors.ts';
import type { Vocabulary } from '../../../native/llama.ts';

/** @throws FreeholdError config_invalid that says where they differ */
export function requireSameVocabulary(target: Vocabulary, draft: Vocabulary): void {
  if (draft.size !== target.size) {
    throw differs(`it has ${draft.size} tokens, the model ${target.size}`);
  }
  for (let token = 0; token < target.size; token++) {
    const [ofDraft, ofTarget] = [draft.textOf(token), target.textOf(token)];
    if (ofDraft !== ofTarget) {
      throw differs(`its token ${token} is ${JSON.stringify(ofDraft)}, the model's ${JSON.stringify(ofTarget)}`);
    }
  }
}

function differs(how: string): FreeholdError {
  return new FreeholdError('config_invalid', `The draft model has another vocabulary than the model: ${how}.`, {
    hint: 'Name a smaller model of the same family as the draft, or none.',
    field: 'draftFile',
  });
}
