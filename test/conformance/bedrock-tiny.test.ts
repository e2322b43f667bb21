// The AWS SDK, a listening server and a model process with the fixture's weights: what only a real engine shows. Its
// weights are noise, so what it says is held by schemas and counted, not read.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { resolveConfig } from '../../src/lib/config.ts';
import { silentLogger } from '../../src/lib/log.ts';
import { type RunningServer, startServer } from '../../src/server/start.ts';
import { createAwsCredential } from '../../src/store/aws-credentials.ts';
import { openStore } from '../../src/store/open.ts';
import { client as load } from '../clients/load.ts';
import type { Client, Loose } from '../support/bedrock.ts';

let home: string;
let server: RunningServer;
let client: Client;
let sdk: Record<string, new (input: object) => Loose>;
beforeAll(async () => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  sdk = await load('@aws-sdk/client-bedrock-runtime');
  home = mkdtempSync(path.join(tmpdir(), 'freehold-bedrock-'));
  const defaultModel = path.join(import.meta.dirname, '../fixtures/tiny.gguf');
  const { values } = resolveConfig({ home, port: 0, defaultModel, device: 'cpu', threads: 1, maxSequences: 2 }, {});
  server = await startServer(values, silentLogger);
  const store = openStore(home);
  const credentials = await createAwsCredential(store, { name: 'sdk', role: 'service' });
  await store.close();
  const Runtime = sdk.BedrockRuntimeClient as new (input: object) => Client;
  client = new Runtime({ endpoint: server.url, region: 'us-east-1', credentials, maxAttempts: 1 });
});
afterAll(async () => {
  client?.destroy();
  await server?.close();
  rmSync(home, { recursive: true, force: true });
  vi.restoreAllMocks();
});

const send = (name: string, input: object) => {
  const Command = sdk[`${name}Command`] as new (input: object) => unknown;
  return client.send(new Command({ modelId: 'default', ...input }));
};
const messages = [{ role: 'user', content: [{ text: 'How is the weather in Bern?' }] }];
const ask = { messages, inferenceConfig: { maxTokens: 400, temperature: 0 } };
const input = z.strictObject({ place: z.enum(['Bern', 'Basel']), days: z.int().min(1).max(3) });
const toolSpec = {
  name: 'get_weather',
  description: 'Weather of a place.',
  inputSchema: { json: z.toJSONSchema(input) },
};

describe('a call that is demanded', () => {
  const asked = { ...ask, toolConfig: { tools: [{ toolSpec }], toolChoice: { tool: { name: 'get_weather' } } } };

  it("satisfies the tool's schema, and its result is part of the next prompt", async () => {
    const { output, stopReason } = await send('Converse', asked);
    expect(stopReason).toBe('tool_use');
    const { toolUse } = output.message.content.find((block: Loose) => block.toolUse);
    expect(toolUse).toMatchObject({ name: 'get_weather', toolUseId: expect.stringMatching(/^tooluse_/) });
    expect(input.safeParse(toolUse.input).error).toBeUndefined();
    const toolResult = { toolUseId: toolUse.toolUseId, content: [{ json: { degrees: 7 } }] };
    const next = { ...asked, messages: [...messages, output.message, { role: 'user', content: [{ toolResult }] }] };
    const count = async (converse: object) => (await send('CountTokens', { input: { converse } })).inputTokens;
    expect(await count(next)).toBeGreaterThan(await count(asked));
    expect((await send('Converse', next)).stopReason).toBe('tool_use');
  });

  it('is streamed in parts that are the same JSON', async () => {
    let json = '';
    for await (const event of (await send('ConverseStream', asked)).stream) {
      json += event.contentBlockDelta?.delta.toolUse?.input ?? '';
    }
    expect(input.safeParse(JSON.parse(json)).error).toBeUndefined();
  });
});

it('structured output satisfies its schema', async () => {
  const jsonSchema = { schema: JSON.stringify(z.toJSONSchema(input)) };
  const { output } = await send('Converse', {
    ...ask,
    outputConfig: { textFormat: { type: 'json_schema', structure: { jsonSchema } } },
  });
  expect(input.safeParse(JSON.parse(output.message.content[0].text)).error).toBeUndefined();
});

describe('a schema that cannot be held is refused by name', () => {
  const json = { type: 'object', properties: { a: { type: 'array', uniqueItems: true } }, required: ['a'] };
  const textFormat = { type: 'json_schema', structure: { jsonSchema: { schema: JSON.stringify(json) } } };
  const strict = { toolSpec: { ...toolSpec, strict: true, inputSchema: { json } } };
  it.each<[string, object, RegExp]>([
    [
      'of the answer',
      { outputConfig: { textFormat } },
      /^outputConfig\.textFormat\.structure\.jsonSchema\.schema.*uniqueItems/,
    ],
    [
      'of a strict tool',
      { toolConfig: { tools: [{ cachePoint: { type: 'default' } }, strict] } },
      /get_weather.*uniqueItems/,
    ],
  ])('%s', async (_, changes, expected) => {
    await expect(send('Converse', { ...ask, ...changes })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringMatching(expected),
    });
  });
});

it('what the cache saved is told', async () => {
  const system = [{ text: 'word '.repeat(200) }];
  const short = { ...ask, system, inferenceConfig: { maxTokens: 1 } };
  const first = await send('Converse', short);
  const { usage } = await send('Converse', short);
  expect(usage.cacheReadInputTokens).toBeGreaterThan(0);
  expect(usage.inputTokens + usage.cacheReadInputTokens).toBe(
    first.usage.inputTokens + first.usage.cacheReadInputTokens,
  );
  expect(usage.totalTokens).toBe(usage.inputTokens + usage.cacheReadInputTokens + usage.outputTokens);
});
