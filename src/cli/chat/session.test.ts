// The chat with a keyboard and a screen of its own: what is typed, and what is then to be read.
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../lib/text-model.ts';
import { createStyle } from '../output.ts';
import { type Keyboard, LineGatherer } from './prompt.ts';
import { type ChatModel, runSession } from './session.ts';

class Screen extends Writable {
  columns = 60;
  shown = '';
  #watchers: (() => void)[] = [];
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.shown += chunk.toString();
    for (const watcher of this.#watchers) watcher();
    done();
  }
  /** Resolves when text that comes after `from` holds `text`. */
  has(text: string, from = 0): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.shown.slice(from).includes(text)) resolve();
      };
      this.#watchers.push(look);
      look();
    });
  }
}

function startChat(options: { words?: string[]; hang?: boolean } = {}) {
  const input = new PassThrough() as PassThrough & Keyboard;
  const screen = new Screen();
  const requests: GenerateRequest[] = [];
  const opened: string[] = [];
  const closed: string[] = [];
  const open = async (name: string): Promise<ChatModel> => {
    if (name === 'missing') throw new FreeholdError('model_not_found', 'There is no model "missing" here.');
    opened.push(name);
    return {
      device: 'CPU',
      close: async () => {
        closed.push(name);
      },
      capabilities: () => ({
        model: name,
        contextTokens: 100,
        generate: true,
        embed: false,
        rerank: false,
        tools: false,
        vision: false,
      }),
      countTokens: async () => 1,
      embed: async () => ({ embeddings: [], inputTokens: 0 }),
      rerank: async () => ({ scores: [], inputTokens: 0 }),
      async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncIterable<GenerateEvent> {
        requests.push(structuredClone(request));
        for (const text of options.words ?? ['Hello', ' you']) yield { type: 'text-delta', text };
        if (options.hang) {
          await new Promise((_, reject) => {
            signal?.addEventListener('abort', () => reject(new FreeholdError('cancelled', 'Cancelled.')));
          });
        }
        yield { type: 'usage', inputTokens: 5, cachedTokens: 0, outputTokens: 2 };
        yield { type: 'stop', reason: 'end-turn' };
      },
    };
  };
  const history: string[] = [];
  const over = runSession('first', {
    input,
    screen,
    style: createStyle(false),
    verbose: false,
    open,
    list: async () => ['first', 'second'],
    history,
    settings: {},
  });
  let prompts = 0;
  /** Types, once the prompt is there. @returns where on the screen what follows begins */
  const type = async (keys: string) => {
    const from = prompts;
    await screen.has('› ', from);
    prompts = screen.shown.length;
    input.write(keys);
    return prompts;
  };
  return { input, screen, requests, opened, closed, history, over, type };
}

const lastText = (request: GenerateRequest | undefined) => {
  const block = request?.messages.at(-1)?.content[0];
  return block?.type === 'text' ? block.text : undefined;
};

describe('a chat', () => {
  it('answers, says what it took, remembers what was typed, and ends with /bye', async () => {
    const chat = startChat();
    await chat.screen.has('2 tokens', await chat.type('Hi there\r'));
    await chat.type('/bye\r');
    await chat.over;
    expect(chat.screen.shown).toContain('Hello you\n');
    expect(chat.screen.shown).toMatch(/first after \d+\.\d\d s/);
    expect(lastText(chat.requests[0])).toBe('Hi there');
    expect(chat.history).toEqual(['/bye', 'Hi there']);
    expect(chat.closed).toEqual(['first']);
  });

  it('prints nothing of a model that could drive the terminal', async () => {
    const chat = startChat({ words: ['safe\u001b', ']0;owned\u0007', ' \u009b2Jend'] });
    await chat.screen.has('2 tokens', await chat.type('Hi\r'));
    await chat.type('\u0004');
    await chat.over;
    const answer = chat.screen.shown.slice(chat.screen.shown.indexOf('safe'), chat.screen.shown.indexOf('2 tokens'));
    expect(answer).toBe('safe]0;owned 2Jend\n');
  });

  it('takes several lines: by a backslash, by quotes, and by a paste', async () => {
    const chat = startChat();
    await chat.screen.has('2 tokens', await chat.type('one\\\rtwo\r'));
    await chat.screen.has('2 tokens', await chat.type('"""\ra\r\rb\r"""\r'));
    await chat.screen.has('2 tokens', await chat.type('\u001b[200~x\ry\u001b[201~\r'));
    await chat.type('\u0004');
    await chat.over;
    expect(chat.requests.map(lastText)).toEqual(['one\ntwo', 'a\n\nb', 'x\ny']);
  });

  it('gives an entry of several lines its lines back when it is taken from the history', async () => {
    const chat = startChat();
    await chat.screen.has('2 tokens', await chat.type('one\\\rtwo\r'));
    await chat.screen.has('2 tokens', await chat.type('\u001b[A\r'));
    await chat.type('\u0004');
    await chat.over;
    expect(chat.requests.map(lastText)).toEqual(['one\ntwo', 'one\ntwo']);
  });

  it('stops an answer at Ctrl-C, keeps it, and goes on', async () => {
    const chat = startChat({ hang: true, words: ['Half an', ' answer '] });
    await chat.type('Hi\r');
    await chat.screen.has('Half an');
    chat.input.write('\u0003');
    await chat.screen.has('stopped');
    await chat.type('/bye\r');
    await chat.over;
    expect(chat.screen.shown).toContain('Half an answer');
  });

  it('leaves at the second Ctrl-C on an empty line, and only then', async () => {
    const chat = startChat();
    await chat.type('half typed\u0003');
    await chat.type('\u0003');
    await chat.screen.has('Ctrl-C once more');
    await chat.type('\u0003');
    await chat.over;
    expect(chat.requests).toEqual([]);
    expect(chat.closed).toEqual(['first']);
  });

  it('goes on with another model, and stays with the old one when there is no such model', async () => {
    const chat = startChat();
    await chat.type('/model missing\r');
    await chat.screen.has('There is no model "missing" here.');
    await chat.type('/model second\r');
    await chat.screen.has('second answers from here on');
    await chat.type('/bye\r');
    await chat.over;
    expect(chat.opened).toEqual(['first', 'second']);
    expect(chat.closed).toEqual(['first', 'second']);
  });

  it('sets and clears the system text', async () => {
    const chat = startChat();
    await chat.type('/system Be brief.\r');
    await chat.screen.has('2 tokens', await chat.type('Hi\r'));
    await chat.type('/system off\r');
    await chat.screen.has('2 tokens', await chat.type('/retry\r'));
    await chat.type('\u0004');
    await chat.over;
    expect(chat.requests.map((request) => request.system?.[0]?.text)).toEqual(['Be brief.', undefined]);
  });

  it('says what is wrong with a command and never sends it to the model', async () => {
    const chat = startChat();
    await chat.type('/modle x\r');
    await chat.screen.has('There is no /modle');
    await chat.type('/save\r');
    await chat.screen.has('/save FILE');
    await chat.type('/stats\r');
    await chat.screen.has('first on CPU');
    await chat.type('/help\r');
    await chat.screen.has('/retry');
    await chat.type('\u0004');
    await chat.over;
    expect(chat.requests).toEqual([]);
  });
});

describe('LineGatherer', () => {
  const gather = (...lines: string[]) => {
    const gatherer = new LineGatherer();
    return lines.map((line) => gatherer.push(line));
  };

  it('takes quotes on one line, and a quoted backslash as it is', () => {
    expect(gather('"""one"""')).toEqual(['one']);
    expect(gather('"""one\\', 'two"""')).toEqual([undefined, 'one\\\ntwo']);
  });

  it('starts afresh after each message', () => {
    expect(gather('a\\', 'b', 'c')).toEqual([undefined, 'a\nb', 'c']);
  });
});
