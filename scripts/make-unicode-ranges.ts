// Makes src/tokenizer/unicode-ranges.ts: which characters the pinned libllama takes for letters and for numbers. It has no
// function that says so, but in a vocabulary where `a` merges with the first byte of every character, the two merge
// exactly where both are of one word; with `1` it tells numbers. Run: npx tsx scripts/make-unicode-ranges.ts
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { arrayEntry } from '../src/formats/gguf/metadata.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { loadNative } from '../src/native/ffi.ts';
import { Model } from '../src/native/llama.ts';
import { byteLetters } from '../src/tokenizer/byte-letters.ts';
import { vocabularyModel } from './vocabulary-model.ts';

const target = path.join(import.meta.dirname, '../src/tokenizer/unicode-ranges.ts');

/** First bytes of characters of two bytes and more. */
const leads = Array.from({ length: 0xf5 - 0xc2 }, (_, at) => at + 0xc2);

/** Code points of text that `mark` forms one piece with. */
export async function joinedWith(mark: 'a' | '1'): Promise<(text: readonly string[]) => boolean[]> {
  const merged = leads.map((lead) => mark + byteLetters[lead]);
  const tokens = [...byteLetters, ...merged, '<|endoftext|>'];
  const kinds = Int32Array.from(tokens, (_, id) => (id === tokens.length - 1 ? 3 : 1));
  const folder = mkdtempSync(path.join(tmpdir(), 'freehold-unicode-'));
  const file = path.join(folder, 'probe.gguf');
  await writeGguf(
    file,
    vocabularyModel(
      [
        ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
        ['tokenizer.ggml.pre', { type: 'string', value: 'gpt-2' }],
        ['tokenizer.ggml.tokens', arrayEntry('string', tokens)],
        ['tokenizer.ggml.token_type', arrayEntry('i32', kinds)],
        [
          'tokenizer.ggml.merges',
          arrayEntry(
            'string',
            leads.map((lead) => `${mark} ${byteLetters[lead]}`),
          ),
        ],
        ['tokenizer.ggml.bos_token_id', { type: 'u32', value: tokens.length - 1 }],
        ['tokenizer.ggml.eos_token_id', { type: 'u32', value: tokens.length - 1 }],
        ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
      ],
      tokens.length,
    ),
  );
  const model = await Model.load(loadNative({ device: 'cpu' }), { file });
  rmSync(folder, { recursive: true });
  const separator = '\n'.charCodeAt(0);
  return (characters) => {
    const ids = model.vocabulary.tokenize(characters.map((character) => `${mark}${character}`).join('\n'));
    const joined: boolean[] = [];
    let begins = true;
    for (const id of ids) {
      if (begins) joined.push(id >= 256);
      begins = id === separator;
    }
    return joined;
  };
}

/** All code points beyond ASCII but surrogates. */
function* codePoints(): Generator<number> {
  for (let code = 0x80; code < 0x110000; code++) if (code < 0xd800 || code > 0xdfff) yield code;
}

async function probe(mark: 'a' | '1', ascii: RegExp): Promise<Set<number>> {
  const joined = await joinedWith(mark);
  const found = new Set<number>();
  for (let code = 0; code < 0x80; code++) if (ascii.test(String.fromCharCode(code))) found.add(code);
  const codes = [...codePoints()];
  for (let at = 0; at < codes.length; at += 4096) {
    const slice = codes.slice(at, at + 4096);
    const answers = joined(slice.map((code) => String.fromCodePoint(code)));
    if (answers.length !== slice.length) throw new Error('the probe lost count');
    for (const [index, code] of slice.entries()) if (answers[index]) found.add(code);
  }
  return found;
}

/** Gap and length of each range, in base 36. */
function ranges(codes: ReadonlySet<number>): string {
  const numbers: number[] = [];
  let behind = 0;
  for (let code = 0; code < 0x110000; code++) {
    if (!codes.has(code)) continue;
    let end = code;
    while (codes.has(end)) end++;
    numbers.push(code - behind, end - code);
    behind = end;
    code = end;
  }
  return numbers.map((value) => value.toString(36)).join(' ');
}

function literal(name: string, text: string): string {
  const lines = text.match(/.{1,108}(?: |$)/g) ?? [];
  return `export const ${name} =\n${lines.map((line) => `  '${line}'`).join(' +\n')};\n`;
}

if (process.argv[1] === import.meta.filename) {
  const letters = await probe('a', /[a-zA-Z]/);
  const numbers = await probe('1', /[0-9]/);
  const text = [
    '// Letters and numbers of Unicode as the pinned libllama has them: gap and length of each range of code points, base 36.',
    '// Made by scripts/make-unicode-ranges.ts; a test compares them with the library.',
    '',
    literal('letterRanges', ranges(letters)),
    literal('numberRanges', ranges(numbers)),
  ].join('\n');
  writeFileSync(target, text);
  console.log(`${letters.size} letters, ${numbers.size} numbers`);
}
