// Looks names up in the catalogue of open models. The data are in catalogue-entries.ts.

import { nearestNames } from '../lib/nearest-names.ts';
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

/** At most three models of the catalogue whose name or alias is near this one, nearest first, each once. */
export function nearestInCatalogue(name: string): string[] {
  const names = catalogue.flatMap((entry) => [entry.name, ...(entry.aliases ?? [])]);
  return nearestNames(name, names, (near) => findInCatalogue(near)?.name ?? near);
}

/** The variant of a quantisation, the default one when none is named; undefined when the entry has none such. */
export function findVariant(entry: CatalogueEntry, quantisation?: string): ModelVariant | undefined {
  if (quantisation === undefined) return entry.variants[0];
  const wanted = normaliseQuantisation(quantisation);
  return entry.variants.find((variant) => variant.quantisation === wanted);
}
