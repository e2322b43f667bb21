// Llama (Touvron et al. 2023): as qwen3.ts without the norms of queries and keys, and RoPE over neighbours. GGUF files of Llama hold
// queries and keys for that pairing already (the ones of other formats are permuted when they are converted), so what is
// trained here is written as it is.
import type { Architecture } from './config.ts';

export const llama: Architecture = { name: 'llama', pairing: 'adjacent', queryKeyNorm: false };
