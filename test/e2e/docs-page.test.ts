// The page of the APIs in a real browser against the real server: find a route, edit its body, send it, read the answer.
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { endless } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { findChromium, launchChromium } from './chromium.ts';

const executable = findChromium();

describe.skipIf(!executable)('needs chromium: page of the APIs', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;
  /** Script errors, refusals by the content-security policy, and requests to other machines. */
  let faults: string[];

  beforeAll(async () => {
    browser = await launchChromium(executable as string);
  });
  afterAll(() => browser?.close());
  beforeEach(async () => {
    server = await startTestServer();
    faults = [];
  });
  afterEach(async () => {
    await page?.context().close();
    await server.stop();
    expect(faults).toEqual([]);
  });

  async function visit(options: BrowserContextOptions = {}, hash = ''): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    context.setDefaultTimeout(15_000);
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (/content security policy/i.test(message.text())) faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) faults.push(request.url());
    });
    await page.goto(`${server.url}/docs${hash}`);
    await page.getByRole('navigation', { name: 'Routes' }).getByRole('link').first().waitFor();
  }
  const link = (name: RegExp) => page.getByRole('link', { name });
  const answer = () => page.getByRole('region', { name: 'Answer' });
  const body = () => page.getByRole('textbox', { name: /^Body/ });
  const send = () => page.getByRole('button', { name: 'Send', exact: true });

  it('sends an edited body with a key, and shows the answer and the same as a command', async () => {
    await visit();
    await page.getByRole('searchbox', { name: 'Find a route' }).fill('post v1 messages answer');
    await link(/POST \/v1\/messages Answer/).click();
    await page.getByLabel(/^Key/).fill(server.key);
    await body().fill('{"model": "fake", "max_tokens": 2, "messages": [{"role": "user", "content": "hi"}]}');
    await send().click();
    await expect.poll(() => answer().textContent(), { timeout: 15_000 }).toContain('"stop_reason": "max_tokens"');
    expect(await answer().textContent()).toContain('200 OK');
    const command = await page.getByRole('region', { name: 'The same with curl' }).textContent();
    expect(command).toContain(`curl -X POST '${server.url}/v1/messages'`);
    expect(command).toContain('"max_tokens": 2');
    expect(command).not.toContain(server.key);
  });

  it('shows a stream while it comes, and stops it', async () => {
    server.model.behaviour = endless();
    await visit({}, `#${encodeURIComponent('POST /api/chat')}`);
    await page.getByLabel(/^Key/).fill(server.key);
    await body().fill('{"model": "fake", "messages": [{"role": "user", "content": "hi"}]}');
    await body().press('Control+Enter');
    await expect.poll(() => answer().textContent(), { timeout: 15_000 }).toContain('coming in');
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    await page.getByText('Stopped.').waitFor();
    await expect.poll(() => server.model.aborted, { timeout: 15_000 }).toBe(1);
  });

  it('says what is wrong before anything is sent, and what the server says after', async () => {
    await visit({}, `#${encodeURIComponent('POST /v1/embeddings')}`);
    await body().fill('{"model": ');
    expect(await send().isDisabled()).toBe(true);
    await page.getByText(/The body is not JSON/).waitFor();
    await body().fill('{}');
    await send().click();
    await expect.poll(() => answer().textContent(), { timeout: 15_000 }).toContain('401');
    expect(await answer().textContent()).toContain('No API key was given');
  });

  it('serves a signed-in reader without a key', async () => {
    await visit();
    await page.goto(server.signInUrl);
    await page.getByRole('textbox', { name: 'Message', exact: true }).waitFor();
    await page.goto(`${server.url}/docs#${encodeURIComponent('GET /v1/models')}`);
    await send().click();
    await expect.poll(() => answer().textContent(), { timeout: 15_000 }).toContain('"object": "list"');
  });

  it.each(['light', 'dark'] as const)('is readable in %s, on a wide and a narrow screen', async (colorScheme) => {
    await visit({ colorScheme }, `#${encodeURIComponent('POST /v1/messages')}`);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      const overflow = await page.evaluate<number>(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect(overflow).toBe(0);
      const folder = process.env.FREEHOLD_SCREENSHOTS;
      if (folder) await page.screenshot({ path: `${folder}/docs-${colorScheme}-${width}.png` });
    }
  });
});
