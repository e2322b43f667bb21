import type { CatalogueEntry } from './types.ts';
export const catalogueEntries: CatalogueEntry[] = [];
