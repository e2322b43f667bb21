// The catalogue is data typed in by hand, so it is checked for the slips that hands make.
import { describe, expect, it } from 'vitest';
import { catalogue, findInCatalogue, findVariant } from './catalogue.ts';
import { estimateCatalogueMemory } from './fit.ts';
import { fileStemOf } from './names.ts';
import { splitFileName } from './quantisation.ts';

describe('the catalogue', () => {
  it('has the models people ask for: chat, embedding, rerank, from small to large', () => {
    expect(catalogue.length).toBeGreaterThanOrEqual(24);
    for (const kind of ['chat', 'embedding', 'rerank'] as const) {
      const sizes = catalogue.filter((entry) => entry.kind === kind).map((entry) => entry.parameters);
      expect(sizes.length).toBeGreaterThanOrEqual(2);
      expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    }
  });

  it('never uses a name or alias twice', () => {
    const names = catalogue.flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]);
    expect(names.length).toBe(new Set(names).size);
    for (const { name } of catalogue) expect(fileStemOf(name)).toBe(name);
  });

  it('finds every entry by name, alias and with a quantisation', () => {
    for (const entry of catalogue) {
      expect(findInCatalogue(entry.name.toUpperCase())).toBe(entry);
      expect(findInCatalogue(`${entry.name}:q4_k_m`)).toBe(entry);
      for (const alias of entry.aliases ?? []) expect(findInCatalogue(alias)).toBe(entry);
      expect(findVariant(entry)).toBe(entry.variants[0]);
    }
    expect(findInCatalogue('no-such-model')).toBeUndefined();
  });

  it.each(catalogue.map((entry) => [entry.name, entry] as const))('%s is whole and its numbers agree', (_, entry) => {
    expect(entry.description.length).toBeGreaterThan(20);
    expect(entry.abilities.length).toBeGreaterThan(0);
    expect(entry.abilities).toContain(entry.kind);
    expect(entry.contextTokens).toBeGreaterThanOrEqual(512);
    expect(entry.variants.length).toBeGreaterThan(0);
    for (const variant of entry.variants) {
      const bitsPerWeight = (variant.sizeBytes * 8) / entry.parameters;
      const [least, most] = /8_0/.test(variant.quantisation)
        ? [8, 9.6]
        : /F16/.test(variant.quantisation)
          ? [15.5, 17]
          : [4, 7.5];
      expect(bitsPerWeight).toBeGreaterThan(least);
      expect(bitsPerWeight).toBeLessThan(most);
      expect(variant.sources.length).toBeGreaterThan(0);
      for (const source of variant.sources) {
        if (source.type === 'bundled') continue;
        const file = source.type === 'hub' ? source.file : source.member;
        if (source.type === 'hub') expect(source.repo).toMatch(/^[\w.-]+\/[\w.-]+$/);
        expect(splitFileName(file).quantisation ?? variant.quantisation).toBe(variant.quantisation);
      }
    }
    const variant = entry.variants[0];
    if (!variant) throw new Error('no variant');
    const { totalBytes } = estimateCatalogueMemory(entry, variant, { contextTokens: 0, sequences: 1 });
    expect(totalBytes).toBeGreaterThan(variant.sizeBytes);
    expect(totalBytes).toBeLessThan(variant.sizeBytes * 2 + 5e9);
  });
});
