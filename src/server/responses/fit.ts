// A conversation that is too long for its model, made to fit by leaving out its oldest turns: what a caller may ask for
// instead of an error. Knows messages and a count of tokens, no protocol.
import { asFreeholdError } from '../../lib/errors.ts';
import type { GenerateRequest, Message, TextModel } from '../../lib/text-model.ts';

/** An answer is left a quarter of the context, or as much of it as it was given. */
const shareOfAnswer = 1 / 4;

/**
 * The request with as many of its latest turns as the model can hold. The system text and the last turn always stay.
 * @throws FreeholdError whatever counting throws, but for a prompt that is too long
 */
export async function fitted(
  model: Pick<TextModel, 'countTokens' | 'capabilities'>,
  request: GenerateRequest,
  signal: AbortSignal,
): Promise<GenerateRequest> {
  const { contextTokens } = model.capabilities();
  const room = contextTokens - Math.min(request.maxTokens ?? contextTokens, Math.floor(contextTokens * shareOfAnswer));
  const from = (start: number) => ({ ...request, messages: request.messages.slice(start) });
  const fits = async (start: number) => {
    try {
      return (await model.countTokens(from(start), signal)) <= room;
    } catch (error) {
      if (asFreeholdError(error).code === 'context_exceeded') return false;
      throw error;
    }
  };
  if (await fits(0)) return request;
  const starts = request.messages.flatMap((message, index) => (index > 0 && beginsTurn(message) ? [index] : []));
  // the first start that fits, found by halves; all after it fit, too
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await fits(starts[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return from(starts[low] ?? 0);
}

/** What a person says; the result of a call belongs to the call before it. */
function beginsTurn({ role, content }: Message): boolean {
  return role === 'user' && !content.some(({ type }) => type === 'tool-result');
}
