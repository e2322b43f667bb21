// Looks names up in the catalogue of open models. The data are in catalogue-entries.ts.
import { catalogueEntries } from './catalogue-entries.ts';
import { normaliseQuantisation } from './quantisation.ts';
import type { CatalogueEntry, ModelVariant } from './types.ts';

/** Every open model that can be pulled by name, smallest first within its kind. */
export const catalogue: readonly CatalogueEntry[] = catalogueEntries;

/** The entry of that name or alias, in any letter case and with or without `:quantisation`; undefined when there is none. */
export function findInCatalogue(name: string): CatalogueEntry | undefined {
  const whole = name.toLowerCase();
  const base = whole.split(':')[0] ?? whole;
  const find = (wanted: string) => catalogue.find((entry) => entry.name === wanted || entry.aliases?.includes(wanted));
  return find(whole) ?? find(base);
}

/** The variant of a quantisation, the default one when none is named; undefined when the entry has none such. */
export function findVariant(entry: CatalogueEntry, quantisation?: string): ModelVariant | undefined {
  if (quantisation === undefined) return entry.variants[0];
  const wanted = normaliseQuantisation(quantisation);
  return entry.variants.find((variant) => variant.quantisation === wanted);
}
