import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configSchema, environmentName, resolveConfig } from './config.ts';

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

  it('never prints a secret', () => {
    writeConfig({ hubToken: 12345 });
    expect(() => resolveConfig({}, {}, dir)).toThrow(invalid(/\(hidden\)/));
  });

  it('has a line of help for every setting', () => {
    for (const [key, schema] of Object.entries(configSchema.shape)) expect(schema.description, key).toMatch(/\.$/);
    expect(environmentName('contextTokens')).toBe('FREEHOLD_CONTEXT_TOKENS');
  });
});
