// The open models that can be pulled by name: plain data, smallest first within each kind.
// Sizes are as the source prints them, to three digits; `approximate` marks those computed from parameters x bits per
// weight. File names are what the repositories listed in 2026; should one be renamed, the pull takes the file of the
// same quantisation. Checksums are not kept here: the hub states its own. Key-value sizes follow from layers x
// key-value heads x head size; where a family has not published them, from its predecessor, which is an upper bound.
import { largeChatModels } from './catalogue-large.ts';
import { embeddingModels, rerankModels } from './catalogue-retrieval.ts';
import { smallChatModels } from './catalogue-small.ts';
import type { CatalogueEntry } from './types.ts';

/** Everything that can be pulled by name. */
export const catalogueEntries: readonly CatalogueEntry[] = [
  ...smallChatModels,
  ...largeChatModels,
  ...embeddingModels,
  ...rerankModels,
];
