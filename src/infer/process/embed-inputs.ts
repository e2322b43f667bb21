// From the texts of an embedding or rerank request to tokens: each text, or pair of texts, in the frame of special
// tokens or in the template its model was trained with. What people wrote never becomes a special token.
import { cancelled, FreeholdError } from '../../lib/errors.ts';
import type { TextFrame } from '../../native/embeddings.ts';
import type { PromptPiece } from './chat-template.ts';
import { createPromptTokenizer, type PromptVocabulary } from './prompt.ts';

export interface EmbedInputs {
  /** @throws FreeholdError context_exceeded, invalid_request, cancelled */
  texts(texts: readonly string[], isCancelled: () => boolean): Promise<Int32Array[]>;
  /** One row of tokens for each document. @throws FreeholdError as `texts` */
  pairs(query: string, documents: readonly string[], isCancelled: () => boolean): Promise<Int32Array[]>;
}

export interface EmbedInputsOptions {
  vocabulary: PromptVocabulary;
  frame: TextFrame;
  /** Of a model that scores pairs; `{query}` and `{document}` stand for the texts. Default: the frame. */
  template?: string;
  /** Most tokens of one input, frame included. */
  contextTokens: number;
}

/** Characters that are tokenized before other work is let in. */
const sliceLength = 16_384;

export function createEmbedInputs(options: EmbedInputsOptions): EmbedInputs {
  const { frame, template, contextTokens } = options;
  const tokenizer = createPromptTokenizer({ ...options.vocabulary, addBos: false }, template);

  /** Tokens of plain text, or of a template with texts in it. */
  async function tokensOf(pieces: PromptPiece[], most: number, what: string, isCancelled: () => boolean) {
    try {
      return await tokenizer.tokenize(pieces, most + 1, isCancelled);
    } catch (error) {
      if (!(error instanceof FreeholdError) || error.code !== 'context_exceeded') throw error;
      throw new FreeholdError(
        'context_exceeded',
        `${what} is longer than the ${contextTokens} tokens this model reads.`,
        {
          hint: 'Cut it into shorter pieces.',
          field: what.replace(/\[.*/, ''),
        },
      );
    }
  }
  const plain = (text: string): PromptPiece[] => [{ origin: 'text', text }];

  /** One after the other, with room for other work in between. */
  async function each(
    texts: readonly string[],
    isCancelled: () => boolean,
    tokens: (text: string, index: number) => Promise<Int32Array>,
  ) {
    const rows: Int32Array[] = [];
    let sliced = 0;
    for (const [index, text] of texts.entries()) {
      rows.push(await tokens(text, index));
      sliced += text.length + 100;
      if (sliced < sliceLength) continue;
      sliced = 0;
      await new Promise(setImmediate);
      if (isCancelled()) throw cancelled();
    }
    return rows;
  }

  return {
    texts(texts, isCancelled) {
      const room = contextTokens - frame.before.length - frame.after.length;
      return each(texts, isCancelled, async (text, index) => {
        const tokens = await tokensOf(plain(text), room, `input[${index}]`, isCancelled);
        if (tokens.length === 0) {
          throw new FreeholdError('invalid_request', `input[${index}] is empty.`, { field: 'input' });
        }
        return Int32Array.from([...frame.before, ...tokens, ...frame.after]);
      });
    },
    async pairs(query, documents, isCancelled) {
      if (template !== undefined) {
        const parts = template.split(/(\{query\}|\{document\})/);
        return each(documents, isCancelled, (document, index) => {
          const pieces = parts.map((part): PromptPiece => {
            if (part === '{query}') return { origin: 'text', text: query };
            if (part === '{document}') return { origin: 'text', text: document };
            return { origin: 'template', text: part };
          });
          return tokensOf(pieces, contextTokens, `documents[${index}] with the query`, isCancelled);
        });
      }
      const { before, between, after } = frame;
      const room = contextTokens - before.length - between.length - after.length;
      const asked = await tokensOf(plain(query), room, 'query', isCancelled);
      return each(documents, isCancelled, async (document, index) => {
        const tokens = await tokensOf(
          plain(document),
          room - asked.length,
          `documents[${index}] with the query`,
          isCancelled,
        );
        return Int32Array.from([...before, ...asked, ...between, ...tokens, ...after]);
      });
    },
  };
}
