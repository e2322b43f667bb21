// How the vectors of a sequence's tokens become one: libllama's names for it.

/** `llama_pooling_type`. `rank` puts a classifier on top. */
export const poolingTypes = { none: 0, mean: 1, cls: 2, last: 3, rank: 4 } as const;
export type Pooling = keyof typeof poolingTypes;
