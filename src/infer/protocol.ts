// What the server process and a model process say to each other, over Node's IPC channel, as plain JSON.
import type { ErrorRecord } from '../lib/errors.ts';
import type {
  Capabilities,
  EmbedRequest,
  GenerateEvent,
  GenerateRequest,
  RerankRequest,
  RerankResult,
} from '../lib/text-model.ts';

/** How a model is to be loaded. */
export interface LoadOptions {
  /** Name the model is served under. */
  name: string;
  /** Path of the GGUF; for a split model its first part. */
  file: string;
  /** Tokens of context for each sequence. */
  contextTokens: number;
  /** Sequences decoded at the same time. */
  maxSequences: number;
  /** Threads; 0: one per core. */
  threads: number;
  /** auto, cpu, cuda, vulkan, metal. */
  device: string;
  /** Folder of the native libraries; empty: the packaged ones. */
  libDir: string;
  /** Folder where native packages fetched on demand live. */
  home: string;
  /** Requests that may wait for a free sequence. */
  queueLimit: number;
  /** Host memory for prompts that several requests share, in bytes; 0: none. Default: a tenth of what is free, at most 8 GiB. */
  prefixCacheBytes?: number;
  /** LoRA adapters a request may name: name to path of the GGUF. Each is loaded on first use. */
  adapters?: Record<string, string>;
  /** GGUF of a small model with the same vocabulary that guesses ahead. Default: none. */
  draftFile?: string;
}

/** To the model process. `id` numbers a request within the life of one process. */
export type ToProcess =
  | { type: 'load'; options: LoadOptions }
  | { type: 'generate'; id: number; request: GenerateRequest }
  | { type: 'count-tokens'; id: number; request: GenerateRequest }
  | { type: 'embed'; id: number; request: EmbedRequest }
  | { type: 'rerank'; id: number; request: RerankRequest }
  | { type: 'cancel'; id: number }
  /** Does it still hear? */
  | { type: 'ping' };

/** From the model process. One `events` message carries everything one step produced. */
export type FromProcess =
  | { type: 'loaded'; capabilities: Capabilities; loadMs: number; device: string }
  | { type: 'load-failed'; error: ErrorRecord }
  | { type: 'events'; items: { id: number; event: GenerateEvent }[]; stats: EngineStats }
  | { type: 'tokens'; id: number; count: number }
  /** All vectors one after the other, (N, D) little-endian f32, in base64: numbers as JSON are five times as long. */
  | { type: 'embeddings'; id: number; dimensions: number; base64: string; inputTokens: number; stats: EngineStats }
  | { type: 'scores'; id: number; result: RerankResult; stats: EngineStats }
  | { type: 'failed'; id: number; error: ErrorRecord }
  /** To a ping; while it loads only where the load has got on since the ping before. */
  | { type: 'pong' };

/** A snapshot of a running engine, for /metrics. */
export interface EngineStats {
  /** Requests waiting for a free sequence. */
  queued: number;
  /** Sequences being prefilled or decoded. */
  active: number;
  /** Steps (llama_decode calls) since the load. */
  steps: number;
  /** Tokens of all steps together: by `steps`, how full a step is. */
  stepTokens: number;
  /** Prompt tokens computed since the load. */
  prefillTokens: number;
  /** Tokens generated since the load. */
  outputTokens: number;
  /** Milliseconds spent inside llama_decode since the load. */
  decodeMs: number;
  /** How many of them went to steps over prompts. */
  prefillMs: number;
  /** Prompt tokens of all requests that began since the load, those of the prefix cache included. */
  promptTokens: number;
  /** Prompt tokens that the prefix cache saved since the load. */
  cachedTokens: number;
  /** Host memory the prefix cache holds, in bytes. */
  prefixCacheBytes: number;
  /** Tokens guessed ahead by speculation since the load, and how many of them were right. */
  draftedTokens: number;
  acceptedTokens: number;
  /** Share of the KV cells in use, 0..1. */
  kvUsed: number;
}

/** Of a process that has not begun. */
export const noStats: EngineStats = {
  queued: 0,
  active: 0,
  steps: 0,
  stepTokens: 0,
  prefillTokens: 0,
  outputTokens: 0,
  decodeMs: 0,
  prefillMs: 0,
  promptTokens: 0,
  cachedTokens: 0,
  prefixCacheBytes: 0,
  draftedTokens: 0,
  acceptedTokens: 0,
  kvUsed: 0,
};
