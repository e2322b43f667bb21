import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { resolveConfig } from '../lib/config.ts';
import { loadOptions } from './load-options.ts';

it('asks for no more threads than there are cores; 0 stays 0, which leaves it to the process', () => {
  const threads = (given: number) =>
    loadOptions(
      { name: 'm', file: '/m.gguf' },
      { contextTokens: 512, sequences: 1 },
      resolveConfig({ threads: given, home: '/home' }, {}, '/nowhere').values,
    ).threads;
  expect(threads(1024)).toBe(availableParallelism());
  expect(threads(1)).toBe(1);
  expect(threads(0)).toBe(0);
});

it('names adapters and their files where there are any', () => {
  const adapters = (...given: string[]) =>
    loadOptions(
      { name: 'm', file: '/m.gguf' },
      { contextTokens: 512, sequences: 1 },
      resolveConfig({ adapters: given, home: '/home' }, {}, '/nowhere').values,
    ).adapters;
  expect(adapters('legal=/l.gguf', 'poet=/p=1.gguf')).toEqual({ legal: '/l.gguf', poet: '/p=1.gguf' });
  expect(adapters()).toBeUndefined();
});
