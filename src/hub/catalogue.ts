// Looks names up in the catalogue of open models. The data are in catalogue-entries.ts.
import { catalogueEntries } from './catalogue-entries.ts';
import type { CatalogueEntry } from './types.ts';

/** Every open model that can be pulled by name, smallest first within its kind. */
export const catalogue: readonly CatalogueEntry[] = catalogueEntries;

/** The entry of that name or alias, letter case and a `:quant` ending ignored; undefined when there is none. */
export function findInCatalogue(name: string): CatalogueEntry | undefined {
  const wanted = name.toLowerCase().split(':')[0];
  return catalogue.find((entry) => entry.name === wanted || entry.aliases?.includes(wanted ?? ''));
}
