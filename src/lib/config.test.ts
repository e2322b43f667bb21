import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ConfigKey, configSchema, environmentName, resolveConfig } from './config.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'freehold-config-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const writeConfig = (content: unknown) =>
  writeFileSync(
    path.join(dir, 'freehold.config.json'),
    typeof content === 'string' ? content : JSON.stringify(content),
  );
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(message) });

describe('resolveConfig', () => {
  it('prefers flag to environment to file to default, and remembers which', () => {
    writeConfig({ port: 3, queueLimit: 3, threads: 3 });
    const { values, origins } = resolveConfig({ port: 1 }, { FREEHOLD_PORT: '2', FREEHOLD_QUEUE_LIMIT: '2' }, dir);
    expect([values.port, values.queueLimit, values.threads, values.host]).toEqual([1, 2, 3, '127.0.0.1']);
    expect([origins.port, origins.queueLimit, origins.threads, origins.host]).toEqual([
      'flag',
      'environment',
      'file',
      'default',
    ]);
  });

  it('reads numbers and switches from text', () => {
    const { values } = resolveConfig({}, { FREEHOLD_AUTH: 'off', FREEHOLD_PORT: ' 9 ', FREEHOLD_FORCE: '1' }, dir);
    expect(values).toMatchObject({ auth: false, port: 9, force: true });
  });

  it('treats an empty variable as not set', () => {
    expect(resolveConfig({}, { FREEHOLD_PORT: '' }, dir).origins.port).toBe('default');
  });

  it('makes the home folder absolute', () => {
    expect(resolveConfig({ home: 'x' }, {}, dir).values.home).toBe(path.join(dir, 'x'));
  });

  it.each([
    [{ port: 70_000 }, {}, /flag --port is 70000/],
    [{}, { FREEHOLD_PORT: 'eighty' }, /environment variable FREEHOLD_PORT is "eighty"/],
    [{}, { FREEHOLD_AUTH: 'perhaps' }, /FREEHOLD_AUTH/],
    [{}, { FREEHOLD_MAX_SEQUENCES: '-1' }, /FREEHOLD_MAX_SEQUENCES/],
    [{}, { FREEHOLD_LOG_LEVEL: 'loud' }, /FREEHOLD_LOG_LEVEL/],
    [{}, { FREEHOLD_HUB_ENDPOINT: 'not a url' }, /FREEHOLD_HUB_ENDPOINT/],
    [{}, { FREEHOLD_CONFIG: 'missing.json' }, /missing\.json cannot be read/],
  ])('refuses %j %j, naming the setting', (flags, env, message) => {
    expect(() => resolveConfig(flags, env, dir)).toThrow(invalid(message));
  });

  it.each([
    ['{ "port": }', /not valid JSON/],
    ['[]', /one JSON object/],
    [{ prot: 80 }, /"prot" in .* is not a setting/],
    [{ port: 'x' }, /"port" in .*freehold\.config\.json is "x"/],
  ])('refuses the file %j', (content, message) => {
    writeConfig(content);
    expect(() => resolveConfig({}, {}, dir)).toThrow(invalid(message));
  });

  it.each(['__proto__', 'constructor', 'toString'])('refuses "%s" in the file like any unknown setting', (key) => {
    writeConfig(`{ "${key}": {} }`);
    expect(() => resolveConfig({}, {}, dir)).toThrow(invalid(/is not a setting/));
  });

  it.each(['home', 'libDir', 'hubEndpoint', 'hubToken'])('takes %s from no file that it merely found', (key) => {
    writeConfig({ [key]: 'https://elsewhere.example' });
    expect(() => resolveConfig({}, {}, dir)).toThrow(
      expect.objectContaining({
        code: 'config_invalid',
        field: key,
        message: expect.stringContaining(`"${key}" in ${path.join(dir, 'freehold.config.json')}`),
        hint: expect.stringMatching(new RegExp(`${environmentName(key as ConfigKey)}.*FREEHOLD_CONFIG`)),
      }),
    );
    // a flag does not make the file right: without the flag it would still be read the next time
    expect(() => resolveConfig({ [key]: 'https://own.example' }, {}, dir)).toThrow(invalid(/may not be set there/));
  });

  it('takes every setting from a file that FREEHOLD_CONFIG names', () => {
    writeConfig({ home: 'h', libDir: '/lib', hubEndpoint: 'https://mirror.example', hubToken: 'hf_x' });
    const { values } = resolveConfig({}, { FREEHOLD_CONFIG: 'freehold.config.json' }, dir);
    expect(values).toMatchObject({
      home: path.join(dir, 'h'),
      libDir: '/lib',
      hubEndpoint: 'https://mirror.example',
      hubToken: 'hf_x',
    });
  });

  it.skipIf(process.platform === 'win32')('does not wait for a pipe that lies where the file would', () => {
    execFileSync('mkfifo', [path.join(dir, 'freehold.config.json')]);
    expect(() => resolveConfig({}, {}, dir)).toThrow(invalid(/not a regular file/));
  });

  it.each(['ftp://hub.example', 'file:///etc', 'javascript:0', 'https://user:pass@hub.example'])(
    'refuses the hub %s',
    (hubEndpoint) => {
      expect(() => resolveConfig({ hubEndpoint }, {}, dir)).toThrow(invalid(/--hub-endpoint/));
    },
  );

  it('takes adapters as a list, and their files from where it was started', () => {
    const file = path.join(dir, 'a.gguf');
    expect(resolveConfig({ adapters: 'legal=a.gguf, poet-2=/b=c.gguf' }, {}, dir).values.adapters).toEqual([
      `legal=${file}`,
      'poet-2=/b=c.gguf',
    ]);
    writeConfig({ adapters: ['legal=a.gguf'] });
    expect(resolveConfig({}, {}, dir).values.adapters).toEqual([`legal=${file}`]);
    expect(resolveConfig({}, { FREEHOLD_ADAPTERS: 'x=/y' }, dir).values.adapters).toEqual(['x=/y']);
  });

  it.each([['legal'], ['=file'], ['legal='], ['a+b=file'], ['a=1,a=2'], ['a=1,,b=2']])(
    'refuses the adapters %s',
    (adapters) => {
      expect(() => resolveConfig({ adapters }, {}, dir)).toThrow(invalid(/--adapters/));
    },
  );

  it('never prints a secret', () => {
    writeConfig({ hubToken: 12345 });
    expect(() => resolveConfig({}, { FREEHOLD_CONFIG: 'freehold.config.json' }, dir)).toThrow(invalid(/\(hidden\)/));
  });

  it('has a line of help for every setting', () => {
    for (const [key, schema] of Object.entries(configSchema.shape)) expect(schema.description, key).toMatch(/\.$/);
    expect(environmentName('contextTokens')).toBe('FREEHOLD_CONTEXT_TOKENS');
  });
});
