// The committed fixture model is what scripts/make-fixture.ts makes, and is a complete small chat model.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { adapterContent } from '../scripts/fixture-adapter.ts';
import { bertContent } from '../scripts/fixture-bert.ts';
import { adapterPath, bertPath, fixtureContent, fixturePath } from '../scripts/make-fixture.ts';
import { metadataNumber, metadataString, metadataStrings } from '../src/formats/gguf/metadata.ts';
import { readGguf } from '../src/formats/gguf/read.ts';
import { ggufBytes } from '../src/formats/gguf/write.ts';

describe('the fixture model', () => {
  it.each([
    ['the chat model', fixturePath, fixtureContent],
    ['its adapter', adapterPath, adapterContent],
    ['the model that makes vectors', bertPath, bertContent],
  ])('is byte for byte what its script makes, and small: %s', async (_, file, content) => {
    const made = await ggufBytes(content());
    expect(Buffer.from(made).equals(readFileSync(file))).toBe(true);
    expect(made.length).toBeLessThanOrEqual(2_000_000);
  });

  it('has the vocabulary, the template and the tensors that its metadata promises', async () => {
    const file = await readGguf(fixturePath);
    const tokens = metadataStrings(file, 'tokenizer.ggml.tokens') ?? [];
    const shapeOf = (name: string) => file.tensors.find((tensor) => tensor.name === name)?.shape;
    expect(tokens[metadataNumber(file, 'tokenizer.ggml.bos_token_id') ?? -1]).toBe('<|im_start|>');
    expect(tokens[metadataNumber(file, 'tokenizer.ggml.eos_token_id') ?? -1]).toBe('<|im_end|>');
    expect(new Set(tokens).size).toBe(tokens.length);
    for (const pair of metadataStrings(file, 'tokenizer.ggml.merges') ?? []) {
      expect(tokens).toContain(pair.replace(' ', ''));
    }
    expect(metadataNumber(file, 'llama.vocab_size')).toBe(tokens.length);
    expect(metadataString(file, 'tokenizer.chat_template')).toContain('<|im_start|>assistant');
    const embedding = metadataNumber(file, 'llama.embedding_length');
    expect(shapeOf('token_embd.weight')).toEqual([embedding, tokens.length]);
    expect(shapeOf('output.weight')).toEqual([embedding, tokens.length]);
    expect(file.tensors.filter(({ name }) => name.endsWith('attn_q.weight'))).toHaveLength(
      metadataNumber(file, 'llama.block_count') ?? -1,
    );
  });
});
