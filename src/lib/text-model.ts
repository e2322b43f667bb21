// The contract between whatever runs a language model (a local process, a remote engine) and everything above it
// (routes, assistant, reviews, evaluation). Wire formats map onto these types; engines never see a wire format.

/** Text a person or a program wrote. Never parsed for control tokens. */
export interface TextBlock {
  type: 'text';
  text: string;
}
export interface ImageBlock {
  type: 'image';
  mediaType: string;
  /** base64 */
  data: string;
}
export interface DocumentBlock {
  type: 'document';
  title?: string;
  text: string;
}
export interface ThinkingBlock {
  type: 'thinking';
  text: string;
  signature?: string;
}
export interface ToolUseBlock {
  type: 'tool-use';
  id: string;
  name: string;
  input: unknown;
}
export interface ToolResultBlock {
  type: 'tool-result';
  toolUseId: string;
  content: (TextBlock | ImageBlock)[];
  isError?: boolean;
}
export type Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock;

/**
 * One turn. System text stands apart in `GenerateRequest.system`; tool results travel in a user turn. Several turns of
 * one role may follow each other: whatever runs the model joins them, a blank line between their texts.
 */
export interface Message {
  role: 'user' | 'assistant';
  content: Block[];
}

export interface Tool {
  name: string;
  description?: string;
  /** JSON Schema of the arguments. */
  inputSchema: Record<string, unknown>;
  /**
   * Whether a schema that cannot be enforced in all it says is refused. False: what cannot be enforced is left to the model,
   * which reads it in the prompt; all else holds. Default false.
   */
  strict?: boolean;
}

/** Sampling, each field optional; what is left out has the default named here, whatever the model. */
export interface Sampling {
  /** 0 or more, usually to 2; 0 is greedy. Default 0.7. */
  temperature?: number;
  /** Keep the k likeliest tokens; 0 keeps all. Default 40. */
  topK?: number;
  /** Keep the likeliest tokens whose probabilities sum to topP, 0..1. Default 0.95. */
  topP?: number;
  /** Drop tokens below minP times the likeliest one's probability, 0..1. Default 0.05. */
  minP?: number;
  /** Keep the tokens closest to the expected surprise, until they sum to typicalP, 0..1. Default 1: off. */
  typicalP?: number;
  /** Drop tokens whose logit is more than this many standard deviations below the best. Default 0: off. */
  topNSigma?: number;
  /** Divides a positive logit, and multiplies a negative one, of tokens in the last `penaltyWindow`; > 0. Default 1: off. */
  repetitionPenalty?: number;
  /** Tokens, prompt included, that `repetitionPenalty` looks back on; 0: none, -1: all. Default 64. */
  penaltyWindow?: number;
  /** Taken off the logit of every token the answer already holds, -2..2. Default 0. */
  presencePenalty?: number;
  /** Taken off as often as the answer already holds the token, -2..2. Default 0. */
  frequencyPenalty?: number;
  /** Penalty on continuing a repeated sequence. Default: off. */
  dry?: DrySampling;
  /** Token id to what is added to its logit, -100..100; -100 bans the token. */
  logitBias?: Record<number, number>;
  /** Report each token's log probability and this many of the likeliest tokens', 0..20. Default: not reported. */
  logprobs?: number;
  /** Unsigned 32-bit; the same seed and the same batch shape give the same text. Default: random. */
  seed?: number;
}

/** DRY ("don't repeat yourself"): a token that would lengthen a repeat of n tokens loses multiplier * base^(n - allowedLength). */
export interface DrySampling {
  /** 0 or more; 0 is off. */
  multiplier: number;
  /** 1 or more. Default 1.75. */
  base?: number;
  /** Shortest repeat, in tokens, that is penalised; >= 1. Default 2. */
  allowedLength?: number;
  /** Tokens, prompt included, searched for repeats; 0: none, -1: all. Default 1024. */
  penaltyWindow?: number;
  /** No repeat reaches across a token that holds one of these. Default: line break, colon, double quote, asterisk. */
  sequenceBreakers?: string[];
}

/** Natural logarithm of the probability the model gave a token, before any sampling setting. */
export interface TokenLogprob {
  token: number;
  logprob: number;
}

/** A token of an answer, as reported where `Sampling.logprobs` asks for it. */
export interface GeneratedToken extends TokenLogprob {
  /** UTF-8, perhaps a part of a character; empty for a control token. */
  bytes: number[];
  /** The likeliest tokens in its place, in falling order. */
  top: (TokenLogprob & { bytes: number[] })[];
}

export interface GenerateRequest {
  system?: TextBlock[];
  messages: Message[];
  /**
   * Text to go on from as it stands, without a chat template; never parsed for control tokens. `messages` is empty then,
   * and the answer is text only: what looks like a thought or a call is text, too.
   */
  prompt?: string;
  tools?: Tool[];
  /** Whether the answer may, must or must not call tools. Default: auto. */
  toolChoice?: { type: 'auto' | 'any' | 'none' } | { type: 'tool'; name: string };
  /** Whether one answer may call several tools. Default: as the model was trained; false where it was not. */
  parallelToolCalls?: boolean;
  /**
   * Whether a model that can think before it answers does so, and for how many tokens at most: what it thinks then ends,
   * and the answer begins. Ignored by models that cannot. Default: as the model's chat template has it.
   */
  thinking?: { type: 'enabled'; budgetTokens?: number } | { type: 'disabled' };
  /** Most tokens to generate, >= 1. Default: what the context still holds. */
  maxTokens?: number;
  sampling?: Sampling;
  /** Generation ends before the first of these strings; none is empty. */
  stop?: string[];
  /** Go on past the tokens that end an answer, up to `maxTokens`. Default false. */
  ignoreEnd?: boolean;
  /** JSON Schema the whole answer must satisfy. */
  responseSchema?: Record<string, unknown>;
  /** Name of a LoRA adapter to apply. */
  adapter?: string;
  /** Who asks: fairness and the prefix cache are scoped to it. */
  tenant: string;
  traceId: string;
}

export type StopReason = 'end-turn' | 'max-tokens' | 'stop-sequence' | 'tool-use' | 'context-full' | 'refusal';

export interface Usage {
  /** Prompt tokens, those served from the prefix cache included. */
  inputTokens: number;
  /** Prompt tokens that the prefix cache saved. */
  cachedTokens: number;
  /** All tokens of the answer, thoughts and calls of tools included. */
  outputTokens: number;
  /** Those of them that were thoughts. Default 0. */
  thinkingTokens?: number;
}

/**
 * What a generation yields, in order: `start`, then deltas, then `usage`, then `stop`, always last.
 * Every `text` is whole code points. A failure is thrown from the iterator, never yielded.
 */
export type GenerateEvent =
  | { type: 'start'; inputTokens: number; cachedTokens: number }
  | {
      type: 'text-delta';
      text: string;
      /** With `Sampling.logprobs`: the tokens since the last delta. Text may be empty when they add none. */
      logprobs?: GeneratedToken[];
    }
  | { type: 'thinking-delta'; text: string }
  | { type: 'tool-use-start'; id: string; name: string }
  | { type: 'tool-use-delta'; json: string }
  | { type: 'tool-use-stop' }
  | ({ type: 'usage' } & Usage)
  | { type: 'stop'; reason: StopReason; stopSequence?: string };

export interface EmbedRequest {
  /** Texts, at least one, none empty. */
  inputs: string[];
  /** Divide each vector by its length (L2). Default true. */
  normalize?: boolean;
  /** Keep the first so many numbers of each vector (Matryoshka), 1 to what the model makes. Default: all. */
  dimensions?: number;
  /** Who asks: fairness is scoped to it. */
  tenant: string;
  traceId: string;
}

export interface EmbedResult {
  /** One vector (D) for each input, in the order of the inputs. */
  embeddings: Float32Array[];
  /** Tokens of all inputs, those the model adds included. */
  inputTokens: number;
}

export interface RerankRequest {
  query: string;
  /** At least one. */
  documents: string[];
  tenant: string;
  traceId: string;
}

export interface RerankResult {
  /** How relevant each document is to the query, 0..1, higher is more; in the order of the documents. */
  scores: number[];
  /** Tokens of all pairs, the query counted with each document. */
  inputTokens: number;
}

export interface Capabilities {
  /** Name the model is served under. */
  model: string;
  /** Tokens, prompt and answer together. */
  contextTokens: number;
  generate: boolean;
  embed: boolean;
  rerank: boolean;
  tools: boolean;
  /** Whether it thinks before it answers. Default false. */
  thinking?: boolean;
  vision: boolean;
}

/** What a model cannot do throws `unsupported`; `capabilities` says it before. */
export interface TextModel {
  capabilities(): Capabilities;
  /**
   * @param signal aborting ends the generation within one step; the iterator then throws `cancelled`
   * @throws FreeholdError invalid_request, context_exceeded, overloaded, model_process_lost, …
   */
  generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent>;
  /** Tokens the prompt of this request would take, template included. */
  countTokens(request: GenerateRequest, signal?: AbortSignal): Promise<number>;
  /**
   * Turns texts into vectors.
   * @param signal aborting ends it within one batch; the promise then rejects with `cancelled`
   * @throws FreeholdError unsupported, invalid_request, context_exceeded naming the input, overloaded, model_process_lost, …
   */
  embed(request: EmbedRequest, signal?: AbortSignal): Promise<EmbedResult>;
  /**
   * Scores documents against a query.
   * @param signal as for `embed`
   * @throws FreeholdError as `embed`
   */
  rerank(request: RerankRequest, signal?: AbortSignal): Promise<RerankResult>;
}
