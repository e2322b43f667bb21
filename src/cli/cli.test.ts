// The command as a person or a script starts it: the built program in a process of its own, a home of its own.
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { locateLibraries, verifyLibraries } from '../native/locate.ts';
import { findAwsCredential } from '../store/aws-credentials.ts';
import { findKey } from '../store/keys.ts';
import { openStore } from '../store/open.ts';
import { createSession, findSession } from '../store/sessions.ts';

const main = path.resolve(import.meta.dirname, '../../dist/cli/main.js');
const fixture = path.resolve(import.meta.dirname, '../../test/fixtures/tiny.gguf');

let folder: string;
let home: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-cli-'));
  home = path.join(folder, 'home');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Run {
  status: number | null;
  stdout: string;
  stderr: string;
}

function freehold(
  args: string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd: options.cwd ?? folder,
      // HOME as well, so that no other program's models are found
      env: { PATH: process.env.PATH, HOME: folder, FREEHOLD_HOME: home, ...options.env },
    });
    const run: Run = { status: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text) => {
      run.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      run.stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...run, status }));
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
  });
}

const commands = [
  'up',
  'chat',
  'pull',
  'models',
  'rm',
  'train',
  'runs',
  'runs list',
  'runs show',
  'runs watch',
  'runs pause',
  'runs resume',
  'runs stop',
  'runs compare',
  'runs plot',
  'runs rm',
  'export',
  'keys',
  'keys create',
  'keys list',
  'keys rotate',
  'keys revoke',
  'doctor',
  'config',
];

describe('help', () => {
  it.each(commands)('%s', async (command) => {
    const run = await freehold([...command.split(' '), '--help']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(run.stdout).toContain(`Usage: freehold ${command}`);
    if (!['keys', 'runs'].includes(command)) expect(run.stdout).toMatch(/--json\b/);
  });

  it('of the whole names every command, with --help, help, or nothing', async () => {
    const runs = await Promise.all([freehold(['--help']), freehold(['help']), freehold([])]);
    for (const run of runs) {
      expect(run).toMatchObject({ status: 0, stderr: '' });
      for (const command of commands) expect(run.stdout).toContain(`  ${command.split(' ')[0]} `);
    }
  });

  it('does without the configuration, so a broken one does not break it', async () => {
    expect((await freehold(['up', '--help'], { env: { FREEHOLD_PORT: 'nonsense' } })).status).toBe(0);
  });

  it('has the version', async () => {
    const { version } = JSON.parse(readFileSync(path.resolve(main, '../../../package.json'), 'utf8'));
    expect(await freehold(['--version'])).toMatchObject({ status: 0, stdout: `${version}\n` });
  });
});

describe('a wrong command line', () => {
  it.each([
    [['modles'], "Unknown command 'modles'", 'models'],
    [['up', '--prot', '1'], "Unknown option '--prot'", '--port'],
    [['keys', 'crate'], "Unknown command 'crate'", 'create'],
    [['keys', 'create', '--name', 'x', '--role', 'boss'], "'boss' is invalid", 'admin, member, service'],
    [['keys', 'create'], "Required option '--name", '--help'],
    [['keys', 'create', '--name', 'x', '--scopes', 'chat,chess'], 'The scope "chess" is unknown', 'embeddings'],
    [['keys', 'create', '--name', 'x', '--models', 'a,,b'], "'a,,b' is invalid", 'commas between'],
    [['keys', 'create', '--name', 'x', '--expires', 'soon'], "'soon' is invalid", '30d'],
    [['keys', 'create', '--name', 'x', '--expires', '2020-01-01'], "'2020-01-01' is invalid", 'in the future'],
    [['keys', 'rotate'], "Missing required argument 'id'", '--help'],
    [['keys', 'rotate', 'key_1', '--grace', 'long'], "'long' is invalid", '24h'],
    [['keys', 'rotate', 'key_1', '--grace', '1y'], 'at most 30 days', '30 days'],
    [['rm'], "Missing required argument 'name'", '--help'],
    [['chat', '--temperature', 'hot'], "'hot' is invalid", 'from 0 to 2'],
    [['chat', '--max-tokens', '1.5'], "'1.5' is invalid", 'whole number'],
  ])('%j exits with 2, says what is wrong and what to do', async (args, message, hint) => {
    const run = await freehold(args);
    expect(run.status).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr.toLowerCase()).toContain(message.toLowerCase());
    expect(run.stderr).toContain(hint);
    expect(run.stderr).not.toContain('\u001b');
  });

  it('is JSON on standard output with --json', async () => {
    const run = await freehold(['up', '--json', '--prot', '1']);
    expect(run).toMatchObject({ status: 2, stderr: '' });
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'usage', hint: expect.stringContaining('--port') } });
  });
});

describe('config', () => {
  const settings = async (args: string[], options: Parameters<typeof freehold>[1] = {}) => {
    const run = await freehold(['config', '--json', ...args], options);
    expect(run.stderr).toBe('');
    const parsed = JSON.parse(run.stdout) as {
      file: string;
      fileFound: boolean;
      settings: { name: string; value: unknown; origin: string }[];
    };
    return { ...parsed, by: Object.fromEntries(parsed.settings.map(({ name, ...rest }) => [name, rest])) };
  };

  it('says where each value came from: flag before environment before file before default', async () => {
    const cwd = mkdtempSync(path.join(folder, 'config-'));
    writeFileSync(path.join(cwd, 'freehold.config.json'), JSON.stringify({ port: 1, host: '127.0.0.2', threads: 3 }));
    const { by, file, fileFound } = await settings(['--port', '3'], {
      cwd,
      env: { FREEHOLD_PORT: '2', FREEHOLD_THREADS: '5' },
    });
    expect(by.port).toMatchObject({ value: 3, origin: 'flag' });
    expect(by.threads).toMatchObject({ value: 5, origin: 'environment' });
    expect(by.host).toMatchObject({ value: '127.0.0.2', origin: 'file' });
    expect(by.maxSequences).toMatchObject({ origin: 'default' });
    expect(by.auth).toMatchObject({ value: true, origin: 'default' });
    expect(file).toBe(path.join(cwd, 'freehold.config.json'));
    expect(fileFound).toBe(true);
    expect((await settings(['--no-auth'])).by.auth).toMatchObject({ value: false, origin: 'flag' });
  });

  it('prints no secret, in neither form', async () => {
    const env = { FREEHOLD_HUB_TOKEN: 'hf_secret' };
    const runs = await Promise.all([freehold(['config'], { env }), freehold(['config', '--json'], { env })]);
    for (const run of runs) {
      expect(run.stdout).toContain('hubToken');
      expect(run.stdout + run.stderr).not.toContain('hf_secret');
    }
  });

  it.each([
    [['--port', '99999'], {}, '--port'],
    [['--port', 'http'], {}, '--port'],
    [[], { FREEHOLD_MAX_SEQUENCES: '-1' }, 'FREEHOLD_MAX_SEQUENCES'],
    [[], { FREEHOLD_LOG_LEVEL: 'loud' }, 'FREEHOLD_LOG_LEVEL'],
    [[], { FREEHOLD_CONFIG: 'nowhere.json' }, 'nowhere.json'],
  ])('refuses %j %j with status 2, naming it', async (args, env, name) => {
    const run = await freehold(['config', ...args], { env: env as Record<string, string> });
    expect(run.status).toBe(2);
    expect(run.stderr).toContain(name);
  });

  it('names a setting of the file that there is not', async () => {
    const cwd = mkdtempSync(path.join(folder, 'config-'));
    writeFileSync(path.join(cwd, 'freehold.config.json'), '{"prot": 1}');
    const run = await freehold(['config', '--json'], { cwd });
    expect(run.status).toBe(2);
    expect(JSON.parse(run.stdout).error).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('"prot"'),
    });
  });
});

describe('keys', () => {
  it('are created, shown once, listed without the key, and revoked', async () => {
    const created = await freehold(['keys', 'create', '--name', 'shop', '--role', 'service', '--json']);
    expect(created).toMatchObject({ status: 0, stderr: '' });
    const { key, id } = JSON.parse(created.stdout);
    expect(key).toMatch(/^fh_\w{40}$/);

    const listed = await freehold(['keys', 'list', '--json']);
    expect(listed.stdout).not.toContain(key);
    expect(JSON.parse(listed.stdout).keys).toMatchObject([{ id, name: 'shop', role: 'service', revokedAt: null }]);
    expect((await freehold(['keys', 'list'])).stdout).toMatch(new RegExp(`^${id} +shop +service `, 'm'));

    expect(await freehold(['keys', 'revoke', id])).toMatchObject({ status: 0, stdout: `Revoked ${id}.\n` });
    expect(JSON.parse((await freehold(['keys', 'list', '--json'])).stdout).keys[0].revokedAt).toBeGreaterThan(0);
    const again = await freehold(['keys', 'revoke', id]);
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toContain('revoked already');
  });

  it('have limits and an end, and get a new secret while the old one is still good', async () => {
    const env = { FREEHOLD_HOME: path.join(folder, 'rotating-home') };
    const flags = ['--scopes', 'chat, models', '--models', 'tiny', '--expires', '30d'];
    const created = JSON.parse((await freehold(['keys', 'create', '--name', 'x', ...flags, '--json'], { env })).stdout);
    const scopes = { routes: ['chat', 'models'], models: ['tiny'] };
    expect(created).toMatchObject({ scopes, expiresAt: expect.any(Number) });
    const rotated = JSON.parse((await freehold(['keys', 'rotate', created.id, '--json'], { env })).stdout);
    expect(rotated.key).not.toBe(created.key);
    const [listed] = JSON.parse((await freehold(['keys', 'list', '--json'], { env })).stdout).keys;
    expect(listed).toMatchObject({ id: created.id, scopes, state: 'rotating', previousUntil: rotated.previousUntil });
    const store = openStore(env.FREEHOLD_HOME);
    expect(await findKey(store, created.key)).toMatchObject({ id: created.id });
    expect(await findKey(store, rotated.key)).toMatchObject({ id: created.id });
    // another process ends the old secret while this one has it in memory
    const last = await freehold(['keys', 'rotate', created.id, '--grace', '0'], { env });
    expect(last.stdout).toMatch(/^fh_\w{40}\n$/);
    expect(await findKey(store, rotated.key)).toBeUndefined();
    expect(await findKey(store, last.stdout.trim())).toMatchObject({ id: created.id });
    await store.close();
    expect((await freehold(['keys', 'rotate', 'key_none'], { env })).status).toBe(1);
  });

  it('for the AWS SDKs sign requests: created, listed, revoked', async () => {
    const env = { FREEHOLD_HOME: path.join(folder, 'aws-home') };
    const run = await freehold(['keys', 'create', '--type', 'aws', '--name', 'boto', '--role', 'service'], { env });
    expect(run).toMatchObject({ status: 0, stderr: expect.stringContaining('service credential aws_') });
    const [, accessKeyId = '', secret] =
      /^AWS_ACCESS_KEY_ID=(FHIA\w{16})\nAWS_SECRET_ACCESS_KEY=(\w{40})\n$/.exec(run.stdout) ?? [];
    expect(statSync(path.join(env.FREEHOLD_HOME, 'credentials.key')).mode & 0o777).toBe(0o600);
    const json = await freehold(['keys', 'create', '--type', 'aws', '--name', 'two', '--scopes', 'chat', '--json'], {
      env,
    });
    expect(JSON.parse(json.stdout)).toMatchObject({
      type: 'aws',
      scopes: { routes: ['chat'] },
      secretAccessKey: expect.stringMatching(/^\w{40}$/),
    });
    const listed = await freehold(['keys', 'list', '--json'], { env });
    expect(JSON.parse(listed.stdout).awsCredentials).toMatchObject([{ accessKeyId, role: 'service' }, { name: 'two' }]);
    expect(listed.stdout).not.toContain(secret);
    expect((await freehold(['keys', 'list'], { env })).stdout).toMatch(/aws_\w+ +boto/);
    expect((await freehold(['keys', 'revoke', accessKeyId], { env })).status).toBe(0);
    expect((await freehold(['keys', 'revoke', accessKeyId], { env })).status).toBe(1);
    const store = openStore(env.FREEHOLD_HOME);
    expect(await findAwsCredential(store, accessKeyId)).toBeUndefined();
    await store.close();
  });

  it('come with the sign-ins of the page, which one command ends', async () => {
    const env = { FREEHOLD_HOME: path.join(folder, 'sessions-home') };
    const store = openStore(env.FREEHOLD_HOME);
    const token = await createSession(store, { name: 'owner', role: 'admin' });
    const listed = await freehold(['keys', 'list', '--json'], { env });
    expect(JSON.parse(listed.stdout).sessions).toMatchObject([{ name: 'owner', role: 'admin', keyId: null }]);
    expect((await freehold(['keys', 'list'], { env })).stdout).toContain('keys revoke --sessions');
    expect((await freehold(['keys', 'revoke'], { env })).status).toBe(2);
    expect((await freehold(['keys', 'revoke', 'key_1', '--sessions'], { env })).status).toBe(2);
    expect(await findSession(store, token)).toBeDefined();
    const ended = await freehold(['keys', 'revoke', '--sessions'], { env });
    expect(ended).toMatchObject({ status: 0, stdout: 'Ended 1 sign-in of the page.\n' });
    expect(await findSession(store, token)).toBeUndefined();
    await store.close();
  });

  it('print the key alone on standard output, for $(…)', async () => {
    const run = await freehold(['keys', 'create', '--name', 'me']);
    expect(run.stdout).toMatch(/^fh_\w{40}\n$/);
    expect(run.stderr).toContain('member key key_');
  });

  it('are in a home that only its owner can read', async () => {
    await freehold(['keys', 'list']);
    expect(statSync(home).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(home).filter((name) => name.startsWith('freehold.db'))) {
      expect(statSync(path.join(home, file)).mode & 0o777).toBe(0o600);
    }
  });

  it('refuse a bad name, and an id that there is not, as JSON too', async () => {
    expect((await freehold(['keys', 'create', '--name', ''])).status).toBe(2);
    const run = await freehold(['keys', 'revoke', 'key_none', '--json']);
    expect(run).toMatchObject({ status: 1, stderr: '' });
    expect(JSON.parse(run.stdout).error).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('key_none'),
    });
  });
});

describe('models', () => {
  it('come and go: none, pulled from a file, listed, refused or removed', async () => {
    const own = { FREEHOLD_HOME: path.join(folder, 'models-home') };
    const none = await freehold(['models'], { env: own });
    expect(none).toMatchObject({ status: 0, stderr: '' });
    expect(none.stdout).toContain('freehold pull');

    const pulled = await freehold(['pull', fixture, '--json'], { env: own });
    expect(pulled.status).toBe(0);
    const lines = pulled.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    const { model } = lines.at(-1);
    expect(lines.at(-1).type).toBe('done');

    const listed = JSON.parse((await freehold(['models', '--json'], { env: own })).stdout);
    expect(listed.models).toMatchObject([{ name: model.name, origin: model.origin, fits: true }]);
    expect((await freehold(['models'], { env: own })).stdout).toMatch(new RegExp(`^${model.name} .*✓$`, 'm'));

    const removed = await freehold(['rm', model.name], { env: own });
    expect(removed.stdout).toBe(`${model.name} is no longer listed; the file stays where it is.\n`);
    const missing = await freehold(['pull', './nowhere.gguf'], { env: own });
    expect(missing.stderr).toContain('no such file');

    const unsure = await freehold(['rm', 'nothing-of-that-name'], { env: own });
    expect(unsure).toMatchObject({ status: 1, stdout: '' });
    expect(unsure.stderr).toContain('nothing-of-that-name');
    statSync(fixture);
  });

  it('are pulled only from what there is', async () => {
    const run = await freehold(['pull', './nowhere.gguf', '--json']);
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout.trimEnd().split('\n').at(-1) ?? '').error.code).toBe('file_not_found');
  });

  it('of the catalogue are shown, and marked', async () => {
    const { catalogue } = JSON.parse((await freehold(['models', '--catalogue', '--json'])).stdout);
    expect(catalogue.length).toBeGreaterThanOrEqual(20);
    expect(catalogue[0]).toMatchObject({ name: expect.any(String), fits: expect.any(Boolean), here: false });
    for (const { name, memoryBytes, variants } of catalogue) {
      expect([name, memoryBytes > variants[0].sizeBytes]).toEqual([name, true]);
    }
    const shown = (await freehold(['pull'])).stdout;
    for (const entry of catalogue) expect(shown).toContain(entry.name);
  });
});

describe('chat', () => {
  const once = (args: string[], input?: string) =>
    freehold(
      ['chat', fixture, '--max-tokens', '8', '--temperature', '0', ...args],
      input === undefined ? {} : { input },
    );

  it('answers a prompt once, as text or as JSON', async () => {
    const [text, json] = await Promise.all([once(['Hello']), once(['Hello', '--json'])]);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(json).toMatchObject({ status: 0, stderr: '' });
    const answer = JSON.parse(json.stdout);
    expect(answer).toMatchObject({ model: 'tiny', stopReason: 'max-tokens', usage: { outputTokens: 8 } });
    expect(answer.timeToFirstTokenMs).toBeGreaterThan(0);
    expect(text.stdout.trim()).toBe(answer.text.trim());
  });

  it('takes what is piped in as the prompt, or adds it to one', async () => {
    const count = async (run: Promise<Run>) => JSON.parse((await run).stdout).usage.inputTokens as number;
    const text = 'Once there was a house by the sea. '.repeat(4);
    const shell = (command: string) =>
      new Promise<Run>((resolve) => {
        execFile(
          'sh',
          ['-c', command, 'sh', process.execPath, main, fixture],
          { cwd: folder },
          (error, stdout, stderr) => resolve({ status: Number(error?.code ?? 0), stdout, stderr }),
        );
      });
    // as the README has it: one lone word beside piped text is the prompt
    const lone = shell(`printf '%s' '${text}' | "$1" "$2" chat summarize --model "$3" --max-tokens 2 --json`);
    const [bare, piped, both] = await Promise.all([
      count(once(['Summarise this.', '--json'])),
      count(once(['--json'], text)),
      count(shell(`printf '%s' '${text}' | "$1" "$2" chat "$3" 'Summarise this.' --max-tokens 2 --json`)),
    ]);
    expect(piped).toBeGreaterThan(bare);
    expect(both).toBeGreaterThan(piped);
    expect(await lone).toMatchObject({ status: 0 });
  });

  it('needs something to answer', async () => {
    const run = await once([]);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain('nothing to answer');
  });

  it('says which model is not here, and how to get it', async () => {
    const run = await freehold(['chat', 'qwen3-0.6b', 'Hello', '--json']);
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout).error).toMatchObject({
      code: 'model_not_found',
      hint: expect.stringContaining('freehold pull qwen3-0.6b'),
    });
  });
});

describe('doctor --trust', () => {
  const own = () => ({ FREEHOLD_HOME: path.join(folder, 'trust-home') });

  it('accepts the libraries of a build of one’s own, as they are', async () => {
    const dir = path.join(folder, 'own build');
    mkdirSync(dir);
    const packaged = locateLibraries({ device: 'cpu' });
    const names = [packaged.base, packaged.ggml, packaged.llama].map((file) => path.basename(file));
    for (const name of names) writeFileSync(path.join(dir, name), 'built here');
    expect(() => verifyLibraries(dir, own().FREEHOLD_HOME)).toThrow('not the one');
    const run = await freehold(['doctor', '--trust', 'own build', '--json'], { env: own() });
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const { folder: of, trusted } = JSON.parse(run.stdout);
    expect(of).toBe(dir);
    expect(trusted.sort()).toEqual(names.sort());
    expect(() => verifyLibraries(dir, own().FREEHOLD_HOME)).not.toThrow();
    writeFileSync(path.join(dir, names[0] as string), 'built again');
    expect(() => verifyLibraries(dir, own().FREEHOLD_HOME)).toThrow();
  });

  it('says what a folder without libraries must hold', async () => {
    const run = await freehold(['doctor', '--trust', folder], { env: own() });
    expect(run).toMatchObject({ status: 1, stdout: '' });
    expect(run.stderr).toContain('ggml-base');
  });
});

describe('up', () => {
  interface Up {
    child: ReturnType<typeof spawn>;
    ready: { url: string; signInUrl: string; key: string | null; model: string | null };
    ended: Promise<number | null>;
  }
  const own = { FREEHOLD_HOME: '' };
  beforeAll(() => {
    own.FREEHOLD_HOME = path.join(folder, 'up-home');
  });

  /** Starts a server and waits for its line of JSON. */
  function up(...args: string[]): Promise<Up> {
    const child = spawn(process.execPath, [main, 'up', '--json', '--port', '0', '--model', fixture, ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, FREEHOLD_LOG_LEVEL: 'error', ...own },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new Promise((resolve, reject) => {
      const ended = new Promise<number | null>((end) => child.on('close', end));
      let said = '';
      let complained = '';
      child.stdout.on('data', (chunk) => {
        said += chunk;
        if (said.includes('\n')) resolve({ child, ready: JSON.parse(said), ended });
      });
      child.stderr.on('data', (chunk) => {
        complained += chunk;
      });
      ended.then((status) => reject(new Error(`ended with ${status}: ${complained}`)));
    });
  }

  it('serves, shows the first key once, and stops when asked', async () => {
    const first = await up();
    expect(first.ready).toMatchObject({ key: expect.stringMatching(/^fh_/), model: 'tiny' });
    expect(first.ready.signInUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#token=/);
    const answer = await fetch(`${first.ready.url}/v1/messages`, {
      method: 'POST',
      headers: {
        'x-api-key': first.ready.key ?? '',
        'content-type': 'application/json',
        'anthropic-version': '2023-06-01',
      },
      body: JSON.stringify({ model: 'default', max_tokens: 4, messages: [{ role: 'user', content: 'Hello' }] }),
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ type: 'message', role: 'assistant' });

    const port = new URL(first.ready.url).port;
    const second = await freehold(['up', '--json', '--port', port], { env: own });
    expect(second).toMatchObject({ status: 1 });
    expect(JSON.parse(second.stdout).error).toMatchObject({
      code: 'port_in_use',
      message: expect.stringContaining(port),
    });

    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
    const again = await up();
    expect(again.ready.key).toBeNull();
    again.child.kill('SIGINT');
    expect(await again.ended).toBe(0);
  });

  it('stays up without a model and says what to do', async () => {
    const none = await up('--model', './nowhere.gguf');
    expect(none.ready).toMatchObject({ model: null, error: { code: 'file_not_found' } });
    expect((await fetch(`${none.ready.url}/health`)).status).toBe(200);
    none.child.kill('SIGTERM');
    expect(await none.ended).toBe(0);
  });

  it('refuses to listen beyond the machine without keys', async () => {
    const run = await freehold(['up', '--json', '--host', '0.0.0.0', '--no-auth'], { env: own });
    expect(run.status).toBe(1);
    expect(JSON.parse(run.stdout).error.code).toBe('unsafe_bind');
  });
});
