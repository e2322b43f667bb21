import { describe, expect, it } from 'vitest';
import {
  alignUp,
  ggmlTypeById,
  ggmlTypeByName,
  ggmlTypes,
  ggufTypeIds,
  ggufTypeNames,
  tensorSizeBytes,
} from './types.ts';

const typeOf = (name: string) => ggmlTypeByName(name) ?? expect.fail(`no type ${name}`);

describe('the tables', () => {
  it('name the metadata types by their numbers', () => {
    for (const [name, id] of Object.entries(ggufTypeIds)) expect(ggufTypeNames[id]).toBe(name);
    expect(ggufTypeNames).toHaveLength(13);
  });

  it('give every tensor type one number and one name', () => {
    expect(new Set(ggmlTypes.map(({ id }) => id)).size).toBe(ggmlTypes.length);
    for (const type of ggmlTypes) {
      expect(ggmlTypeById(type.id)).toBe(type);
      expect(ggmlTypeByName(type.name.toUpperCase())).toBe(type);
    }
  });

  it('know nothing of retired and unknown types', () => {
    expect(ggmlTypeById(4)).toBeUndefined();
    expect(ggmlTypeById(31)).toBeUndefined();
    expect(ggmlTypeById(1000)).toBeUndefined();
    expect(ggmlTypeByName('q3')).toBeUndefined();
  });
});

describe('the size of a tensor', () => {
  it('is blocks times bytes of a block', () => {
    expect(tensorSizeBytes([576, 192], typeOf('q4_1'))).toBe((576 / 32) * 20 * 192);
    expect(tensorSizeBytes([7], typeOf('f32'))).toBe(28);
    expect(tensorSizeBytes([256, 2, 3, 4], typeOf('q6_k'))).toBe(210 * 24);
  });

  it('is undefined for shapes that cannot be', () => {
    expect(tensorSizeBytes([], typeOf('f32'))).toBeUndefined();
    expect(tensorSizeBytes([1, 1, 1, 1, 1], typeOf('f32'))).toBeUndefined();
    expect(tensorSizeBytes([0, 4], typeOf('f32'))).toBeUndefined();
    expect(tensorSizeBytes([4, -1], typeOf('f32'))).toBeUndefined();
    expect(tensorSizeBytes([33], typeOf('q8_0'))).toBeUndefined();
    expect(tensorSizeBytes([2 ** 31, 2 ** 31], typeOf('f32'))).toBeUndefined();
    expect(tensorSizeBytes([2 ** 52, 2 ** 52, 2 ** 52, 2 ** 52], typeOf('f32'))).toBeUndefined();
  });
});

describe('alignUp', () => {
  it('leaves multiples and rounds the rest up, beyond 32 bits too', () => {
    expect(alignUp(0, 32)).toBe(0);
    expect(alignUp(64, 32)).toBe(64);
    expect(alignUp(65, 32)).toBe(96);
    expect(alignUp(2 ** 40 + 1, 32)).toBe(2 ** 40 + 32);
  });
});
