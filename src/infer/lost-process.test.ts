// Model processes that are stopped, do not read, die again and again, or run a template that takes for ever.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { fixtureContent } from '../../scripts/make-fixture.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import type { GenerateRequest } from '../lib/text-model.ts';
import { type LocalTextModel, openLocalModel } from './client.ts';
import type { LoadOptions } from './protocol.ts';
import type { Supervision } from './supervision.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'freehold-lost-'));
afterAll(() => rmSync(dir, { recursive: true }));

const options: LoadOptions = {
  name: 'tiny',
  file: path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'),
  contextTokens: 512,
  maxSequences: 4,
  threads: 1,
  device: 'cpu',
  libDir: '',
  home: '',
  queueLimit: 8,
};
/** Closed after each test: a stopped process does not leave by itself. */
const opened: LocalTextModel[] = [];
afterEach(async () => {
  for (const model of opened.splice(0)) await model.close();
});
async function open(supervision: Partial<Supervision>, more: Partial<LoadOptions> = {}): Promise<LocalTextModel> {
  const model = await openLocalModel({ ...options, ...more }, undefined, undefined, supervision);
  opened.push(model);
  return model;
}

const conversation = (...texts: string[]): GenerateRequest => ({
  messages: texts.map((text, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content: [{ type: 'text', text }] })),
  maxTokens: 4,
  sampling: { temperature: 0 },
  tenant: 'a',
  traceId: 'test',
});

/** How an answer ended: its stop reason, or the code of its error. */
async function outcome(model: LocalTextModel, request = conversation('hello')): Promise<string> {
  try {
    let last = '';
    for await (const event of model.generate(request)) if (event.type === 'stop') last = event.reason;
    return last;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

// Windows cannot stop a process
describe.skipIf(process.platform === 'win32')('a model process that is stopped', () => {
  const stop = (model: LocalTextModel) => process.kill(model.pid as number, 'SIGSTOP');

  it('costs the requests it holds, is ended, and started again', async () => {
    const model = await open({ pingMs: 20, unansweredPings: 150 });
    const stopped = model.pid;
    stop(model);
    expect(await outcome(model)).toBe('model_process_lost');
    expect(await outcome(model)).toBe('max-tokens');
    expect(model.pid).not.toBe(stopped);
  });

  it('while it loads is given up, and the next request loads anew', async () => {
    const model = await open({ pingMs: 20, unansweredPingsLoading: 150 });
    const first = model.pid as number;
    process.kill(first, 'SIGKILL');
    await until(() => model.pid !== undefined && model.pid !== first);
    stop(model);
    await expect(model.countTokens(conversation('a'))).rejects.toMatchObject({
      code: 'model_failed',
      message: expect.stringContaining('did not get on'),
    });
    expect(await outcome(model)).toBe('max-tokens');
  });

  it('is not sent more than it may leave unread', async () => {
    const model = await open({ unreadBytes: 3_000_000 });
    const pid = model.pid as number;
    stop(model);
    const long = conversation('word '.repeat(200_000));
    const outcomes = Promise.all(Array.from({ length: 8 }, () => outcome(model, long)));
    expect(await outcome(model, long)).toBe('overloaded');
    process.kill(pid, 'SIGCONT');
    // the first that were sent are read now, and too long
    expect((await outcomes).toSorted()).toEqual([...Array(2).fill('context_exceeded'), ...Array(6).fill('overloaded')]);
    expect(await outcome(model)).toBe('max-tokens');
  });
});

describe('a model process that dies again and again without an answer', () => {
  it('is not started again before a wait is over, and says so', async () => {
    const model = await open({ deathsInRow: 3, coolDownMs: 1500 });
    for (let deaths = 0; deaths < 3; deaths++) {
      await until(() => model.state === 'ready');
      const held = outcome(model, { ...conversation('on and on'), maxTokens: 400 });
      process.kill(model.pid as number, 'SIGKILL');
      expect(await held).toBe(deaths < 2 ? 'model_process_lost' : 'model_failed');
    }
    expect(model.state).toBe('crashed');
    await expect(model.countTokens(conversation('a'))).rejects.toMatchObject({
      code: 'model_failed',
      retryable: false,
      message: expect.stringContaining('SIGKILL'),
      hint: expect.stringMatching(/tried again in \d+ s/),
    });
    expect(model.pid).toBeUndefined();
    let last = 'model_failed';
    while (last === 'model_failed') last = await outcome(model);
    expect(last).toBe('max-tokens');
  });
});

describe('a conversation of more turns than the context has tokens', () => {
  it('is refused before the process hears of it', async () => {
    const model = await open({});
    process.kill(model.pid as number, process.platform === 'win32' ? 0 : 'SIGSTOP');
    expect(await outcome(model, conversation(...Array<string>(80_001).fill('a')))).toBe('context_exceeded');
  });
});

describe('a chat template that takes for ever', () => {
  const forEver = '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}';
  async function withTemplate(template: string): Promise<string> {
    const { metadata, tensors } = fixtureContent();
    const changed = new Map(metadata).set('tokenizer.chat_template', { type: 'string', value: template });
    const file = path.join(dir, `${template.length}.gguf`);
    await writeGguf(file, { metadata: changed, tensors });
    return file;
  }

  it('does so at load: the load fails and says why', async () => {
    await expect(open({}, { file: await withTemplate(forEver) })).rejects.toMatchObject({
      code: 'model_failed',
      message: expect.stringContaining('chat template'),
    });
  });

  it('does so in one conversation: that request fails, and the process goes on', async () => {
    const template = `{% if messages | length > 2 %}${forEver}{% endif %}{{ messages[0]['content'] }}`;
    const model = await open({}, { file: await withTemplate(template) });
    const { pid } = model;
    expect(await outcome(model, conversation('a', 'b', 'c'))).toBe('model_failed');
    expect(await outcome(model)).toBe('max-tokens');
    expect(model.pid).toBe(pid);
  });
});
