// What stands for a model: it answers at once, or piece by piece at a rhythm, as the prompt's text says. Each piece tells
// when it was made, so that a client can tell how long it was on its way.
import type { LocalTextModel } from '../../src/infer/local-text-model.ts';
import { noStats } from '../../src/infer/protocol.ts';
import type { GenerateEvent } from '../../src/lib/text-model.ts';
import { nowMs } from './clock.ts';

/** The prompts it knows. */
export type StubPrompt = 'at once' | 'then silent' | `every ${number} ms, ${number} pieces`;

/** An answer of some 60 tokens. */
export const stubAnswer = 'The gateway adds what it must, and no more than that. '.repeat(4).trim();

/** A piece, and how a client finds when it was made. */
export const stampedPiece = (): string => `at=${nowMs().toFixed(4)}; `;
export const stamp = /at=(\d+\.\d+);/g;

export interface Stub {
  model: LocalTextModel;
  /** When each generation since the last call was aborted, in order, on the clock of all processes. */
  takeAborts(): number[];
}

export function createStub(): Stub {
  let aborts: number[] = [];
  async function* generate(prompt: string, signal: AbortSignal | undefined): AsyncIterable<GenerateEvent> {
    yield { type: 'start', inputTokens: 20, cachedTokens: 0 };
    let pieces = 1;
    if (prompt === 'at once') yield { type: 'text-delta', text: stubAnswer };
    else if (prompt === 'then silent') {
      yield { type: 'text-delta', text: 'hello' };
      await new Promise<void>((resolve) => {
        signal?.addEventListener('abort', () => {
          aborts.push(nowMs());
          resolve();
        });
      });
    } else {
      const [everyMs, count] = (prompt.match(/\d+/g) ?? []).map(Number) as [number, number];
      const startedAt = nowMs();
      for (pieces = 0; pieces < count && !signal?.aborted; pieces++) {
        await new Promise((resolve) => setTimeout(resolve, startedAt + (pieces + 1) * everyMs - nowMs()));
        yield { type: 'text-delta', text: stampedPiece() };
      }
    }
    yield { type: 'usage', inputTokens: 20, cachedTokens: 0, outputTokens: pieces };
    yield { type: 'stop', reason: 'end-turn' };
  }
  const unasked = () => Promise.reject(new Error('the stub only generates'));
  const model: LocalTextModel = {
    name: 'stub',
    state: 'ready',
    pid: undefined,
    device: 'CPU',
    capabilities: () => ({
      model: 'stub',
      contextTokens: 4096,
      generate: true,
      embed: false,
      rerank: false,
      tools: true,
      vision: false,
    }),
    stats: () => noStats,
    generate(request, signal) {
      const block = request.messages.at(-1)?.content.at(-1);
      return generate(block?.type === 'text' ? block.text : '', signal);
    },
    countTokens: async () => 20,
    embed: unasked,
    rerank: unasked,
    close: async () => {},
  };
  return {
    model,
    takeAborts() {
      const taken = aborts;
      aborts = [];
      return taken;
    },
  };
}
