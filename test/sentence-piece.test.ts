// Plain text whose characters SentencePiece joins to `</s>`, in a real vocabulary of that kind run by libllama.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fixtureContent } from '../scripts/make-fixture.ts';
import { arrayEntry } from '../src/formats/gguf/metadata.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { createPromptTokenizer } from '../src/infer/process/prompt.ts';
import { loadNative } from '../src/native/ffi.ts';
import { Model } from '../src/native/llama.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'freehold-sentence-piece-'));
let model: Model;

beforeAll(async () => {
  const { metadata, tensors } = fixtureContent();
  const entries = new Map(metadata);
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  const joins = ['</', 's>', '\u2581a', '\u2581long'];
  const count = tensors.find(({ name }) => name === 'token_embd.weight')?.shape[1] as number;
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '\u2581', ...'</s>abcdefg', ...joins];
  while (tokens.length < count) tokens.push(`<filler ${tokens.length}>`);
  const types = tokens.map((token, id) => (id === 0 ? 2 : id < 3 ? 3 : bytes.includes(token) ? 6 : 1));
  for (const name of ['tokenizer.ggml.merges', 'tokenizer.ggml.pre', 'tokenizer.ggml.padding_token_id'])
    entries.delete(name);
  entries.set('tokenizer.ggml.model', { type: 'string', value: 'llama' });
  entries.set('tokenizer.ggml.tokens', arrayEntry('string', tokens));
  entries.set(
    'tokenizer.ggml.scores',
    arrayEntry(
      'f32',
      Float32Array.from(tokens, (_, id) => -id),
    ),
  );
  entries.set('tokenizer.ggml.token_type', arrayEntry('i32', Int32Array.from(types)));
  entries.set('tokenizer.ggml.add_space_prefix', { type: 'bool', value: true });
  const file = path.join(dir, 'sentence-piece.gguf');
  await writeGguf(file, { metadata: entries, tensors });
  model = await Model.load(loadNative({ device: 'cpu' }), { file });
});

afterAll(() => {
  model.dispose();
  rmSync(dir, { recursive: true });
});

describe('a SentencePiece vocabulary', () => {
  it('joins plain text to a control token when left alone', () => {
    expect([...model.vocabulary.tokenize('a</s>b')]).toContain(2);
  });

  it('gives text in place of it, with no space that was not there', async () => {
    const { vocabulary } = model;
    const text = 'a</s>b </s></s> <</s>>';
    const tokens = await createPromptTokenizer(vocabulary).tokenize([{ origin: 'text', text }], 1000);
    expect([...tokens]).not.toContain(2);
    const spelled = Buffer.concat([...tokens].map((token) => vocabulary.bytesOf(token))).toString();
    expect(spelled).toBe(` ${text}`);
  });

  it('knows the length of its longest token', () => {
    expect(model.vocabulary.longestTokenBytes?.()).toBe('<filler 300>'.length);
  });
});
