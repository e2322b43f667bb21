// A model without weights: answers with given pieces, obeys max_tokens, stop strings and abort, and remembers what it
// was asked. What it does can be replaced for one test.
import type { LocalModelState, LocalTextModel } from '../../src/infer/client.ts';
import { FreeholdError } from '../../src/lib/errors.ts';
import type {
  EmbedRequest,
  GeneratedToken,
  GenerateEvent,
  GenerateRequest,
  RerankRequest,
} from '../../src/lib/text-model.ts';

export type Generate = (request: GenerateRequest, signal: AbortSignal) => AsyncIterable<GenerateEvent>;

export interface FakeModel extends LocalTextModel {
  state: LocalModelState;
  /** Every request, in order. */
  readonly requests: GenerateRequest[];
  /** Requests for vectors and for scores, in order. */
  readonly retrievals: (EmbedRequest | RerankRequest)[];
  /** Generations that ended by abort. */
  aborted: number;
  /** What the next generations do; undefined: the ordinary answer. */
  behaviour: Generate | undefined;
  closed: boolean;
}

export const fakePieces = ['Hello', ' from', ' the', ' fake', ' model', '.'];

/** A piece as a token: its number is its length, and the tokens in its place are shorter pieces of it. */
export function fakeToken(piece: string, count: number): GeneratedToken {
  const entry = (text: string) => ({
    token: text.length,
    logprob: text.length - piece.length - 0.5,
    bytes: [...Buffer.from(text)],
  });
  const top = Array.from({ length: count }, (_, i) => entry(piece.slice(0, Math.max(0, piece.length - i))));
  return { ...entry(piece), top };
}

/** Every word of system and messages, or of a raw prompt, is a token. */
export function countWords(request: GenerateRequest): number {
  if (request.prompt !== undefined) return words(request.prompt).length;
  const blocks = [...(request.system ?? []), ...request.messages.flatMap(({ content }) => content)];
  return blocks.flatMap((block) => (block.type === 'text' ? block.text.split(/\s+/).filter(Boolean) : [])).length;
}

const words = (text: string) => text.split(/\s+/).filter(Boolean);

/** @param kind what it can do, as the hub's kinds say; a model of one kind refuses what the others do */
export function createFakeModel(
  name: string,
  pieces: readonly string[] = fakePieces,
  kind: 'chat' | 'embedding' | 'rerank' = 'chat',
): FakeModel {
  const requireKind = (wanted: typeof kind) => {
    if (kind !== wanted) throw new FreeholdError('unsupported', `The model ${name} is a ${kind} model.`);
  };
  const model: FakeModel = {
    name,
    state: 'ready',
    pid: undefined,
    device: 'CPU',
    requests: [],
    retrievals: [],
    aborted: 0,
    behaviour: undefined,
    closed: false,
    capabilities: () => ({
      model: name,
      contextTokens: 1000,
      generate: kind === 'chat',
      embed: kind === 'embedding',
      rerank: kind === 'rerank',
      tools: false,
      vision: false,
    }),
    stats: () => ({
      queued: 1,
      active: 0,
      steps: 3,
      stepTokens: 12,
      prefillTokens: 5,
      outputTokens: 7,
      decodeMs: 11,
      prefillMs: 3,
      promptTokens: 6,
      cachedTokens: 1,
      prefixCacheBytes: 1024,
      draftedTokens: 4,
      acceptedTokens: 2,
      kvUsed: 0.5,
    }),
    async countTokens(request) {
      return countWords(request);
    },
    /** A vector of 4: length in characters, words, capitals, 1. */
    async embed(request) {
      model.retrievals.push(request);
      requireKind('embedding');
      const vectors = request.inputs.map((text) => [
        text.length,
        words(text).length,
        text.match(/[A-Z]/g)?.length ?? 0,
        1,
      ]);
      const embeddings = vectors.map((vector) => {
        const kept = vector.slice(0, request.dimensions ?? 4);
        return Float32Array.from(kept, (value) => (request.normalize === false ? value : value / Math.hypot(...kept)));
      });
      return { embeddings, inputTokens: request.inputs.reduce((sum, text) => sum + words(text).length, 0) };
    },
    /** The share of the query's words that a document holds. */
    async rerank(request) {
      model.retrievals.push(request);
      requireKind('rerank');
      const wanted = words(request.query.toLowerCase());
      const scores = request.documents.map((document) => {
        const held = words(document.toLowerCase());
        return wanted.filter((word) => held.includes(word)).length / Math.max(1, wanted.length);
      });
      const inputTokens = request.documents.reduce((sum, text) => sum + wanted.length + words(text).length, 0);
      return { scores, inputTokens };
    },
    async *generate(request, signal = new AbortController().signal) {
      model.requests.push(request);
      signal.addEventListener('abort', () => {
        model.aborted += 1;
      });
      yield* (model.behaviour ?? ordinary)(request, signal);
    },
    async close() {
      model.closed = true;
      model.state = 'closed';
    },
  };
  async function* ordinary(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerateEvent> {
    const inputTokens = countWords(request);
    if (inputTokens > 1000) {
      throw new FreeholdError('context_exceeded', `The prompt has ${inputTokens} tokens; the model holds 1000.`, {
        hint: 'Shorten it.',
        field: 'messages',
      });
    }
    yield { type: 'start', inputTokens, cachedTokens: Math.min(1, inputTokens) };
    let outputTokens = 0;
    for (const piece of pieces) {
      if (signal.aborted) throw new FreeholdError('cancelled', 'Cancelled.');
      const stop = request.stop?.find((text) => piece.includes(text));
      if (stop !== undefined || outputTokens === request.maxTokens) {
        yield { type: 'usage', inputTokens, cachedTokens: Math.min(1, inputTokens), outputTokens };
        yield stop === undefined
          ? { type: 'stop', reason: 'max-tokens' }
          : { type: 'stop', reason: 'stop-sequence', stopSequence: stop };
        return;
      }
      outputTokens += 1;
      const { logprobs } = request.sampling ?? {};
      yield logprobs === undefined
        ? { type: 'text-delta', text: piece }
        : { type: 'text-delta', text: piece, logprobs: [fakeToken(piece, logprobs)] };
    }
    yield { type: 'usage', inputTokens, cachedTokens: Math.min(1, inputTokens), outputTokens };
    yield { type: 'stop', reason: 'end-turn' };
  }
  return model;
}

/** Yields one piece, then goes on forever until aborted; `onPiece` sees each further one. */
export const endless = (piece = 'tick ', everyMs = 1): Generate =>
  async function* (_request, signal) {
    yield { type: 'start', inputTokens: 1, cachedTokens: 0 };
    while (!signal.aborted) {
      yield { type: 'text-delta', text: piece };
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    throw new FreeholdError('cancelled', 'Cancelled.');
  };

/** Says nothing until aborted. */
export const silent: Generate = async function* (_request, signal) {
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
  yield* [];
  throw new FreeholdError('cancelled', 'Cancelled.');
};

/** Fails, after `before` pieces of text. */
export const failing = (error: unknown, before = 0): Generate =>
  async function* () {
    if (before > 0) yield { type: 'start', inputTokens: 3, cachedTokens: 0 };
    for (let piece = 0; piece < before; piece++) yield { type: 'text-delta', text: `piece ${piece} ` };
    throw error;
  };
