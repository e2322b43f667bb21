// docs/guide/supported.md is kept equal to what the server really does: every row is a request that is sent, and the page
// is made of the rows. `npx vitest run test/guide-table.test.ts -u` writes it anew.
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from './support/app.ts';
import { anthropicRows } from './support/guide/anthropic.ts';
import { bedrockRows } from './support/guide/bedrock.ts';
import { ollamaRows } from './support/guide/ollama.ts';
import { openaiRows } from './support/guide/openai.ts';
import type { Probe, Row } from './support/guide/row.ts';

const protocols: Record<string, Row[]> = {
  Anthropic: anthropicRows,
  OpenAI: openaiRows,
  Bedrock: bedrockRows,
  Ollama: ollamaRows,
};
const rows = Object.entries(protocols).flatMap(([protocol, own]) => own.map((each) => ({ protocol, ...each })));

let test: TestApp;
beforeAll(async () => {
  const hub = { pull: async () => {}, remove: async () => {} };
  test = await createTestApp({}, { hub });
});
afterAll(() => test.stop());

describe('the table of what is supported', () => {
  it.each(rows)('$protocol: $feature ($supported)', async ({ supported, probe }) => {
    const { method, path: where, body, headers = {}, status } = probe;
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value || undefined]));
    const answer = await test.send(method, where, body, given);
    const text = await answer.text();
    expect([answer.status, text.slice(0, 300)]).toEqual([status, expect.any(String)]);
    // a stream that fails has begun with 200
    if (status === 200) expect(text).not.toMatch(/event: error|^\{"error"/m);
    // what is refused is refused; of the rest only an id that is not there is
    if (supported === 'no') expect(status).toBeGreaterThanOrEqual(400);
    else if (!/none/.test(where + JSON.stringify(body ?? ''))) expect(status).toBe(200);
  });

  it('has no row twice', () => {
    const names = rows.map(({ protocol, feature }) => `${protocol} ${feature}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('is the page', async () => {
    await expect(page()).toMatchFileSnapshot(path.join(import.meta.dirname, '../docs/guide/supported.md'));
  });
});

const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** `{"n":2}`: what is added to a request that works, or where it is sent to. */
function shownProbe({ method, path: where, body, shown, status }: Probe): string {
  const extra = shown === undefined ? body : Object.keys(shown).length > 0 ? shown : undefined;
  const json = extra === undefined ? '' : ` ${JSON.stringify(extra)}`;
  const short = json.length > 150 ? `${json.slice(0, 150)}…` : json;
  return `\`${`${method} ${where.replace(/%3A/g, ':')}${short}`.replaceAll('`', '')}\` ${status}`;
}

function page(): string {
  const tables = Object.entries(protocols).flatMap(([protocol, own]) => [
    `## ${protocol}`,
    '',
    '| feature | supported | | sent in the test, and the status of the answer |',
    '|---|---|---|---|',
    ...own.map(
      ({ feature, supported, why, probe }) =>
        `| ${cell(feature)} | ${supported} | ${cell(why)} | ${cell(shownProbe(probe))} |`,
    ),
    '',
  ]);
  return [
    '# What is supported',
    '',
    '<!-- Made by test/guide-table.test.ts, which sends every row. Change test/support/guide/*.ts and run it with -u. -->',
    '',
    'What is refused is refused by name with a 400, never dropped; *ignored* is taken without effect, because it does not change the answer. Fields nobody',
    'knows are accepted. The last column is added to a request that works; `npx vitest run test/guide-table.test.ts` sends them all.',
    '[What each protocol calls things](apis.md), [programs for every client](clients.md); a running server tells its routes at `/docs` and `/openapi.json`.',
    '',
    ...tables,
  ].join('\n');
}
