// The tokenizer of a run: learned from its texts, taken from a file, or the bytes themselves; made once and kept beside the run.
import { readFile } from 'node:fs/promises';
import { readGguf } from '../formats/gguf/read.ts';
import { writeFileDurably } from '../hub/disk.ts';
import { FreeholdError } from '../lib/errors.ts';
import { tokenizerFromGguf } from '../tokenizer/gguf.ts';
import { bytesTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerFromJson, tokenizerToJson } from '../tokenizer/tokenizer-file.ts';
import { trainBpe } from '../tokenizer/train/train.ts';
import { defaultSpecials } from '../tokenizer/vocabulary.ts';
import { readPieces, type TextFile } from './corpus.ts';
import type { RunSettings } from './run-settings.ts';

/** From so many documents on, how a text begins is seen often enough for a token that says so to be learned. */
const manyDocuments = 64;

export interface TokenizerOptions {
  /** The run's texts, read only where they are needed. */
  texts: () => Promise<{ files: readonly TextFile[]; documents: number; bytes: number }>;
  /** @param share 0 to 1 */
  onProgress?: (share: number) => void;
  signal?: AbortSignal | undefined;
}

/**
 * The tokenizer that is kept in a run's folder; made now where there is none.
 * @param file where it is kept
 * @throws FreeholdError tokenizer_invalid, gguf_invalid; data_invalid where the texts cannot fill the vocabulary; file_io, disk_full
 */
export async function runTokenizer(file: string, settings: RunSettings, options: TokenizerOptions): Promise<Tokenizer> {
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return checkVocab(tokenizerFromJson(kept, file), settings);
  const tokenizer = checkVocab(await makeTokenizer(settings, options), settings);
  await writeFileDurably(file, tokenizerToJson(tokenizer));
  return tokenizer;
}

async function makeTokenizer({ data }: RunSettings, options: TokenizerOptions): Promise<Tokenizer> {
  const choice = data.tokenizer;
  if (choice.kind === 'file') return await readTokenizerFile(choice.file);
  const { documents, files, bytes } = await options.texts();
  const roles = { addBos: documents >= manyDocuments };
  if (choice.kind === 'bytes') return bytesTokenizer(defaultSpecials, roles);
  const { onProgress, signal } = options;
  return await trainBpe(textsOf(files), {
    vocab: choice.vocab,
    ...(choice.preTokenizer && { preTokenizer: choice.preTokenizer }),
    roles,
    // counting and learning take about as long
    onProgress: ({ phase, done, total }) =>
      onProgress?.(phase === 'count' ? 0.5 * Math.min(1, done / bytes) : 0.5 + 0.5 * (done / (total ?? done))),
    ...(signal && { signal }),
  });
}

async function* textsOf(files: readonly TextFile[]): AsyncGenerator<Uint8Array> {
  for (const file of files) for await (const { bytes } of readPieces(file)) yield bytes;
}

/** @throws FreeholdError tokenizer_invalid, gguf_invalid, file_not_found, file_io */
export async function readTokenizerFile(file: string): Promise<Tokenizer> {
  if (file.endsWith('.gguf')) return tokenizerFromGguf(await readGguf(file));
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new FreeholdError('file_not_found', `The tokenizer ${file} cannot be read.`, { cause });
  });
  return tokenizerFromJson(text, file);
}

/** A model looks rows up by id without asking whether they are there. */
function checkVocab(tokenizer: Tokenizer, { recipe }: RunSettings): Tokenizer {
  if (tokenizer.vocab === recipe.model.vocab) return tokenizer;
  throw new FreeholdError(
    'run_invalid',
    `The tokenizer has ${tokenizer.vocab} tokens, and the model of the run ${recipe.model.vocab}.`,
    { hint: 'Plan the run again.' },
  );
}
