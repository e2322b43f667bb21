import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { nameOfFile } from './names.ts';
import { splitFileName } from './quantisation.ts';
import { parseReference } from './reference.ts';

const parse = (text: string) => parseReference(text, 'https://hub.example');

describe('a reference', () => {
  it.each([
    ['smollm2-135m', { type: 'name', name: 'smollm2-135m' }],
    ['Qwen3-4B:q8_0', { type: 'name', name: 'qwen3-4b', quantisation: 'Q8_0' }],
    ['llama3.2:3b', { type: 'name', name: 'llama3.2', quantisation: '3B' }],
    ['hf:Owner/Repo-GGUF', { type: 'hub', repo: 'Owner/Repo-GGUF' }],
    ['hf:owner/repo:q4_k_m', { type: 'hub', repo: 'owner/repo', quantisation: 'Q4_K_M' }],
    ['hf:owner/repo/dir/m.gguf', { type: 'hub', repo: 'owner/repo', file: 'dir/m.gguf' }],
    ['https://hub.example/o/r/resolve/main/a%20b.gguf', { type: 'hub', repo: 'o/r', file: 'a b.gguf' }],
    ['https://hub.example/o/r/blob/main/x.gguf', { type: 'hub', repo: 'o/r', file: 'x.gguf' }],
    ['https://hub.example/o/r', { type: 'hub', repo: 'o/r' }],
    ['https://elsewhere.example/x.gguf', { type: 'url', url: 'https://elsewhere.example/x.gguf' }],
    ['http://127.0.0.1:1/x.gguf', { type: 'url', url: 'http://127.0.0.1:1/x.gguf' }],
    ['/models/x.bin', { type: 'file', file: path.resolve('/models/x.bin') }],
    ['./x.gguf', { type: 'file', file: path.resolve('x.gguf') }],
    ['x.gguf', { type: 'file', file: path.resolve('x.gguf') }],
  ])('%s is understood', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    [''],
    ['a:b:c'],
    ['hf:owner'],
    ['hf:owner/repo/file.safetensors'],
    ['hf:owner/repo/../../x.gguf'],
    ['hf:../x'],
    ['ftp://x/y.gguf'],
    ['http://elsewhere.example/x.gguf'],
    ['https://user:password@elsewhere.example/x.gguf'],
    ['what is this'],
    ['https://elsewhere.example/%.gguf'],
    ['https://elsewhere.example/%ff.gguf'],
  ])('%s is refused, and the forms there are are named', (text) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'invalid_request', hint: expect.stringContaining('hf:owner/repo') }),
    );
  });

  it('is never repeated with a password in it', () => {
    expect(() => parse('https://user:hunter2@elsewhere.example/x.gguf')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') }),
    );
  });
});

describe('a file name', () => {
  it.each([
    ['Qwen3-4B-Q4_K_M.gguf', 'Qwen3-4B', 'Q4_K_M', 'qwen3-4b:q4_k_m'],
    ['dir/SmolLM2-135M-Instruct.Q4_1.gguf', 'SmolLM2-135M-Instruct', 'Q4_1', 'smollm2-135m-instruct:q4_1'],
    ['gemma-4-E4B-it-qat-UD-Q4_K_XL.gguf', 'gemma-4-E4B-it-qat', 'UD-Q4_K_XL', 'gemma-4-e4b-it-qat:ud-q4_k_xl'],
    ['gpt-oss-20b-mxfp4.gguf', 'gpt-oss-20b', 'MXFP4', 'gpt-oss-20b:mxfp4'],
    ['bge-reranker-v2-m3-FP16.gguf', 'bge-reranker-v2-m3', 'F16', 'bge-reranker-v2-m3:f16'],
    ['Big-IQ4_XS-00001-of-00004.gguf', 'Big', 'IQ4_XS', 'big:iq4_xs'],
    ['plain.gguf', 'plain', undefined, 'plain'],
    ['Q8_0.gguf', 'Q8_0', undefined, 'q8_0'],
    ['Ünï cödé!.gguf', 'Ünï cödé!', undefined, 'n-c-d'],
  ])('%s is taken apart', (file, stem, quantisation, name) => {
    expect(splitFileName(file)).toEqual(quantisation ? { stem, quantisation } : { stem });
    expect(nameOfFile(file)).toBe(name);
  });
});
