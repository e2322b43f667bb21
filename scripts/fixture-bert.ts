// The fixture that turns text into vectors, and on demand one that scores pairs: BERT-shaped, two blocks, random
// weights in f32, so that a test can compute the same numbers by itself. Its vocabulary is WordPiece: letters, and the
// words and endings below.
import { arrayEntry } from '../src/formats/gguf/metadata.ts';
import type { GgufEntry } from '../src/formats/gguf/types.ts';
import type { GgufContent, TensorToWrite } from '../src/formats/gguf/write.ts';
import { floats, randomSource } from './fixture-tensors.ts';

/** Sizes: embedding, heads, feed-forward, blocks, tokens of context. */
export const bertShape = { D: 32, H: 4, F: 64, blocks: 2, T: 128 } as const;

export const bertSpecials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;

const words =
  'the a of and in to is was cat dog fish bird house river hill town sea boat road tree man woman child king queen red ' +
  'blue green old new small large eats sees likes runs sleeps swims flies what who where when why how many not with from ' +
  'model word number answer question paris france capital weather rain sun';
const endings = 's ed ing er est ly ness less ful tion ment able';

/** Spelling of every token as WordPiece files have it: `##ing` goes on with a word. */
export const bertTokens: readonly string[] = [
  ...bertSpecials,
  ...'!"#$%&\'()*+,-./0123456789:;<=>?@[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~',
  ...[...'0123456789abcdefghijklmnopqrstuvwxyz'].map((letter) => `##${letter}`),
  ...words.split(' ').filter((word) => word.length > 1),
  ...endings
    .split(' ')
    .filter((ending) => ending.length > 1)
    .map((ending) => `##${ending}`),
];

/** As GGUF spells them: the beginning of a word is marked, and not its middle. */
function ggufSpelling(token: string, id: number): string {
  if (id < bertSpecials.length) return token;
  return token.length > 2 && token.startsWith('##') ? token.slice(2) : `\u2581${token}`;
}

/** How the vectors of a text become one (`llama_pooling_type`). `rank` comes with a classifier. */
const poolings = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 } as const;

/** @param pooling default mean, as committed; undefined leaves the key out */
export function bertContent(pooling: keyof typeof poolings | undefined = 'mean'): GgufContent {
  const { D, H, F, blocks, T } = bertShape;
  const random = randomSource(1984);
  const V = bertTokens.length;
  const dense = (name: string, inputs: number, outputs: number): TensorToWrite[] => [
    floats(`${name}.weight`, [inputs, outputs], () => random() / Math.sqrt(inputs)),
    floats(`${name}.bias`, [outputs], () => random() * 0.1),
  ];
  const norm = (name: string): TensorToWrite[] => [
    floats(`${name}.weight`, [D], () => 1 + random() * 0.1),
    floats(`${name}.bias`, [D], () => random() * 0.1),
  ];
  const tensors = [
    floats('token_embd.weight', [D, V], random),
    floats('token_types.weight', [D, 2], () => random() * 0.5),
    floats('position_embd.weight', [D, T], () => random() * 0.5),
    ...norm('token_embd_norm'),
  ];
  for (let block = 0; block < blocks; block++) {
    const name = (part: string) => `blk.${block}.${part}`;
    tensors.push(
      ...dense(name('attn_q'), D, D),
      ...dense(name('attn_k'), D, D),
      ...dense(name('attn_v'), D, D),
      ...dense(name('attn_output'), D, D),
      ...norm(name('attn_output_norm')),
      ...dense(name('ffn_up'), D, F),
      ...dense(name('ffn_down'), F, D),
      ...norm(name('layer_output_norm')),
    );
  }
  if (pooling === 'rank') tensors.push(...dense('cls', D, D), ...dense('cls.output', D, 1));
  const id = (token: (typeof bertSpecials)[number]): GgufEntry => ({ type: 'u32', value: bertTokens.indexOf(token) });
  const metadata: [string, GgufEntry][] = [
    ['general.architecture', { type: 'string', value: 'bert' }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.name', { type: 'string', value: pooling === 'rank' ? 'tiny-rank' : 'tiny-bert' }],
    ['general.license', { type: 'string', value: 'apache-2.0' }],
    ['general.file_type', { type: 'u32', value: 0 }],
    ['bert.block_count', { type: 'u32', value: blocks }],
    ['bert.context_length', { type: 'u32', value: T }],
    ['bert.embedding_length', { type: 'u32', value: D }],
    ['bert.feed_forward_length', { type: 'u32', value: F }],
    ['bert.attention.head_count', { type: 'u32', value: H }],
    ['bert.attention.layer_norm_epsilon', { type: 'f32', value: Math.fround(1e-12) }],
    ['bert.attention.causal', { type: 'bool', value: false }],
    ...(pooling ? [['bert.pooling_type', { type: 'u32', value: poolings[pooling] }] as [string, GgufEntry]] : []),
    ['tokenizer.ggml.model', { type: 'string', value: 'bert' }],
    ['tokenizer.ggml.token_type_count', { type: 'u32', value: 2 }],
    ['tokenizer.ggml.tokens', arrayEntry('string', bertTokens.map(ggufSpelling))],
    [
      'tokenizer.ggml.token_type',
      arrayEntry(
        'i32',
        Int32Array.from(bertTokens, (_, index) => (index < bertSpecials.length ? 3 : 1)),
      ),
    ],
    ['tokenizer.ggml.bos_token_id', id('[CLS]')],
    ['tokenizer.ggml.cls_token_id', id('[CLS]')],
    ['tokenizer.ggml.seperator_token_id', id('[SEP]')],
    ['tokenizer.ggml.unknown_token_id', id('[UNK]')],
    ['tokenizer.ggml.padding_token_id', id('[PAD]')],
    ['tokenizer.ggml.mask_token_id', id('[MASK]')],
  ];
  return { metadata, tensors };
}
