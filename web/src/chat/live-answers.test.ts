import { describe, expect, it } from 'vitest';
import { type AnswerEvent, ApiError } from '../api/client.ts';
import type { Answer } from './conversations.ts';
import { LiveAnswers } from './live-answers.ts';

const request = { model: 'm', messages: [], maxTokens: 1 };
const delta = (text: string): AnswerEvent => ({ type: 'text-delta', text });

/** A scripted stream, a clock that moves when told, and frames that run when told. */
function setUp(script: (signal: AbortSignal, clock: { ms: number }) => AsyncIterable<AnswerEvent>) {
  const clock = { ms: 1000 };
  const frames: (() => void)[] = [];
  const changes: Partial<Answer>[] = [];
  const live = new LiveAnswers({
    stream: (_, signal) => script(signal, clock),
    onChange: (_conversation, _answer, change) => changes.push(change),
    nextFrame: (callback) => frames.push(callback),
    now: () => clock.ms,
  });
  return { live, clock, frames, changes };
}

describe('an answer being written', () => {
  it('shows many deltas in one frame', async () => {
    const { live, frames, changes } = setUp(async function* () {
      for (const letter of 'abc') yield delta(letter);
      seen.push(live.get('a')?.text);
      expect(frames).toHaveLength(1);
      frames[0]?.();
      seen.push(live.get('a')?.text);
      yield { type: 'stop', reason: 'end_turn' };
    });
    const seen: (string | undefined)[] = [];
    await live.start('c', 'a', request);
    expect(seen).toEqual(['', 'abc']);
    expect(changes).toEqual([expect.objectContaining({ status: 'done', text: 'abc', stopReason: 'end_turn' })]);
    expect(live.get('a')).toBeUndefined();
  });

  it('takes the measurements of the server, and its own where there are none', async () => {
    const script = (stop: AnswerEvent) =>
      setUp(async function* (_, clock) {
        clock.ms += 200;
        yield delta('x');
        clock.ms += 1000;
        yield stop;
      });
    const own = script({ type: 'stop', reason: 'end_turn', outputTokens: 11 });
    await own.live.start('c', 'a', request);
    expect(own.changes.at(-1)?.stats).toEqual({ timeToFirstTokenMs: 200, outputTokens: 11, tokensPerSecond: 10 });

    const server = script({
      type: 'stop',
      reason: 'end_turn',
      outputTokens: 11,
      tokensPerSecond: 40,
      timeToFirstTokenMs: 9,
      model: 'q',
    });
    await server.live.start('c', 'a', request);
    expect(server.changes.at(-1)).toMatchObject({ model: 'q', stats: { timeToFirstTokenMs: 9, tokensPerSecond: 40 } });
  });

  it('keeps its text when it is stopped', async () => {
    const { live, changes } = setUp(async function* (signal) {
      yield delta('half');
      live.stop('c');
      if (signal.aborted) throw new DOMException('aborted', 'AbortError');
    });
    await live.start('c', 'a', request);
    expect(changes.at(-1)).toMatchObject({ status: 'stopped', text: 'half' });
  });

  it('keeps its text and the message when it fails', async () => {
    const { live, changes } = setUp(async function* () {
      yield delta('half');
      throw new ApiError(529, 'overloaded_error', 'too busy');
    });
    await live.start('c', 'a', request);
    expect(changes.at(-1)).toMatchObject({
      status: 'failed',
      text: 'half',
      error: { message: 'too busy', status: 529, retryable: true },
    });
  });

  it('is saved now and then, and when asked', async () => {
    const { live, changes } = setUp(async function* (_, clock) {
      yield delta('a');
      expect(changes).toHaveLength(0);
      clock.ms += 1000;
      yield delta('b');
      expect(changes).toEqual([{ text: 'ab', model: undefined }]);
      yield delta('c');
      live.checkpoint();
      expect(changes[1]).toMatchObject({ text: 'abc' });
    });
    await live.start('c', 'a', request);
    expect(changes.at(-1)).toMatchObject({ status: 'stopped' });
  });

  it('gives way to a newer one in the same conversation, not in another', async () => {
    const { live, changes } = setUp(async function* (signal) {
      yield delta('x');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      throw new DOMException('aborted', 'AbortError');
    });
    const first = live.start('c', 'a1', request);
    const other = live.start('d', 'b', request);
    const second = live.start('c', 'a2', request);
    await first;
    expect(changes).toHaveLength(1);
    expect(live.busyKey).toBe('d,c');
    live.stop('c');
    live.stop('d');
    await Promise.all([other, second]);
    expect(live.busyKey).toBe('');
  });
});
