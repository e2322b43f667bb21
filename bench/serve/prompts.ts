// Prompts of exact lengths for any model: words that are one token each, and the model's own chat template around them.
import { createChatTemplate } from '../../src/infer/process/chat-template.ts';
import { createPromptTokenizer } from '../../src/infer/process/prompt.ts';
import { createRandom } from '../../src/lib/random.ts';
import { loadNative } from '../../src/native/ffi.ts';
import { Model } from '../../src/native/llama.ts';
import { type Load, type Prompt, promptLengths } from './loads.ts';

const wordsToChooseFrom = 2000;
const attempts = 20;
const warmUpTokens = 64;

/**
 * The prompts of every round of the given loads; the first round of each, of short ones, is for warming up. No prompt comes twice.
 * @param file the model
 * @returns by the order of the loads, then by round
 */
export async function makePrompts(file: string, loads: readonly Load[]): Promise<Prompt[][][]> {
  const model = await Model.load(loadNative({ device: 'cpu' }), { file, gpuLayers: 0 });
  try {
    const compose = composer(model);
    const made: Prompt[][][] = [];
    for (const load of loads) {
      const rounds: Prompt[][] = [];
      for (let round = 0; round <= load.rounds; round++) {
        const warming = round === 0;
        const shared = warming ? [] : compose.words(load.sharedTokens);
        const prompts: Prompt[] = [];
        for (const tokens of promptLengths(load)) {
          prompts.push(await compose.prompt(warming ? Math.min(tokens, warmUpTokens) : tokens, shared));
        }
        rounds.push(prompts);
      }
      made.push(rounds);
    }
    return made;
  } finally {
    model.dispose();
  }
}

function composer(model: Model) {
  const { vocabulary } = model;
  const textOf = (token: number | undefined) => (token === undefined ? '' : vocabulary.textOf(token));
  const template = createChatTemplate(
    model.chatTemplate,
    { bos: textOf(vocabulary.bos), eos: textOf(vocabulary.eos) },
    vocabulary.controlTokens.has('<|im_start|>') || vocabulary.userDefinedTokens.has('<|im_start|>'),
  );
  const tokenizer = createPromptTokenizer(vocabulary, model.chatTemplate);
  const vocabularyWords = wordsOf(model);
  const random = createRandom(2026);
  const words = (count: number) =>
    Array.from({ length: count }, () => vocabularyWords[Math.floor(random.next() * vocabularyWords.length)] as string);

  const render = async (content: string): Promise<Prompt> => {
    const pieces = template.render({
      messages: [{ role: 'user', content: [{ type: 'text', text: content }] }],
      tenant: 'bench',
      traceId: 'bench',
    });
    const tokens = await tokenizer.tokenize(pieces, Number.POSITIVE_INFINITY);
    return { text: content, rendered: pieces.map(({ text }) => text).join(''), tokens: [...tokens] };
  };

  /** Tokens of the template, found by a trial. */
  let around: number | undefined;
  return {
    words,
    /** @param shared words to begin with; the template's own tokens count as shared */
    async prompt(tokens: number, shared: readonly string[]): Promise<Prompt> {
      around ??= (await render(words(8).join(' '))).tokens.length - 8;
      const beginning = shared.slice(0, Math.max(0, shared.length - around));
      for (let attempt = 0; attempt < attempts; attempt++) {
        const content = [...beginning, ...words(tokens - around - beginning.length)].join(' ');
        const prompt = await render(content);
        if (prompt.tokens.length === tokens) return prompt;
      }
      throw new Error(`no prompt of ${tokens} tokens could be put together for this model`);
    },
  };
}

/** Lower-case words that are one token after a space. */
function wordsOf({ vocabulary }: Model): string[] {
  const found: string[] = [];
  for (let token = 0; token < vocabulary.size && found.length < wordsToChooseFrom; token++) {
    const word = /^[Ġ▁]([a-z]{3,10})$/u.exec(vocabulary.textOf(token))?.[1];
    if (word && vocabulary.tokenize(` ${word}`).length === 1) found.push(word);
  }
  if (found.length < 100) throw new Error(`the vocabulary of this model has only ${found.length} words of one token`);
  return found;
}
