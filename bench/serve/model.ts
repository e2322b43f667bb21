// The model of the bench: FREEHOLD_BENCH_MODEL, else one made here, once, in the shape of SmolLM2-135M with random
// weights in Q4_0. Its vocabulary is made of syllables, so that a text of n words is n tokens, and every token it can
// draw is printable; control tokens and bytes have no weight in its output, so that no answer ends early.
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { byteCharacters, controlTokens } from '../../scripts/fixture-vocabulary.ts';
import { arrayEntry } from '../../src/formats/gguf/metadata.ts';
import type { GgufEntry } from '../../src/formats/gguf/types.ts';
import { type GgufContent, type TensorToWrite, writeGguf } from '../../src/formats/gguf/write.ts';

const cacheDir = path.join(import.meta.dirname, '../.cache');

const D = 576; // embedding
const H = 9; // heads
const Hkv = 3; // key and value heads
const F = 1536; // feed-forward
const V = 49_152; // vocabulary
const blocks = 30;

/** Path of the model to measure with; made now where it is not there yet. */
export async function benchModel(): Promise<string> {
  const named = process.env.FREEHOLD_BENCH_MODEL;
  if (named) return path.resolve(named);
  const file = path.join(cacheDir, 'random-135m-q4_0.gguf');
  if (!existsSync(file)) {
    process.stderr.write('making a model with random weights, once\n');
    mkdirSync(cacheDir, { recursive: true });
    await writeGguf(file, content());
  }
  return file;
}

/** A user's text after a control token, and nothing else: prompts have the same tokens whoever renders them. */
const chatTemplate = "{%- for message in messages -%}{{- '<|im_start|>' + message['content'] -}}{%- endfor -%}";

/** Syllables, words of two, the same after a space, and as many words of three as there is room for. */
function vocabulary(): { tokens: string[]; merges: string[] } {
  const letters = [...'bcdfghjklmnprstvwxyz'].flatMap((consonant) => [...'aeiou'].map((vowel) => [consonant, vowel]));
  const syllables = letters.map(([consonant, vowel]) => `${consonant}${vowel}`);
  const pairs = syllables.flatMap((first) => syllables.map((second) => [first, second]));
  const space = byteCharacters[32];
  const merges = [
    ...letters,
    ...pairs,
    ...pairs.map((pair) => [space, pair.join('')]),
    ...pairs.flatMap((pair) => syllables.map((third) => [pair.join(''), third])),
  ].slice(0, V - controlTokens.length - byteCharacters.length);
  return {
    tokens: [...controlTokens, ...byteCharacters, ...merges.map((merge) => merge.join(''))],
    merges: merges.map((merge) => merge.join(' ')),
  };
}

/** xorshift32: fast, and the same on every machine. */
function randomWords(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function content(): GgufContent {
  const random = randomWords(135);
  /** R rows of C in blocks of 32: a half-precision scale, its sign random, then random bytes. Rows below `silent` are zero. */
  const matrix = (name: string, type: 'q4_0' | 'q8_0', C: number, R: number, scaleBits: number, silent = 0) => {
    const blockBytes = type === 'q4_0' ? 18 : 34;
    const rowBytes = (C / 32) * blockBytes;
    return {
      name: `${name}.weight`,
      shape: [C, R],
      type,
      *data() {
        for (let row = 0; row < R; row++) {
          const bytes = new Uint8Array(rowBytes);
          const view = new DataView(bytes.buffer);
          for (let block = 0; row >= silent && block < rowBytes; block += blockBytes) {
            view.setUint16(block, scaleBits | (random() & 0x8000), true);
            for (let at = block + 2; at < block + blockBytes; at += 4) view.setUint32(at, random(), true);
          }
          yield bytes;
        }
      },
    } satisfies TensorToWrite;
  };
  // 2^-7 times -8..7 has a deviation of 0.036, near 1/sqrt(D); 2^-9 times -128..127 gives logits one of 3.4
  const inner = (name: string, C: number, R: number) => matrix(name, 'q4_0', C, R, 0x2000);
  const ones = (name: string): TensorToWrite => ({
    name: `${name}.weight`,
    shape: [D],
    type: 'f32',
    data: new Uint8Array(new Float32Array(D).fill(1).buffer),
  });
  const kv = (D / H) * Hkv;
  // llama's quantisation to Q4_0 takes Q8_0 for the embedding of this shape, too
  const embedding = matrix('token_embd', 'q8_0', D, V, 0x1800, controlTokens.length + byteCharacters.length);
  const tensors: TensorToWrite[] = [embedding, ones('output_norm')];
  for (let block = 0; block < blocks; block++) {
    tensors.push(
      ones(`blk.${block}.attn_norm`),
      inner(`blk.${block}.attn_q`, D, D),
      inner(`blk.${block}.attn_k`, D, kv),
      inner(`blk.${block}.attn_v`, D, kv),
      inner(`blk.${block}.attn_output`, D, D),
      ones(`blk.${block}.ffn_norm`),
      inner(`blk.${block}.ffn_gate`, D, F),
      inner(`blk.${block}.ffn_up`, D, F),
      inner(`blk.${block}.ffn_down`, F, D),
    );
  }
  return { metadata: metadata(), tensors };
}

function metadata(): [string, GgufEntry][] {
  const { tokens, merges } = vocabulary();
  const u32 = (value: number): GgufEntry => ({ type: 'u32', value });
  const text = (value: string): GgufEntry => ({ type: 'string', value });
  return [
    ['general.architecture', text('llama')],
    ['general.type', text('model')],
    ['general.name', text('random-135m')],
    ['general.size_label', text('135M')],
    ['general.file_type', u32(2)],
    ['llama.block_count', u32(blocks)],
    ['llama.context_length', u32(8192)],
    ['llama.embedding_length', u32(D)],
    ['llama.feed_forward_length', u32(F)],
    ['llama.attention.head_count', u32(H)],
    ['llama.attention.head_count_kv', u32(Hkv)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: Math.fround(1e-5) }],
    ['llama.rope.freq_base', { type: 'f32', value: 100_000 }],
    ['llama.rope.dimension_count', u32(D / H)],
    ['llama.vocab_size', u32(V)],
    ['tokenizer.ggml.model', text('gpt2')],
    ['tokenizer.ggml.pre', text('smollm')],
    ['tokenizer.ggml.tokens', arrayEntry('string', tokens)],
    [
      'tokenizer.ggml.token_type',
      arrayEntry(
        'i32',
        Int32Array.from(tokens, (_, id) => (id < controlTokens.length ? 3 : 1)),
      ),
    ],
    ['tokenizer.ggml.merges', arrayEntry('string', merges)],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
    ['tokenizer.ggml.padding_token_id', u32(2)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
    ['tokenizer.chat_template', text(chatTemplate)],
  ];
}
