// One chat: its turns, its system text, its totals, and how one answer is asked for. Knows a TextModel and no terminal.
import { newId } from '../../lib/ids.ts';
import type { GenerateRequest, Message, Sampling, StopReason, TextModel, Usage } from '../../lib/text-model.ts';

/** An answer with what it took. */
export interface Answer {
  text: string;
  /** What the model thought before it answered; empty for models that do not. */
  thinking: string;
  usage: Usage;
  stopReason: StopReason;
  /** From the request to the first token of any kind, in milliseconds. */
  timeToFirstTokenMs: number;
  /** Of the answer, first token to last; 0 when there was one token at most. */
  tokensPerSecond: number;
  /** True when the person stopped it; text is what had come. */
  stopped: boolean;
}

export interface AskOptions {
  signal?: AbortSignal;
  onText?: (text: string) => void;
  onThinking?: (text: string) => void;
  /** Milliseconds, any origin. */
  nowMs?: () => number;
}

export interface ConversationSettings {
  system?: string;
  sampling?: Sampling;
  maxTokens?: number;
}

export class Conversation {
  readonly messages: Message[] = [];
  readonly totals = { answers: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  settings: ConversationSettings;
  last: Answer | undefined;

  constructor(settings: ConversationSettings = {}) {
    this.settings = settings;
  }

  /** Forgets the turns; settings stay. */
  clear(): void {
    this.messages.length = 0;
    this.last = undefined;
  }

  /**
   * Asks and waits for the whole answer; deltas arrive through the options. When it fails, the question is taken
   * back, so that it can be asked again.
   * @throws whatever the model throws, except `cancelled` after `signal` was aborted: that answer is kept as it is
   */
  async ask(model: TextModel, text: string, options: AskOptions = {}): Promise<Answer> {
    this.messages.push({ role: 'user', content: [{ type: 'text', text }] });
    try {
      return await this.#answer(model, options);
    } catch (error) {
      this.messages.pop();
      throw error;
    }
  }

  /**
   * Answers the last question once more, the old answer dropped.
   * @returns undefined when there is no question
   */
  async retry(model: TextModel, options: AskOptions = {}): Promise<Answer | undefined> {
    const old = this.messages.at(-1)?.role === 'assistant' ? this.messages.pop() : undefined;
    if (this.messages.length === 0) return undefined;
    try {
      return await this.#answer(model, options);
    } catch (error) {
      if (old) this.messages.push(old);
      throw error;
    }
  }

  /** The conversation as Markdown. */
  toMarkdown(model: string): string {
    const parts = [`# Chat with ${model}`];
    if (this.settings.system) parts.push(`> ${this.settings.system.replaceAll('\n', '\n> ')}`);
    for (const { role, content } of this.messages) {
      const text = content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('\n');
      parts.push(`## ${role === 'user' ? 'You' : model}`, text.trim());
    }
    return `${parts.join('\n\n')}\n`;
  }

  async #answer(model: TextModel, options: AskOptions): Promise<Answer> {
    const nowMs = options.nowMs ?? (() => performance.now());
    const { system, sampling, maxTokens } = this.settings;
    const request: GenerateRequest = {
      messages: this.messages,
      tenant: 'cli',
      traceId: newId('trace'),
      ...(system ? { system: [{ type: 'text', text: system }] } : {}),
      ...(sampling ? { sampling } : {}),
      ...(maxTokens === undefined ? {} : { maxTokens }),
    };
    const startMs = nowMs();
    let firstMs: number | undefined;
    let lastMs = startMs;
    let deltas = 0;
    const answer: Answer = {
      text: '',
      thinking: '',
      usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
      stopReason: 'end-turn',
      timeToFirstTokenMs: 0,
      tokensPerSecond: 0,
      stopped: false,
    };
    try {
      for await (const event of model.generate(request, options.signal)) {
        if (event.type === 'start') {
          answer.usage.inputTokens = event.inputTokens;
          answer.usage.cachedTokens = event.cachedTokens;
        } else if (event.type === 'text-delta' || event.type === 'thinking-delta') {
          lastMs = nowMs();
          firstMs ??= lastMs;
          deltas += 1;
          if (event.type === 'text-delta') {
            answer.text += event.text;
            options.onText?.(event.text);
          } else {
            answer.thinking += event.text;
            options.onThinking?.(event.text);
          }
        } else if (event.type === 'usage') {
          answer.usage = {
            inputTokens: event.inputTokens,
            cachedTokens: event.cachedTokens,
            outputTokens: event.outputTokens,
          };
        } else if (event.type === 'stop') answer.stopReason = event.reason;
      }
    } catch (error) {
      if (!options.signal?.aborted) throw error;
      answer.stopped = true;
      // nobody counted for us: a delta is about a token
      answer.usage.outputTokens = Math.max(answer.usage.outputTokens, deltas);
    }
    answer.timeToFirstTokenMs = (firstMs ?? lastMs) - startMs;
    const spentMs = lastMs - (firstMs ?? lastMs);
    if (spentMs > 0 && answer.usage.outputTokens > 1) {
      answer.tokensPerSecond = ((answer.usage.outputTokens - 1) / spentMs) * 1000;
    }
    this.messages.push({ role: 'assistant', content: [{ type: 'text', text: answer.text }] });
    this.last = answer;
    this.totals.answers += 1;
    this.totals.inputTokens += answer.usage.inputTokens;
    this.totals.cachedTokens += answer.usage.cachedTokens;
    this.totals.outputTokens += answer.usage.outputTokens;
    return answer;
  }
}
