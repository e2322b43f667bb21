// The chat page in a real browser against the real server; only the model is a stand-in, which says what each test needs.
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FreeholdError } from '../../src/lib/errors.ts';
import { endless, failing, type Generate } from '../support/fake-model.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { findChromium, launchChromium } from './chromium.ts';

const executable = findChromium();

/** Says the pieces, one every 2 ms, then ends. */
const saying = (...pieces: string[]): Generate =>
  async function* () {
    yield { type: 'start', inputTokens: 5, cachedTokens: 0 };
    for (const text of pieces) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      yield { type: 'text-delta', text };
    }
    yield { type: 'usage', inputTokens: 5, cachedTokens: 0, outputTokens: pieces.length };
    yield { type: 'stop', reason: 'end-turn' };
  };

describe.skipIf(!executable)('needs chromium: chat page', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;
  /** Script errors and refusals by the content-security policy. */
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

  async function visit(url: string, options: BrowserContextOptions = {}): Promise<void> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(15_000);
    page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      if (/content security policy/i.test(message.text())) faults.push(message.text());
    });
    await page.goto(url);
  }
  const signIn = async (options?: BrowserContextOptions) => {
    await visit(server.signInUrl, options);
    await composer().waitFor();
  };
  const composer = () => page.getByRole('textbox', { name: 'Message', exact: true });
  const button = (name: string | RegExp) => page.getByRole('button', { name, exact: true });
  const answers = () => page.getByRole('article', { name: 'Answer' });
  const ask = async (text: string) => {
    await composer().fill(text);
    await composer().press('Enter');
  };
  const facts = () => page.getByRole('list', { name: 'About this answer' });
  const textOf = async (locator: Locator) => (await locator.allInnerTexts()).join('\n');
  const run = <T>(expression: string) => page.evaluate<T>(expression);
  const lastAsked = () => server.model.requests.at(-1);

  it('signs in by the link, takes the token out of the address, and stays signed in', async () => {
    await signIn();
    expect(page.url()).toBe(`${server.url}/`);
    await page.reload();
    await composer().waitFor();
    expect(await run('document.cookie')).toBe('');
  });

  it('asks for a key without a session, says why one is refused, and opens with the right one', async () => {
    await visit(server.url);
    const field = page.getByLabel('API key');
    await field.fill('fh_wrong');
    await button('Sign in').click();
    await page.getByRole('alert').waitFor();
    expect(await textOf(page.getByRole('alert'))).toContain('not valid here');
    await field.fill(server.key);
    await button('Sign in').click();
    await composer().waitFor();
  });

  it('says that a used sign-in link is used', async () => {
    await signIn();
    await page.context().close();
    await visit(server.signInUrl);
    await page.getByRole('alert').waitFor();
    expect(await textOf(page.getByRole('alert'))).toContain('works once');
    expect(page.url()).toBe(`${server.url}/`);
  });

  it('streams an answer, then shows which model wrote it and how fast', async () => {
    await signIn();
    server.model.behaviour = saying('Hello ', 'from ', '**the** ', 'model', '.');
    await ask('Hi there');
    await facts().waitFor();
    expect(await textOf(answers())).toContain('Hello from the model.');
    expect(await textOf(facts())).toMatch(/fake\s+[\d.]+ tokens\/s\s+first token [\d.]+ s\s+5 tokens/);
    expect(page.url()).toMatch(/\/c\/\w+$/);
  });

  it('shows text while it is written, stops on the button and on Escape, and keeps what had come', async () => {
    await signIn();
    server.model.behaviour = endless('tick ', 5);
    await ask('Count');
    await answers().getByText('tick tick tick').waitFor();
    await button('Stop').click();
    await answers().getByText('stopped').waitFor();
    expect(await textOf(answers())).toContain('tick tick');
    await ask('Again');
    await answers().nth(1).getByText('tick tick tick').waitFor();
    await page.keyboard.press('Escape');
    await answers().nth(1).getByText('stopped').waitFor();
    await expect.poll(() => server.model.aborted).toBe(2);
  });

  it('answers again in place of the last answer', async () => {
    await signIn();
    server.model.behaviour = saying('First.');
    await ask('Hi');
    await facts().waitFor();
    server.model.behaviour = saying('Second.');
    await button('Answer again').click();
    await answers().getByText('Second.').waitFor();
    expect(await answers().count()).toBe(1);
    expect(lastAsked()?.messages).toHaveLength(1);
  });

  it('sends an edited question instead of the old one', async () => {
    await signIn();
    await ask('Wrong word');
    await facts().waitFor();
    await composer().press('ArrowUp');
    const editor = page.getByRole('textbox', { name: 'Edit your message' });
    await editor.fill('Right word');
    await editor.press('Enter');
    await expect
      .poll(() => lastAsked()?.messages)
      .toEqual([{ role: 'user', content: [{ type: 'text', text: 'Right word' }] }]);
    expect(await page.getByText('Wrong word').count()).toBe(0);
  });

  it('shows the message of an error in place, and Retry asks again', async () => {
    await signIn();
    server.model.behaviour = failing(new FreeholdError('model_process_lost', 'The model process died.'), 2);
    await ask('Hi');
    const alert = answers().getByRole('alert');
    await alert.waitFor();
    expect(await textOf(alert)).toContain('The model process died.');
    expect(await textOf(answers())).toContain('piece 0 piece 1');
    server.model.behaviour = saying('Fine now.');
    await button('Retry').click();
    await answers().getByText('Fine now.').waitFor();
    expect(await alert.count()).toBe(0);
  });

  it('does not run, load or follow anything that a model writes', async () => {
    await signIn();
    const foreign: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url)) foreign.push(request.url());
    });
    server.model.behaviour = saying(
      '<script>window.hacked = 1</script> <img src=x onerror="window.hacked = 1">\n\n',
      '![picture](http://192.0.2.1/spy.png) [run](javascript:window.hacked=1) [go](https://example.com/)\n\n',
      '<iframe src="/"></iframe>\n\nEnd.',
    );
    await ask('Attack');
    await facts().waitFor();
    expect(await textOf(answers())).toContain('<script>window.hacked = 1</script>');
    expect(await answers().locator('script, img, iframe').count()).toBe(0);
    expect(await answers().getByRole('link').allInnerTexts()).toEqual(['picture', 'go']);
    expect(await answers().getByRole('link', { name: 'go' }).getAttribute('rel')).toBe('noopener noreferrer');
    await answers().getByText('run').click();
    expect(await run('typeof window.hacked')).toBe('undefined');
    expect(foreign).toEqual([]);
  });

  it('sends system prompt, temperature and length as the settings say', async () => {
    await signIn();
    await button('Settings').click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await page.getByLabel('Temperature').fill('0.2');
    await page.getByLabel('Longest answer').fill('77');
    await page.keyboard.press('Escape');
    await ask('Hi');
    await facts().waitFor();
    expect(lastAsked()).toMatchObject({
      system: [{ text: 'Be brief.' }],
      sampling: { temperature: 0.2 },
      maxTokens: 77,
    });
  });

  it('keeps chats over a reload; finds, renames, deletes and restores them', async () => {
    await signIn();
    await ask('Prune the roses');
    await facts().waitFor();
    await button('New chat').click();
    await ask('Bake bread');
    await facts().waitFor();
    await page.reload();
    await answers().getByText('Hello from the fake model.').waitFor();
    const chats = page.getByRole('navigation', { name: 'Chats' });
    expect(await chats.getByRole('link').allInnerTexts()).toEqual(['Bake bread', 'Prune the roses']);

    await chats.getByRole('searchbox').fill('roses');
    await expect.poll(() => chats.getByRole('link').allInnerTexts()).toEqual(['Prune the roses']);
    await chats.getByRole('searchbox').fill('');

    await chats.getByText('Bake bread').hover();
    await chats.getByRole('button', { name: 'Rename or delete Bake bread' }).click();
    await page.getByRole('menuitem', { name: 'Rename' }).click();
    await page.getByRole('textbox', { name: 'New title' }).fill('Baking');
    await page.keyboard.press('Enter');
    await chats.getByRole('link', { name: 'Baking' }).waitFor();

    await chats.getByText('Baking').hover();
    await chats.getByRole('button', { name: 'Rename or delete Baking' }).click();
    await page.getByRole('menuitem', { name: 'Delete' }).click();
    await expect.poll(() => chats.getByRole('link').allInnerTexts()).toEqual(['Prune the roses']);
    await button('Undo').click();
    await expect.poll(() => chats.getByRole('link').allInnerTexts()).toEqual(['Baking', 'Prune the roses']);
  });

  it('asks to sign in again when the session ends, and then goes on where it was', async () => {
    await signIn();
    await ask('One');
    await facts().waitFor();
    await page.context().clearCookies();
    await ask('Two');
    await page.getByLabel('API key').fill(server.key);
    await button('Sign in').click();
    await button('Retry').click();
    await expect
      .poll(() => lastAsked()?.messages.map(({ content }) => content))
      .toEqual([
        [{ type: 'text', text: 'One' }],
        [{ type: 'text', text: 'Hello from the fake model.' }],
        [{ type: 'text', text: 'Two' }],
      ]);
  });

  it('shows in one tab what another does', async () => {
    await signIn();
    const second = await page.context().newPage();
    await second.goto(server.url);
    await second.getByText('Your chats will be listed here.').waitFor();
    await ask('From the first tab');
    await facts().waitFor();
    await second.getByRole('link', { name: 'From the first tab' }).click();
    await second.getByText('Hello from the fake model.').waitFor();
  });

  it('copies an answer as its Markdown, and code as code', async () => {
    await signIn({ permissions: ['clipboard-read', 'clipboard-write'] });
    const answer = 'Look:\n\n```js\nlet a = **1**;\n```';
    server.model.behaviour = saying(answer);
    await ask('Hi');
    await facts().waitFor();
    await button('Copy the answer').click();
    await expect.poll(() => run('navigator.clipboard.readText()')).toBe(answer);
    await button('Copy the code').click();
    await expect.poll(() => run('navigator.clipboard.readText()')).toBe('let a = **1**;');
  });

  it('follows a growing answer, but not once the reader has scrolled up', async () => {
    await signIn();
    server.model.behaviour = endless('A line of the answer.\n\n', 4);
    await ask('Go on');
    const scroller = "document.querySelector('[role=log]').parentElement";
    const distance = () => run<number>(`${scroller}.scrollHeight - ${scroller}.scrollTop - ${scroller}.clientHeight`);
    await expect.poll(() => run<number>(`${scroller}.scrollTop`)).toBeGreaterThan(300);
    expect(await distance()).toBeLessThan(60);
    await page.mouse.move(700, 400);
    await page.mouse.wheel(0, -250);
    await button('Jump to latest').waitFor();
    const held = await run<number>(`${scroller}.scrollTop`);
    await expect.poll(distance).toBeGreaterThan(600);
    expect(await run<number>(`${scroller}.scrollTop`)).toBe(held);
    await button('Jump to latest').click();
    await expect.poll(distance).toBeLessThan(60);
  });

  it('has no sideways scroll on a phone, and its list of chats is a drawer', async () => {
    await signIn({ viewport: { width: 375, height: 812 }, hasTouch: true, isMobile: true });
    const wide = '| a | b | c | d | e | f |\n|---|---|---|---|---|---|\n| one | two | three | four | five | six |\n\n';
    server.model.behaviour = saying(
      wide,
      `\`\`\`js\n${'x'.repeat(200)}\n\`\`\`\n\n`,
      'https://example.com/'.repeat(20),
    );
    const sideways = () => run<number>('document.documentElement.scrollWidth - innerWidth');
    expect(await sideways()).toBe(0);
    await composer().fill('Hi');
    await button('Send').click();
    await facts().waitFor();
    expect(await sideways()).toBe(0);
    expect(await page.getByRole('navigation', { name: 'Chats' }).count()).toBe(0);
    await button('Show the list of chats').click();
    await page.getByRole('navigation', { name: 'Chats' }).getByRole('link', { name: 'Hi' }).click();
    await page.getByRole('navigation', { name: 'Chats' }).waitFor({ state: 'hidden' });
  });

  it('gives every control a name and shows the theme that was chosen before the first paint', async () => {
    await signIn();
    await ask('Hi');
    await facts().waitFor();
    expect(
      await run(`[...document.querySelectorAll('button, input, textarea, a')].filter((element) =>
        !element.hidden && !(element.ariaLabel || element.labels?.length || element.textContent.trim())).map((element) => element.outerHTML)`),
    ).toEqual([]);
    await page.getByText('Dark', { exact: true }).locator('..').click();
    const paper = () => run<string>('getComputedStyle(document.body).backgroundColor');
    expect(await paper()).toBe('rgb(21, 24, 22)');
    await page.reload({ waitUntil: 'commit' });
    await expect.poll(() => run('document.documentElement.dataset.theme')).toBe('dark');
    expect(await paper()).toBe('rgb(21, 24, 22)');
  });
});
