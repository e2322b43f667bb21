// A LoRA adapter for the fixture model: rank 4 on some matrices of both blocks, random, strong enough to change every
// answer. A is (r, in), B is (out, r): the model computes W x + alpha / r * scale * B A x.
import { arrayEntry } from '../src/formats/gguf/metadata.ts';
import type { GgufEntry } from '../src/formats/gguf/types.ts';
import type { GgufContent, TensorToWrite } from '../src/formats/gguf/write.ts';
import { floats, randomSource } from './fixture-tensors.ts';

const rank = 4;

/** Extents of the matrices that are adapted: inputs, outputs. */
const adapted = { attn_q: [64, 64], attn_v: [64, 32], ffn_down: [128, 64] } as const;

/**
 * The adapter's content.
 * @param seed another seed, another adapter. Default 7, the committed one
 */
export function adapterContent(seed = 7): GgufContent {
  const random = randomSource(seed);
  const tensors: TensorToWrite[] = [];
  for (let block = 0; block < 2; block++) {
    for (const [part, [inputs, outputs]] of Object.entries(adapted)) {
      const name = `blk.${block}.${part}.weight`;
      tensors.push(
        floats(`${name}.lora_a`, [inputs, rank], () => random() / Math.sqrt(inputs)),
        floats(`${name}.lora_b`, [rank, outputs], () => random() / Math.sqrt(rank)),
      );
    }
  }
  const metadata: [string, GgufEntry][] = [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.type', { type: 'string', value: 'adapter' }],
    ['general.name', { type: 'string', value: 'tiny adapter' }],
    ['general.license', { type: 'string', value: 'apache-2.0' }],
    ['general.tags', arrayEntry('string', ['lora'])],
    ['adapter.type', { type: 'string', value: 'lora' }],
    ['adapter.lora.alpha', { type: 'f32', value: 2 * rank }],
  ];
  return { metadata, tensors };
}
