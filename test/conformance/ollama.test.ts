// The real Ollama client, unmodified, against a listening server: only the host and the key are changed.
import { rmSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { PullProgress } from '../../src/hub/types.ts';
import { FreeholdError } from '../../src/lib/errors.ts';
import type { ModelHub } from '../../src/server/context.ts';
import { createKey } from '../../src/store/keys.ts';
import { openStore } from '../../src/store/open.ts';
import { client } from '../clients/load.ts';
import { createFakeModel, endless, failing, fakePieces, type Generate } from '../support/fake-model.ts';
import { startTestServer, type TestServer, testHome } from '../support/server.ts';

/** As much of the client as is used here; its own types come with it, where it is installed. */
interface Ollama {
  chat(request: object): Promise<never>;
  generate(request: object): Promise<never>;
  embed(request: object): Promise<never>;
  embeddings(request: object): Promise<never>;
  list(): Promise<never>;
  show(request: object): Promise<never>;
  ps(): Promise<never>;
  version(): Promise<never>;
  pull(request: object): Promise<never>;
  delete(request: object): Promise<never>;
  create(request: object): Promise<never>;
  abort(): void;
}
type OllamaClass = new (config: { host: string; headers?: Record<string, string> }) => Ollama;
type Line = { done: boolean; message: { content: string; thinking?: string; tool_calls?: object[] } };

const soon = { timeout: 30_000 };
const vectors = createFakeModel('vectors', fakePieces, 'embedding');
const homes: string[] = [];
const pulls: string[] = [];
const removed: string[] = [];
let pull: ModelHub['pull'];

let Ollama: OllamaClass;
let server: TestServer;
let ollama: Ollama;
const withKey = (key: string) => new Ollama({ host: server.url, headers: { authorization: `Bearer ${key}` } });

beforeAll(async () => {
  ({ Ollama } = await client<{ Ollama: OllamaClass }>('ollama'));
  const { file, home } = testHome();
  homes.push(home);
  server = await startTestServer(
    {},
    {
      open: async ({ name }) => (name === 'vectors' ? vectors : server.model),
      find: async (name) => {
        if (name === 'vectors') return { name, file, kind: 'embedding' };
        return name === 'fake' ? { name, file, kind: 'chat' } : undefined;
      },
      listModels: async () => [
        {
          id: 'fake',
          title: 'Fake',
          createdSeconds: 1_700_000_000,
          owner: 'file',
          details: { kind: 'chat', sizeBytes: 4, architecture: 'qwen3', contextTokens: 512, parameters: 6e8 },
        },
        { id: 'qwen3-4b', title: 'Qwen3', createdSeconds: 0, owner: 'freehold', details: { kind: 'chat' } },
      ],
      hub: {
        pull: (reference, options) => {
          pulls.push(reference);
          return pull(reference, options);
        },
        remove: async (name) => {
          removed.push(name);
        },
      },
    },
  );
  ollama = withKey(server.key);
});
afterAll(async () => {
  await server.stop();
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});
afterEach(() => {
  server.model.behaviour = undefined;
});

const ask = { model: 'fake:latest', messages: [{ role: 'user', content: 'hello there' }] };
const toolCall: Generate = async function* () {
  yield { type: 'start', inputTokens: 9, cachedTokens: 0 };
  yield { type: 'thinking-delta', text: 'The weather …' };
  yield { type: 'tool-use-start', id: 'call_abc', name: 'weather' };
  yield { type: 'tool-use-delta', json: '{"city":"' };
  yield { type: 'tool-use-delta', json: 'Paris"}' };
  yield { type: 'tool-use-stop' };
  yield { type: 'usage', inputTokens: 9, cachedTokens: 0, outputTokens: 5 };
  yield { type: 'stop', reason: 'tool-use' };
};
const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather in a city',
      parameters: { type: 'object', required: ['city'], properties: { city: { type: 'string' } } },
    },
  },
];

describe('chat', () => {
  it('answers whole', async () => {
    expect(await ollama.chat(ask)).toMatchObject({
      model: 'fake',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      message: { role: 'assistant', content: 'Hello from the fake model.' },
      done: true,
      done_reason: 'stop',
      total_duration: expect.any(Number),
      prompt_eval_count: 2,
      eval_count: 6,
    });
  });

  it('tells durations that add up, in nanoseconds', async () => {
    const answer: Record<string, number> = await ollama.chat(ask);
    const { total_duration: total = 0, load_duration: load = 0 } = answer;
    const parts = load + (answer.prompt_eval_duration ?? 0) + (answer.eval_duration ?? 0);
    expect(parts).toBeGreaterThan(0);
    expect(parts).toBeLessThanOrEqual(total + 1000);
  });

  it('streams', async () => {
    const lines: Line[] = [];
    for await (const line of (await ollama.chat({ ...ask, stream: true })) as AsyncIterable<Line>) lines.push(line);
    expect(lines.map(({ message }) => message.content)).toEqual([...fakePieces, '']);
    expect(lines.at(-1)).toMatchObject({ done: true, done_reason: 'stop', eval_count: 6 });
  });

  it('streams where nothing is said of it, as newline-delimited JSON', async () => {
    const headers = { authorization: `Bearer ${server.key}` };
    // the client itself writes `stream: false` into what it is given
    const body = JSON.stringify({ ...ask, stream: undefined });
    const answer = await fetch(`${server.url}/api/chat`, { method: 'POST', headers, body });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    expect((await answer.text()).trim().split('\n')).toHaveLength(fakePieces.length + 1);
  });

  it('obeys options', async () => {
    const answer = await ollama.chat({ ...ask, options: { num_predict: 2, temperature: 0, stop: ['nothing'] } });
    expect(answer).toMatchObject({ message: { content: 'Hello from' }, done_reason: 'length' });
    expect(server.model.requests.at(-1)).toMatchObject({ maxTokens: 2, sampling: { temperature: 0 } });
  });

  it('ends the generation when it is aborted', async () => {
    server.model.behaviour = endless();
    const before = server.model.aborted;
    const own = withKey(server.key);
    const lines = (await own.chat({ ...ask, stream: true })) as AsyncIterable<Line>;
    await expect(
      (async () => {
        for await (const _ of lines) own.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    await vi.waitFor(() => expect(server.model.aborted).toBe(before + 1), soon);
  });

  it('calls tools, whole and streamed', async () => {
    server.model.behaviour = toolCall;
    const called = { function: { name: 'weather', arguments: { city: 'Paris' } } };
    expect(await ollama.chat({ ...ask, tools })).toMatchObject({ message: { content: '', tool_calls: [called] } });
    expect(server.model.requests.at(-1)?.tools?.[0]).toMatchObject({ name: 'weather' });
    const lines: Line[] = [];
    for await (const line of (await ollama.chat({ ...ask, tools, stream: true })) as AsyncIterable<Line>) {
      lines.push(line);
    }
    expect(lines.flatMap(({ message }) => message.tool_calls ?? [])).toMatchObject([called]);
  });

  it('takes the result of a tool', async () => {
    const called = { function: { name: 'weather', arguments: { city: 'Paris' } } };
    const messages = [
      ...ask.messages,
      { role: 'assistant', content: '', tool_calls: [called] },
      { role: 'tool', tool_name: 'weather', content: '21 degrees' },
    ];
    await ollama.chat({ ...ask, messages, tools });
    const [, second, third] = server.model.requests.at(-1)?.messages ?? [];
    expect(second?.content).toMatchObject([{ type: 'tool-use', name: 'weather', input: { city: 'Paris' } }]);
    const [use] = (second?.content ?? []) as { id: string }[];
    expect(third?.content).toMatchObject([
      {
        type: 'tool-result',
        toolUseId: use?.id,
        content: [{ type: 'text', text: '21 degrees' }],
      },
    ]);
  });

  it('shows thoughts, unless they are not wanted', async () => {
    server.model.behaviour = toolCall;
    expect(await ollama.chat({ ...ask, think: 'low' })).toMatchObject({ message: { thinking: 'The weather …' } });
    expect(server.model.requests.at(-1)?.thinking).toEqual({ type: 'enabled', budgetTokens: 1024 });
    const { message } = await ollama.chat({ ...ask, think: false });
    expect(message).not.toHaveProperty('thinking');
    expect(server.model.requests.at(-1)?.thinking).toEqual({ type: 'disabled' });
  });

  it('holds the answer to a schema', async () => {
    const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
    await ollama.chat({ ...ask, format: schema });
    expect(server.model.requests.at(-1)?.responseSchema).toEqual(schema);
  });

  it('tells of errors before and within an answer', async () => {
    await expect(ollama.chat({ ...ask, model: 'nobody' })).rejects.toMatchObject({
      name: 'ResponseError',
      status_code: 404,
      message: expect.stringContaining('There is no model "nobody" here'),
    });
    await expect(ollama.chat({ ...ask, options: { mirostat: 1 } })).rejects.toMatchObject({
      status_code: 400,
      message: expect.stringContaining('options.mirostat'),
    });
    await expect(withKey('wrong').chat(ask)).rejects.toMatchObject({ status_code: 401 });
    server.model.behaviour = failing(new FreeholdError('model_process_lost', 'It died.'), 2);
    const lines = (await ollama.chat({ ...ask, stream: true })) as AsyncIterable<Line>;
    await expect(
      (async () => {
        for await (const _ of lines);
      })(),
    ).rejects.toThrow('It died.');
  });
});

describe('generate', () => {
  it('answers a prompt, whole and streamed', async () => {
    const request = { model: 'fake', prompt: 'hello', system: 'be brief' };
    expect(await ollama.generate(request)).toMatchObject({ response: 'Hello from the fake model.', done: true });
    expect(server.model.requests.at(-1)).toMatchObject({
      system: [{ text: 'be brief' }],
      messages: [{ role: 'user', content: [{ text: 'hello' }] }],
    });
    let text = '';
    for await (const { response } of (await ollama.generate({ ...request, stream: true })) as AsyncIterable<{
      response: string;
    }>) {
      text += response;
    }
    expect(text).toBe('Hello from the fake model.');
  });

  it('takes a raw prompt as it stands', async () => {
    await ollama.generate({ model: 'fake', prompt: '<s>[INST] hi [/INST]', raw: true });
    expect(server.model.requests.at(-1)).toMatchObject({ messages: [], prompt: '<s>[INST] hi [/INST]' });
  });

  it('without a prompt loads the model', async () => {
    const asked = server.model.requests.length;
    expect(await ollama.generate({ model: 'fake' })).toMatchObject({ response: '', done: true, done_reason: 'load' });
    expect(server.model.requests).toHaveLength(asked);
    await expect(ollama.generate({ model: 'nobody' })).rejects.toMatchObject({ status_code: 404 });
  });
});

describe('vectors', () => {
  it('of several texts, and of one in the older way', async () => {
    const { embeddings } = await ollama.embed({ model: 'vectors', input: ['one two', 'Three'] });
    expect(embeddings).toHaveLength(2);
    expect(Math.hypot(...(embeddings[0] as number[]))).toBeCloseTo(1);
    const { embedding } = await ollama.embeddings({ model: 'vectors', prompt: 'one two' });
    expect(embedding).toEqual([7, 2, 0, 1]);
  });

  it('are not made by a model that chats', async () => {
    await expect(ollama.embed({ model: 'fake', input: 'x' })).rejects.toMatchObject({ status_code: 400 });
  });
});

describe('models', () => {
  it('are listed, shown, and told of while they run', async () => {
    await ollama.chat(ask);
    expect(await ollama.list()).toMatchObject({
      models: [
        {
          name: 'fake:latest',
          size: 4,
          details: { family: 'qwen3', parameter_size: '600M' },
          capabilities: ['completion'],
        },
        // it does not run: this much is known of the catalogue's models
        { name: 'qwen3-4b:latest', capabilities: ['completion', 'tools', 'thinking'] },
      ],
    });
    for (const model of ['fake', 'fake:latest', 'default']) {
      expect(await ollama.show({ model })).toMatchObject({ model_info: { 'qwen3.context_length': 512 } });
    }
    await expect(ollama.show({ model: 'nobody' })).rejects.toMatchObject({ status_code: 404 });
    const { models } = await ollama.ps();
    expect(models).toContainEqual(expect.objectContaining({ name: 'fake:latest', size_vram: 0 }));
    expect(await ollama.version()).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  });

  it('are looked for by programs that first ask whether Ollama is running', async () => {
    expect(await (await fetch(server.url)).text()).toBe('Ollama is running');
    const page = await fetch(server.url, { headers: { accept: 'text/html,application/xhtml+xml' } });
    expect(await page.text()).not.toContain('Ollama is running');
  });

  it('come and go', async () => {
    const progress: PullProgress[] = [
      { phase: 'download', source: 'huggingface.co a/b', receivedBytes: 1, totalBytes: 2 },
      { phase: 'verify', source: 'huggingface.co a/b', receivedBytes: 2, totalBytes: 2 },
      { phase: 'done', source: 'huggingface.co a/b', receivedBytes: 2, totalBytes: 2 },
    ];
    pull = async (_reference, { onProgress }) => progress.forEach(onProgress);
    const lines: object[] = [];
    for await (const line of (await ollama.pull({ model: 'hf.co/a/b', stream: true })) as AsyncIterable<object>) {
      lines.push(line);
    }
    expect(pulls.at(-1)).toBe('hf:a/b');
    expect(lines).toEqual([
      { status: 'pulling manifest' },
      { status: 'pulling huggingface.co a/b', digest: 'huggingface.co a/b', total: 2, completed: 1 },
      { status: 'verifying sha256 digest' },
      { status: 'success' },
    ]);
    expect(await ollama.pull({ model: 'qwen3-4b' })).toEqual({ status: 'success' });
    await ollama.delete({ model: 'qwen3-4b:latest' });
    expect(removed).toEqual(['qwen3-4b']);
  });

  it('that cannot be had are told before the stream begins, and what breaks off is told in it', async () => {
    pull = async () => {
      throw new FreeholdError('model_not_found', '"nobody" is not in the catalogue.');
    };
    for (const stream of [true, false]) {
      await expect(ollama.pull({ model: 'nobody', stream })).rejects.toMatchObject({ status_code: 404 });
    }
    pull = async (_reference, { onProgress }) => {
      onProgress({ phase: 'download', source: 'x', receivedBytes: 1 });
      throw new FreeholdError('download_failed', 'The download broke off.');
    };
    const lines = (await ollama.pull({ model: 'some', stream: true })) as AsyncIterable<object>;
    await expect(
      (async () => {
        for await (const _ of lines);
      })(),
    ).rejects.toThrow('The download broke off.');
  });

  it('come one at a time, and stop coming when the caller goes away', async () => {
    let stopped = false;
    pull = (_reference, { signal, onProgress }) =>
      new Promise((_, reject) => {
        onProgress({ phase: 'download', source: 'x', receivedBytes: 1 });
        signal.addEventListener('abort', () => {
          stopped = true;
          reject(new FreeholdError('cancelled', 'Stopped.'));
        });
      });
    const own = withKey(server.key);
    const lines = (await own.pull({ model: 'first', stream: true })) as AsyncIterable<object>;
    await expect(ollama.pull({ model: 'second' })).rejects.toMatchObject({
      status_code: 409,
      message: expect.stringContaining('first is being pulled'),
    });
    await expect(
      (async () => {
        for await (const _ of lines) own.abort();
      })(),
    ).rejects.toThrow(/abort/i);
    await vi.waitFor(() => expect(stopped).toBe(true), soon);
    pull = async () => {};
    await vi.waitFor(async () => expect(await ollama.pull({ model: 'third' })).toEqual({ status: 'success' }), soon);
  });

  it('come and go by admins only, and never by path or address', async () => {
    const store = openStore(server.home);
    const { key } = await createKey(store, { name: 'service', role: 'service' });
    await store.close();
    const before = pulls.length;
    await expect(withKey(key).pull({ model: 'qwen3-4b' })).rejects.toMatchObject({ status_code: 403 });
    await expect(withKey(key).delete({ model: 'qwen3-4b' })).rejects.toMatchObject({ status_code: 403 });
    for (const model of ['/etc/passwd', 'http://169.254.169.254/x.gguf']) {
      await expect(ollama.pull({ model })).rejects.toMatchObject({ status_code: 400 });
    }
    expect(pulls).toHaveLength(before);
    expect(removed).toEqual(['qwen3-4b']);
    await withKey(key).list();
  });

  it('are hidden from a key that may not use them', async () => {
    const store = openStore(server.home);
    const scopes = { routes: ['*' as const], models: ['vectors'] };
    const { key } = await createKey(store, { name: 'limited', role: 'service', scopes });
    await store.close();
    const limited = withKey(key);
    await ollama.chat(ask);
    expect(await limited.list()).toEqual({ models: [] });
    expect(JSON.stringify(await limited.ps())).not.toContain('fake');
    for (const act of [
      () => limited.show({ model: 'fake' }),
      () => limited.chat(ask),
      () => limited.generate({ model: 'fake' }),
    ]) {
      await expect(act()).rejects.toMatchObject({ status_code: 404 });
    }
    expect(await limited.embed({ model: 'vectors', input: 'x' })).toHaveProperty('embeddings');
  });

  it('are not created here: the path is told to be unknown', async () => {
    await expect(ollama.create({ model: 'mine', from: 'fake' })).rejects.toMatchObject({ status_code: 404 });
  });
});
