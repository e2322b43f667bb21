// A model that is nothing but a vocabulary: the smallest llama that libllama loads, all of its weights zero. For what only
// tokenizes.
import type { GgufEntry } from '../src/formats/gguf/types.ts';
import type { GgufContent } from '../src/formats/gguf/write.ts';
import { floats } from './fixture-tensors.ts';

const D = 32;

/** @param tokenizer `tokenizer.ggml.*` entries */
export function vocabularyModel(tokenizer: Iterable<readonly [string, GgufEntry]>, vocab: number): GgufContent {
  const zeros = (name: string, ...shape: number[]) => floats(name, shape, () => 0);
  const u32 = (key: string, value: number): [string, GgufEntry] => [`llama.${key}`, { type: 'u32', value }];
  return {
    metadata: [
      ['general.architecture', { type: 'string', value: 'llama' }],
      u32('block_count', 1),
      u32('context_length', 64),
      u32('embedding_length', D),
      u32('feed_forward_length', D),
      u32('attention.head_count', 1),
      u32('attention.head_count_kv', 1),
      ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: Math.fround(1e-5) }],
      u32('rope.dimension_count', D),
      ...tokenizer,
    ],
    tensors: [
      zeros('token_embd.weight', D, vocab),
      zeros('output_norm.weight', D),
      zeros('blk.0.attn_norm.weight', D),
      zeros('blk.0.attn_q.weight', D, D),
      zeros('blk.0.attn_k.weight', D, D),
      zeros('blk.0.attn_v.weight', D, D),
      zeros('blk.0.attn_output.weight', D, D),
      zeros('blk.0.ffn_norm.weight', D),
      zeros('blk.0.ffn_gate.weight', D, D),
      zeros('blk.0.ffn_up.weight', D, D),
      zeros('blk.0.ffn_down.weight', D, D),
    ],
  };
}
