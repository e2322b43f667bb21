// Qwen3 (Yang et al. 2025), dense: RMSNorm before each half of a layer, queries and keys normalised head by head, grouped-query
// attention with RoPE over halves, SwiGLU. The norm of queries and keys keeps attention scores bounded at high learning
// rates, which is why the dial takes this architecture.
import type { Architecture } from './config.ts';

export const qwen3: Architecture = { name: 'qwen3', pairing: 'halves', queryKeyNorm: true };
