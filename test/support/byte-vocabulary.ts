// The least tokenizer that libllama loads, as GGUF entries: the 256 bytes and a token that ends a text, then fillers up to the size
// that a model has. For tests that care about weights and not about words.
import { byteCharacters } from '../../scripts/fixture-vocabulary.ts';
import { arrayEntry } from '../../src/formats/gguf/metadata.ts';
import type { GgufEntry } from '../../src/formats/gguf/types.ts';

/** @param size at least 258 */
export function byteVocabulary(size: number): [string, GgufEntry][] {
  const fillers = Array.from({ length: size - 258 }, (_, i) => `<filler ${i}>`);
  const tokens = [...byteCharacters, '<|endoftext|>', 'ee', ...fillers];
  const types = Int32Array.from(tokens, (token) => (token.startsWith('<') && token.length > 1 ? 3 : 1));
  return [
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'gpt-2' }],
    ['tokenizer.ggml.tokens', arrayEntry('string', tokens)],
    ['tokenizer.ggml.token_type', arrayEntry('i32', types)],
    ['tokenizer.ggml.merges', arrayEntry('string', ['e e'])],
    ['tokenizer.ggml.eos_token_id', { type: 'u32', value: 256 }],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 256 }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  ];
}
