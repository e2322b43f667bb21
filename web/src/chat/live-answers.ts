// Answers while they are being written. Deltas gather here and are shown once per animation frame, so that a fast model
// costs no more than a slow one; only the view of the answer itself listens. Knows no React and no browser: the stream,
// the frame scheduler and the clock are passed in.
import type { AnswerEvent, MessageRequest } from '../api/client.ts';
import { ApiError } from '../api/client.ts';
import type { Answer, AnswerStats } from './conversations.ts';

/** What is seen of an answer that is being written. Replaced, never changed. */
export interface LiveAnswer {
  text: string;
  thinking: string;
  model?: string;
  /** Clock time of the request, in milliseconds. */
  startedAtMs: number;
  firstTextAtMs?: number;
}

export interface LiveAnswersOptions {
  stream: (request: MessageRequest, signal: AbortSignal) => AsyncIterable<AnswerEvent>;
  /** Called now and then while the answer grows, and once at its end with a status other than `streaming`. */
  onChange: (conversationId: string, answerId: string, change: Partial<Answer>) => void;
  /** Runs a callback before the next paint, e.g. requestAnimationFrame. */
  nextFrame: (callback: () => void) => void;
  /** Milliseconds, monotonic. */
  now: () => number;
  /** Least time between two `onChange` calls while streaming. Default 1000 ms. */
  checkpointMs?: number;
}

interface Running {
  conversationId: string;
  controller: AbortController;
  /** What the views see. */
  shown: LiveAnswer;
  /** What has arrived. */
  latest: LiveAnswer;
  frameAsked: boolean;
  savedAtMs: number;
}

/** The answers in progress, at most one per conversation; they go on while the reader looks at another conversation. */
export class LiveAnswers {
  readonly #options: LiveAnswersOptions;
  readonly #running = new Map<string, Running>();
  readonly #listeners = new Set<() => void>();

  constructor(options: LiveAnswersOptions) {
    this.#options = options;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  get(answerId: string): LiveAnswer | undefined {
    return this.#running.get(answerId)?.shown;
  }

  /** Id of the answer being written in a conversation. */
  answerIn(conversationId: string): string | undefined {
    for (const [answerId, running] of this.#running) if (running.conversationId === conversationId) return answerId;
    return undefined;
  }

  /** Conversations with an answer in progress, joined by commas: a value that React can compare. */
  get busyKey(): string {
    return [...this.#running.values()].map(({ conversationId }) => conversationId).join(',');
  }

  /** Ends the answer in a conversation; what has come is kept. */
  stop(conversationId: string): void {
    const answerId = this.answerIn(conversationId);
    if (answerId !== undefined) this.#running.get(answerId)?.controller.abort();
  }

  /** Reports the text of every running answer now: the page may be about to go away. */
  checkpoint(): void {
    for (const [answerId, running] of this.#running) this.#save(answerId, running);
  }

  /** Resolves when the answer has ended, in whatever way; never rejects. */
  async start(conversationId: string, answerId: string, request: MessageRequest): Promise<void> {
    this.stop(conversationId);
    const now = this.#options.now();
    const empty: LiveAnswer = { text: '', thinking: '', startedAtMs: now };
    const controller = new AbortController();
    const running: Running = {
      conversationId,
      controller,
      shown: empty,
      latest: empty,
      frameAsked: false,
      savedAtMs: now,
    };
    this.#running.set(answerId, running);
    this.#notify();
    const end = await this.#follow(answerId, running, request);
    this.#running.delete(answerId);
    const { text, thinking, model } = running.latest;
    this.#options.onChange(conversationId, answerId, { text, model, ...(thinking && { thinking }), ...end });
    this.#notify();
  }

  async #follow(answerId: string, running: Running, request: MessageRequest): Promise<Partial<Answer>> {
    const stats: AnswerStats = {};
    const seen = () => {
      const { startedAtMs, firstTextAtMs } = running.latest;
      if (firstTextAtMs !== undefined) stats.timeToFirstTokenMs ??= firstTextAtMs - startedAtMs;
      return stats;
    };
    let end: Partial<Answer> | undefined;
    const { signal } = running.controller;
    try {
      for await (const event of this.#options.stream(request, signal)) {
        // a scripted or buffered stream may go on for a moment after the abort
        if (signal.aborted) break;
        switch (event.type) {
          case 'start':
            running.latest = { ...running.latest, model: event.model };
            if (event.inputTokens !== undefined) stats.inputTokens = event.inputTokens;
            break;
          case 'text-delta':
          case 'thinking-delta': {
            const field = event.type === 'text-delta' ? 'text' : 'thinking';
            const firstTextAtMs = running.latest.firstTextAtMs ?? this.#options.now();
            running.latest = { ...running.latest, firstTextAtMs, [field]: running.latest[field] + event.text };
            break;
          }
          case 'stop':
            end = { status: 'done', stopReason: event.reason, stats: this.#finalStats(event, seen(), running.latest) };
            if (event.model) running.latest = { ...running.latest, model: event.model };
            break;
          default:
            event satisfies never;
        }
        this.#showSoon(answerId, running);
      }
      return end && !signal.aborted ? end : { status: 'stopped', stats: seen() };
    } catch (error) {
      if (signal.aborted) return { status: 'stopped', stats: seen() };
      const { message, status, retryable } =
        error instanceof ApiError ? error : { message: `The page failed: ${error}`, status: 0, retryable: true };
      return { status: 'failed', error: { message, status, retryable }, stats: seen() };
    }
  }

  /** The server's own measurements, completed by what this page saw where they are absent. */
  #finalStats(stop: Extract<AnswerEvent, { type: 'stop' }>, seen: AnswerStats, latest: LiveAnswer): AnswerStats {
    const stats = { ...seen };
    if (stop.timeToFirstTokenMs !== undefined) stats.timeToFirstTokenMs = stop.timeToFirstTokenMs;
    if (stop.outputTokens !== undefined) stats.outputTokens = stop.outputTokens;
    const writingMs = this.#options.now() - (latest.firstTextAtMs ?? this.#options.now());
    if (stop.tokensPerSecond !== undefined) stats.tokensPerSecond = stop.tokensPerSecond;
    else if (stop.outputTokens !== undefined && stop.outputTokens > 1 && writingMs > 0)
      stats.tokensPerSecond = ((stop.outputTokens - 1) * 1000) / writingMs;
    return stats;
  }

  #showSoon(answerId: string, running: Running): void {
    if (this.#options.now() - running.savedAtMs >= (this.#options.checkpointMs ?? 1000)) this.#save(answerId, running);
    if (running.frameAsked) return;
    running.frameAsked = true;
    this.#options.nextFrame(() => {
      running.frameAsked = false;
      if (running.shown === running.latest || !this.#running.has(answerId)) return;
      running.shown = running.latest;
      this.#notify();
    });
  }

  #save(answerId: string, running: Running): void {
    running.savedAtMs = this.#options.now();
    const { text, thinking, model } = running.latest;
    this.#options.onChange(running.conversationId, answerId, { text, model, ...(thinking && { thinking }) });
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}
