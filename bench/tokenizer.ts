// The tokenizer: how long it takes to learn 32,768 merges from 10 MB, and how fast each of several encodes the same text on
// one core: ours, the two libraries of Hugging Face on npm (in JavaScript and in Rust), and libllama. All have the
// vocabulary that was just learned, and the ids they give are compared.
//
// Text: the books beside the checkout (../shared/data/books), else those in the folder FREEHOLD_BENCH_TEXT names, else words of
// a made-up language. Rates are by processor time, so that other work on the machine weighs little; each round has text of
// its own, and the best of five counts.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { vocabularyModel } from '../scripts/vocabulary-model.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { invariant } from '../src/lib/errors.ts';
import { loadNative } from '../src/native/ffi.ts';
import { Model } from '../src/native/llama.ts';
import { tokenizerToGguf } from '../src/tokenizer/gguf.ts';
import type { PreTokenizerName } from '../src/tokenizer/pre-tokenizers.ts';
import { createTokenizer, type Tokenizer } from '../src/tokenizer/tokenizer.ts';
import { trainBpe } from '../src/tokenizer/train/train.ts';
import { madeUpProse } from '../test/support/random-text.ts';
import type { Figure } from './main.ts';

const merges = 32_768;
const trainBytes = 10e6;
const rounds = 5;
const roundBytes = 1 << 20;
const documentBytes = 16 << 10;
const preTokenizers: PreTokenizerName[] = ['qwen2', 'gpt-2'];

/** Regular expressions as the Hugging Face libraries have them for these pre-tokenizers. */
const expressions: Partial<Record<PreTokenizerName, string>> = {
  'gpt-2': "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  qwen2:
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};

interface Contender {
  name: string;
  encode(text: string): ArrayLike<number> | Promise<ArrayLike<number>>;
}

export async function benchTokenizer(): Promise<Figure[]> {
  const text = benchText();
  const figures: Figure[] = [];
  for (const preTokenizer of preTokenizers) {
    let seconds = Number.POSITIVE_INFINITY;
    let tokenizer: Tokenizer | undefined;
    for (let run = 0; run < 3; run++) {
      const startedAt = performance.now();
      tokenizer = await trainBpe([text.subarray(0, trainBytes)], { vocab: merges + 257, preTokenizer, threads: 2 });
      seconds = Math.min(seconds, (performance.now() - startedAt) / 1000);
    }
    invariant(tokenizer, 'it was trained');
    const name = `tokenizer: ${preTokenizer}`;
    figures.push({
      name: `${name}, 32k merges on 10 MB`,
      value: seconds,
      unit: 's',
      bar: { limit: 12, side: 'at most' },
    });
    figures.push(...(await encodeFigures(name, tokenizer, text.subarray(trainBytes))));
  }
  return figures;
}

async function encodeFigures(name: string, tokenizer: Tokenizer, text: Buffer): Promise<Figure[]> {
  const contenders = await contendersFor(tokenizer);
  const best = new Map(contenders.map(({ name }) => [name, 0]));
  for (let round = 0; round < rounds; round++) {
    const from = (round * roundBytes) % Math.max(1, text.length - roundBytes);
    const documents = documentsOf(text.subarray(from, from + roundBytes));
    const bytes = documents.reduce((sum, document) => sum + Buffer.byteLength(document), 0);
    let wanted: string | undefined;
    for (const contender of contenders) {
      const ids: ArrayLike<number>[] = [];
      const before = process.cpuUsage();
      for (const document of documents) ids.push(await contender.encode(document));
      const { user, system } = process.cpuUsage(before);
      best.set(contender.name, Math.max(best.get(contender.name) ?? 0, bytes / (user + system)));
      const found = ids.map((some) => Array.from(some).join(' ')).join('\n');
      wanted ??= found;
      if (found !== wanted) throw new Error(`${contender.name} gives other ids than ${contenders[0]?.name}`);
    }
  }
  const ours = best.get('ours') as number;
  const rates = [...best].map(([contender, rate]) => ({
    name: `${name}, encode, ${contender}`,
    value: rate,
    unit: 'MB/s',
  }));
  const bars = { '@huggingface/tokenizers': 2, llama_tokenize: 1 } as Record<string, number>;
  const ratios = [...best].flatMap(([contender, rate]): Figure[] => {
    if (contender === 'ours') return [];
    const limit = bars[contender];
    const ratio: Figure = { name: `${name}, encode, ours / ${contender}`, value: ours / rate, unit: 'x' };
    return [limit === undefined ? ratio : { ...ratio, bar: { limit, side: 'at least' } }];
  });
  return [...rates, ...ratios];
}

/** Whole lines, together about as long as a page of the web. */
function documentsOf(bytes: Buffer): string[] {
  const documents: string[] = [];
  for (let from = 0; from < bytes.length; ) {
    const line = bytes.indexOf(0x0a, Math.min(bytes.length, from + documentBytes));
    const to = line < 0 ? bytes.length : line + 1;
    documents.push(bytes.toString('utf8', from, to));
    from = to;
  }
  return documents;
}

async function contendersFor(tokenizer: Tokenizer): Promise<Contender[]> {
  const fresh = createTokenizer(tokenizer.vocabulary);
  const folder = mkdtempSync(path.join(tmpdir(), 'freehold-bench-'));
  const file = path.join(folder, 'vocabulary.gguf');
  await writeGguf(file, vocabularyModel(tokenizerToGguf(tokenizer), tokenizer.vocab));
  const model = await Model.load(loadNative({ device: 'cpu' }), { file });
  rmSync(folder, { recursive: true });
  return [
    { name: 'ours', encode: (text) => fresh.encode(text) },
    { name: 'llama_tokenize', encode: (text) => model.vocabulary.tokenize(text) },
    ...(await huggingFace(tokenizer)),
  ];
}

/** The two libraries, where they are installed. */
async function huggingFace(tokenizer: Tokenizer): Promise<Contender[]> {
  const peers = createRequire(path.join(import.meta.dirname, 'peers/package.json'));
  const file = huggingFaceFile(tokenizer);
  const found: Contender[] = [];
  try {
    const entry = pathToFileURL(peers.resolve('@huggingface/tokenizers')).href;
    const { Tokenizer: Library } = (await import(entry)) as {
      Tokenizer: new (file: object, config: object) => { encode(text: string): { ids: number[] } };
    };
    const library = new Library(file, {});
    found.push({ name: '@huggingface/tokenizers', encode: (text) => library.encode(text).ids });
  } catch (error) {
    notInstalled('@huggingface/tokenizers', error);
  }
  try {
    const { Tokenizer: Library } = peers('tokenizers') as {
      Tokenizer: { fromString(json: string): { encode(text: string): Promise<{ getIds(): number[] }> } };
    };
    const library = Library.fromString(JSON.stringify(file));
    found.push({ name: 'tokenizers (Rust)', encode: async (text) => (await library.encode(text)).getIds() });
  } catch (error) {
    notInstalled('tokenizers', error);
  }
  return found;
}

function notInstalled(name: string, error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
  process.stderr.write(`${name} is left out: npm --prefix bench/peers install --no-save --omit=optional\n`);
}

/** tokenizer.json as these libraries read it. */
function huggingFaceFile({ vocabulary, specials, preTokenizer }: Tokenizer): object {
  const { tokens, merges: pairs } = vocabulary;
  const expression = expressions[preTokenizer];
  invariant(expression, 'the expression of each pre-tokenizer that is measured is here');
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...specials].map(([content, id]) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: expression }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((text, id) => [text, id])),
      merges: Array.from(
        { length: pairs.length / 2 },
        (_, rank) => `${tokens[pairs[2 * rank] as number]} ${tokens[pairs[2 * rank + 1] as number]}`,
      ),
    },
  };
}

function benchText(): Buffer {
  const beside = path.join(import.meta.dirname, '../../shared/data/books');
  const folder = process.env.FREEHOLD_BENCH_TEXT ?? (existsSync(beside) ? beside : undefined);
  if (folder === undefined) return Buffer.from(madeUpProse(1, 2_500_000, 200_000));
  const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));
  return Buffer.concat(files.sort().map((name) => readFileSync(path.join(folder, name))));
}
