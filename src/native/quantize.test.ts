import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readGguf } from '../formats/gguf/read.ts';
import { type QuantizedType, quantise } from './quantize.ts';

const from = path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf');
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'quantise-'));
});
afterAll(() => rm(dir, { recursive: true }));

describe('quantise', () => {
  it.each(['q8_0', 'q4_0', 'f16', 'bf16', 'f32'] as QuantizedType[])('writes matrices as %s', async (type) => {
    const to = path.join(dir, `${type}.gguf`);
    await quantise({ from, to, type });
    const types = new Map((await readGguf(to)).tensors.map((tensor) => [tensor.name, tensor.type]));
    expect(types.get('blk.0.attn_q.weight')).toBe(type);
    expect(types.get('output_norm.weight')).toBe('f32');
    await quantise({ from, to: `${to}.again`, type });
    expect((await readFile(to)).equals(await readFile(`${to}.again`))).toBe(true);
  });

  it('gives some matrices of q4_K_M more bits', async () => {
    const to = path.join(dir, 'mixed.gguf');
    await quantise({ from, to, type: 'q4_K_M' });
    const types = new Set((await readGguf(to)).tensors.map(({ type }) => type));
    expect([...types].some((type) => /^q[4-8]/i.test(type))).toBe(true);
  });

  it('refuses what is no model', async () => {
    await expect(quantise({ from: import.meta.filename, to: path.join(dir, 'no.gguf'), type: 'q8_0' })).rejects.toThrow(
      expect.objectContaining({ code: 'model_failed' }),
    );
  });
});
