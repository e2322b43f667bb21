// Makes test/fixtures/tiny.gguf: a llama-shaped chat model small enough to commit, with random weights. It loads like
// any other, answers with mostly printable ASCII, depends on its whole context, now and then emits a lone byte beyond
// ASCII, and sometimes ends its turn. Run: npx tsx scripts/make-fixture.ts; every run writes the same bytes, those of
// the adapter for it (tiny-lora.gguf) and of the model that makes vectors (tiny-bert.gguf) too.
import path from 'node:path';
import { arrayEntry } from '../src/formats/gguf/metadata.ts';
import type { GgufEntry } from '../src/formats/gguf/types.ts';
import { type GgufContent, writeGguf } from '../src/formats/gguf/write.ts';
import { adapterContent } from './fixture-adapter.ts';
import { bertContent } from './fixture-bert.ts';
import { matrix, ones, randomSource } from './fixture-tensors.ts';
import { byteCharacters, controlTokens, makeVocabulary } from './fixture-vocabulary.ts';

const fixture = (name: string) => path.join(import.meta.dirname, '../test/fixtures', name);

/** Where the fixture lies, and the two beside it. */
export const fixturePath = fixture('tiny.gguf');
export const adapterPath = fixture('tiny-lora.gguf');
export const bertPath = fixture('tiny-bert.gguf');

const D = 64; // embedding
const H = 4; // heads
const Hkv = 2; // key and value heads
const F = 128; // feed-forward
const blocks = 2;

const chatTemplate = [
  '{%- for message in messages -%}',
  "{{- '<|im_start|>' + message['role'] + '\\n' -}}",
  "{{- message['content'] + '<|im_end|>' + '\\n' -}}",
  '{%- endfor -%}',
  '{%- if add_generation_prompt -%}',
  "{{- '<|im_start|>assistant\\n' -}}",
  '{%- endif -%}',
].join('\n');

/**
 * How likely a token is to come at all, as an addition to its logit. Merges and letters lead; bytes beyond ASCII are
 * rare; what should never come is out of reach. The end of a turn is the same in every context (see isControl): with
 * the product's default sampling a turn takes some 250 tokens, and about one in 200 is empty.
 */
function inclination(token: string): number {
  if (token === '<|im_end|>') return 4.6;
  if (isControl(token)) return -20;
  if ([...token].length > 1) return 0.5;
  const byte = byteCharacters.indexOf(token);
  if (byte >= 128) return -2.5;
  if (byte === 10) return -1;
  if (byte < 32 || byte === 127) return -20;
  return /[a-z ]/.test(String.fromCharCode(byte)) ? 1 : -1;
}

/** Their logit is the same in every context, so that turns end now and then whatever the text. */
const isControl = (token: string) => (controlTokens as readonly string[]).includes(token);

/** The fixture's content; nothing in it depends on the machine, the time or earlier calls. */
export function fixtureContent(): GgufContent {
  const { tokens, merges } = makeVocabulary(400);
  const V = tokens.length;
  const random = randomSource(2026);
  // Channel 0 of the residual stream is the same for every token and no block writes to it, so that column 0 of the
  // output matrix acts as the bias that llama models do not have.
  const constant = 6;
  const inner = (C: number, scale: number) => (row: number) => (row === 0 ? 0 : (random() * scale) / Math.sqrt(C));
  const tensors = [
    matrix('token_embd.weight', D, V, (_, column) => (column === 0 ? constant : random())),
    ones('output_norm.weight', D),
    matrix('output.weight', D, V, (row, column) => {
      const token = tokens[row] as string;
      return column === 0 ? inclination(token) / 3 : random() * (isControl(token) ? 0 : 0.25);
    }),
  ];
  for (let block = 0; block < blocks; block++) {
    const name = (part: string) => `blk.${block}.${part}.weight`;
    const kv = (D / H) * Hkv;
    tensors.push(
      ones(name('attn_norm'), D),
      matrix(name('attn_q'), D, D, () => (random() * 1.5) / Math.sqrt(D)),
      matrix(name('attn_k'), D, kv, () => (random() * 1.5) / Math.sqrt(D)),
      matrix(name('attn_v'), D, kv, () => random() / Math.sqrt(D)),
      matrix(name('attn_output'), D, D, inner(D, 2)),
      ones(name('ffn_norm'), D),
      matrix(name('ffn_gate'), D, F, () => random() / Math.sqrt(D)),
      matrix(name('ffn_up'), D, F, () => random() / Math.sqrt(D)),
      matrix(name('ffn_down'), F, D, inner(F, 2)),
    );
  }
  const metadata: [string, GgufEntry][] = [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: 'tiny' }],
    ['general.size_label', { type: 'string', value: '160K' }],
    ['general.license', { type: 'string', value: 'apache-2.0' }],
    ['general.languages', arrayEntry('string', ['en'])],
    ['general.file_type', { type: 'u32', value: 1 }],
    ['llama.block_count', { type: 'u32', value: blocks }],
    ['llama.context_length', { type: 'u32', value: 2048 }],
    ['llama.embedding_length', { type: 'u32', value: D }],
    ['llama.feed_forward_length', { type: 'u32', value: F }],
    ['llama.attention.head_count', { type: 'u32', value: H }],
    ['llama.attention.head_count_kv', { type: 'u32', value: Hkv }],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: Math.fround(1e-5) }],
    ['llama.rope.freq_base', { type: 'f32', value: 10_000 }],
    ['llama.rope.dimension_count', { type: 'u32', value: D / H }],
    ['llama.vocab_size', { type: 'u32', value: V }],
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'smollm' }],
    ['tokenizer.ggml.tokens', arrayEntry('string', tokens)],
    [
      'tokenizer.ggml.token_type',
      arrayEntry(
        'i32',
        Int32Array.from(tokens, (_, id) => (id < controlTokens.length ? 3 : 1)),
      ),
    ],
    ['tokenizer.ggml.merges', arrayEntry('string', merges)],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 1 }],
    ['tokenizer.ggml.eos_token_id', { type: 'u32', value: 2 }],
    ['tokenizer.ggml.unknown_token_id', { type: 'u32', value: 0 }],
    ['tokenizer.ggml.padding_token_id', { type: 'u32', value: 2 }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
    ['tokenizer.ggml.add_space_prefix', { type: 'bool', value: false }],
    ['tokenizer.chat_template', { type: 'string', value: chatTemplate }],
  ];
  return { metadata, tensors };
}

if (process.argv[1] === import.meta.filename) {
  const fixtures: [string, GgufContent][] = [
    [fixturePath, fixtureContent()],
    [adapterPath, adapterContent()],
    [bertPath, bertContent()],
  ];
  for (const [file, content] of fixtures) {
    await writeGguf(file, content);
    console.log(`wrote ${path.relative(process.cwd(), file)}`);
  }
}
