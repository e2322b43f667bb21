// Requests with different adapters in one model process at the same time: each gets the answer it would get alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterContent } from '../../scripts/fixture-adapter.ts';
import { adapterPath, bertPath, fixturePath } from '../../scripts/make-fixture.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { type LocalTextModel, openLocalModel } from './client.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'freehold-adapted-'));
let model: LocalTextModel;

beforeAll(async () => {
  const poet = path.join(folder, 'poet.gguf');
  await writeGguf(poet, adapterContent(8));
  model = await openLocalModel({
    name: 'tiny',
    file: fixturePath,
    contextTokens: 512,
    maxSequences: 4,
    threads: 1,
    device: 'cpu',
    libDir: '',
    home: '',
    queueLimit: 20,
    adapters: { legal: adapterPath, poet, wrong: bertPath },
  });
});
afterAll(async () => {
  await model.close();
  rmSync(folder, { recursive: true });
});

/** The text of a greedy answer. */
async function answer(adapter: string | undefined, tenant: string): Promise<string> {
  let text = '';
  for await (const event of model.generate({
    messages: [{ role: 'user', content: [{ type: 'text', text: 'tell me a story about a house' }] }],
    maxTokens: 12,
    sampling: { temperature: 0 },
    ignoreEnd: true,
    tenant,
    traceId: 'test',
    ...(adapter === undefined ? {} : { adapter }),
  })) {
    if (event.type === 'text-delta') text += event.text;
  }
  return text;
}

describe('requests with different adapters', () => {
  it('are answered side by side as they are alone', async () => {
    const adapters = [undefined, 'legal', 'poet'];
    const alone: string[] = [];
    for (const adapter of adapters) alone.push(await answer(adapter, 'alone'));
    expect(new Set(alone).size).toBe(3);
    const together = await Promise.all(
      Array.from({ length: 9 }, (_, i) => answer(adapters[i % 3], `tenant ${Math.floor(i / 3)}`)),
    );
    expect(together).toEqual(Array.from({ length: 9 }, (_, i) => alone[i % 3]));
  });

  it('share no computed prompts: the same tenant gets each adapter its own answer', async () => {
    const [plain, legal, again] = [
      await answer(undefined, 'one'),
      await answer('legal', 'one'),
      await answer(undefined, 'one'),
    ];
    expect(again).toBe(plain);
    expect(legal).not.toBe(plain);
  });

  it('are refused where there is no such adapter, or it is for another model', async () => {
    await expect(answer('nobody', 'a')).rejects.toMatchObject({
      code: 'invalid_request',
      field: 'adapter',
      hint: expect.stringContaining('legal, poet, wrong'),
    });
    await expect(answer('wrong', 'a')).rejects.toMatchObject({ code: 'gguf_invalid' });
    expect(await answer('legal', 'a')).toBe(await answer('legal', 'b'));
  });
});
