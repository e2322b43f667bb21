// What the commands show, from made-up facts: no model, no server, no terminal.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CatalogueEntry } from '../../hub/types.ts';
import { allScopes } from '../../lib/scopes.ts';
import { freeholdVersion } from '../../lib/version.ts';
import type { DeviceReport, DoctorReport } from '../../native/doctor.ts';
import type { ApiKey } from '../../store/keys.ts';
import type { HostReport } from '../host-report.ts';
import { createStyle } from '../output.ts';
import { displayWidth } from '../text.ts';
import { splitWords } from './chat.ts';
import { findProblems, nativeLines, operationLines } from './doctor.ts';
import { ago, keyTable, signInLine } from './keys.ts';
import { catalogueTables, formatContext, localTable } from './models.ts';
import { ready, welcome } from './up.ts';

const plain = createStyle(false);

describe('chat: the words of the command line', () => {
  const split = (words: string[], given: { modelGiven?: boolean; piped?: boolean } = {}) =>
    splitWords(words, { modelGiven: false, piped: false, ...given }, async (word) => word === 'qwen3-0.6b');

  it('are a model, a prompt, both or neither', async () => {
    expect(await split([])).toEqual({ model: 'default', prompt: '' });
    expect(await split(['qwen3-0.6b'])).toEqual({ model: 'qwen3-0.6b', prompt: '' });
    expect(await split(['qwen3-0.6b', 'tell', 'me'])).toEqual({ model: 'qwen3-0.6b', prompt: 'tell me' });
    expect(await split(['tell me'])).toEqual({ model: 'default', prompt: 'tell me' });
    expect(await split(['tell', 'me'])).toEqual({ model: 'default', prompt: 'tell me' });
  });

  it('all belong to the prompt when --model names the model', async () => {
    expect(await split(['qwen3-0.6b', 'is', 'small'], { modelGiven: true })).toEqual({
      model: 'default',
      prompt: 'qwen3-0.6b is small',
    });
  });

  it('are refused when one lone word is no model: that is a typing mistake', async () => {
    await expect(split(['qwen'])).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('"qwen"'),
    });
  });

  it('are a prompt when one lone word stands beside piped text', async () => {
    expect(await split(['summarize'], { piped: true })).toEqual({ model: 'default', prompt: 'summarize' });
    expect(await split(['qwen3-0.6b'], { piped: true })).toEqual({ model: 'qwen3-0.6b', prompt: '' });
  });

  it.each([
    [['llama3', 'Why is the sky blue?']],
    [['llama3']],
    [['mistral', 'Why is the sky blue?']],
    [['owner/repo', 'Hello']],
    [['qwen:latest', 'say', 'hello']],
    [['smolm2-135m', 'Hello']],
  ])('%j begin with what looks like a model and is none: refused', async (words) => {
    for (const piped of [false, true]) {
      await expect(split(words, { piped })).rejects.toMatchObject({
        code: 'model_not_found',
        message: expect.stringContaining(`"${words[0]}"`),
        hint: expect.stringContaining('freehold'),
      });
    }
  });

  it('that look like no model are a prompt', async () => {
    for (const words of [['Hello', 'there'], ['Summarize:', 'all', 'of it'], ['What is 2+2?'], ['2 apples', 'and 3']]) {
      expect(await split(words)).toEqual({ model: 'default', prompt: words.join(' ') });
    }
  });

  it('name the nearest models, each once', async () => {
    await expect(split(['smollm2-136', 'Hello'])).rejects.toMatchObject({
      hint: expect.stringMatching(/^Did you mean smollm2-135m(?!.*smollm2:135m).*freehold pull smollm2-135m\./),
    });
  });
});

describe('up', () => {
  const server = {
    url: 'http://127.0.0.1:8080',
    signInUrl: 'http://127.0.0.1:8080/#token=abc',
    firstAdminKey: 'fh_first',
  };

  it('shows the address to click, and the first key once', () => {
    const first = welcome(server, '0.1.0', true, plain).join('\n');
    expect(first).toContain('http://127.0.0.1:8080/#token=abc');
    expect(first).toContain('fh_first');
    const { firstAdminKey: _, ...later } = server;
    expect(welcome(later, '0.1.0', true, plain).join('\n')).not.toContain('Admin key');
    expect(first).not.toContain('other machines');
    const open = welcome(server, '0.1.0', true, plain, ['http://192.168.1.5:8080', 'http://10.0.0.2:8080']);
    expect(open.join('\n')).toMatch(/other machines.*\n {2}http:\/\/192.168.1.5:8080\n {2}http:\/\/10.0.0.2:8080\n/);
  });

  it('gives lines to paste that work as they are', () => {
    const lines = ready(server, 'smollm2-135m', 812, true, plain);
    expect(lines).toContain('  export ANTHROPIC_BASE_URL=http://127.0.0.1:8080');
    expect(lines).toContain('  export ANTHROPIC_API_KEY=fh_first');
    expect(lines).toContain('  export OPENAI_BASE_URL=http://127.0.0.1:8080/v1');
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
  });

  it('says on the first start what the README shows', () => {
    const readme = readFileSync(path.join(import.meta.dirname, '../../../README.md'), 'utf8');
    const first = { url: 'http://127.0.0.1:8080', signInUrl: 'http://127.0.0.1:8080/#token=…', firstAdminKey: 'fh_…' };
    const lines = [
      ...welcome(first, freeholdVersion(), true, plain),
      ...ready(first, 'smollm2-135m', 1000, true, plain),
    ];
    expect(readme).toContain(`\`\`\`\n${lines.join('\n').trim().replace(/^/, '  ')}\n\`\`\``);
  });

  it('says how to get a key when none is shown, and warns when none is asked for', () => {
    const { firstAdminKey: _, ...later } = server;
    expect(ready(later, 'm', 1, true, plain).join('\n')).toContain('freehold keys create');
    expect(ready(later, 'm', 1, false, plain).join('\n')).not.toContain('freehold keys create');
    expect(welcome(later, '0.1.0', false, plain).join('\n')).toContain('Keys are off');
  });
});

describe('keys', () => {
  it('are told by id, name, role and age', () => {
    const key = {
      id: 'key_1',
      name: 'shop',
      role: 'service' as const,
      scopes: allScopes,
      prefix: 'fh_12345',
      createdAt: 0,
      expiresAt: undefined,
      rotatedAt: undefined,
      previousUntil: undefined,
    };
    const now = 10 * 60_000;
    const rows = [
      { ...key, lastUsedAt: now, revokedAt: undefined },
      { ...key, id: 'key_2', lastUsedAt: undefined, revokedAt: now },
    ];
    expect(keyTable(rows, plain, 80, now)).toEqual([
      'ID     NAME  ROLE     CREATED     USED',
      'key_1  shop  service  10 min ago  just now',
      'key_2  shop  service  10 min ago  REVOKED',
    ]);
    expect(keyTable(rows, plain, 120, now)[1]).toContain('fh_12345…');
    const limited = [
      { ...key, scopes: { routes: ['chat', 'models'], models: ['tiny'] }, previousUntil: now + 60_000 },
      { ...key, id: 'key_2', expiresAt: now },
    ].map((each) => ({ ...each, lastUsedAt: undefined, revokedAt: undefined }) as ApiKey);
    const table = keyTable(limited, plain, 200, now).join('\n');
    expect(table).toContain('chat, models; models tiny');
    expect(table).toContain('old secret 1970-01-01 00:11 UTC');
    expect(table).toMatch(/key_2 .* EXPIRED$/m);
  });

  it('have an age in words, then a date', () => {
    const hour = 3_600_000;
    expect(ago(0, 1000)).toBe('just now');
    expect(ago(0, 5 * hour)).toBe('5 h ago');
    expect(ago(0, 100 * hour)).toBe('1970-01-01');
  });
});

describe('sign-ins of the page', () => {
  it('are told in a line that says how to end them', () => {
    const session = { keyId: undefined, name: 'owner', role: 'admin' as const, createdAt: 0, expiresAt: 1 };
    expect(signInLine([], 0)).toBeUndefined();
    expect(signInLine([session, { ...session, keyId: 'key_1', createdAt: 60_000 }], 400_000)).toBe(
      'Signed in to the page: 2, 1 of them with the link of `freehold up`; the last one 6 min ago. To end all: freehold keys revoke --sessions',
    );
  });
});

describe('models', () => {
  it('are listed with what is known, and ? for a fit nobody can tell', () => {
    const model = { name: 'qwen3-0.6b', file: '/m', sizeBytes: 639e6, origin: 'freehold' as const };
    const [, full, bare] = localTable(
      [
        { ...model, quantisation: 'Q8_0', parameters: 596e6, contextTokens: 40960 },
        { ...model, name: 'x', origin: 'ollama' },
      ],
      [{ fits: true, memoryBytes: 1e9 }, undefined],
      plain,
      80,
    );
    expect(full).toBe('qwen3-0.6b  639 MB  Q8_0    596 M     40 k  freehold  ✓');
    expect(bare).toMatch(/^x +639 MB +ollama +\?$/);
  });

  it('of the catalogue fit a terminal of 80 columns, grouped, with licences where there is room', () => {
    const entry: CatalogueEntry = {
      name: 'big-model-with-a-name',
      title: 'Big',
      publisher: 'P',
      licence: 'Apache-2.0',
      parameters: 8e9,
      kind: 'chat',
      contextTokens: 131072,
      abilities: ['chat', 'reasoning', 'tools', 'multilingual', 'code'],
      description: '',
      kvBytesPerToken: 1,
      vocabularySize: 1,
      variants: [{ quantisation: 'Q4_K_M', sizeBytes: 5e9, sources: [] }],
    };
    const entries = [entry, { ...entry, name: 'e', kind: 'embedding' as const, abilities: ['embedding'] }];
    const fits = [true, false].map((each) => ({ fits: each, memoryBytes: 6e9 }));
    const narrow = catalogueTables(entries, fits, new Set(['e']), plain, 80);
    for (const line of narrow) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(narrow.join('\n')).toMatch(/^Chat\n.*\n.*big-model.*\n\nEmbedding.*\n● e /);
    expect(narrow.join('\n')).not.toContain('Apache');
    expect(narrow.join('\n')).not.toContain('NEEDS');
    const wide = catalogueTables(entries, fits, new Set(), plain, 120).join('\n');
    expect(wide).toContain('Apache-2.0');
    expect(wide).toMatch(/NEEDS +FITS[\s\S]*6\.0 GB +✓/);
  });

  it('count context in units of 1024', () => {
    expect([512, 8192, 131072].map(formatContext)).toEqual(['512', '8 k', '128 k']);
  });
});

describe('doctor', () => {
  const op = (name: string, use: 'inference' | 'training', supported: boolean) => ({ op: name, use, supported });
  const device = (name: string, ops: DeviceReport['ops']): DeviceReport => ({
    index: 0,
    name,
    description: 'A \u001b[31mdevice',
    type: 'cpu',
    totalBytes: 8e9,
    freeBytes: 6e9,
    gemmGflops: { f32: 91.1, f16: 12_345 },
    readBytesPerSecond: 19.04e9,
    bandwidthBufferBytes: 1,
    ops,
  });
  const cpu = device('CPU', [
    op('mul_mat f32', 'inference', true),
    op('rope', 'inference', true),
    op('out_prod', 'training', true),
  ]);
  const gpu = device('CUDA0', [
    op('mul_mat f32', 'inference', true),
    op('rope', 'inference', true),
    op('out_prod', 'training', false),
  ]);
  const report: DoctorReport = {
    packageVersion: '1',
    ggmlVersion: '2',
    llamaVersion: '3',
    libraryKind: 'cuda',
    libraryDir: '/lib',
    devices: [cpu, gpu],
    missingPackages: [],
  };
  const host: HostReport = {
    freehold: '0.1.0',
    node: '20',
    platform: 'linux x64',
    home: '/home',
    homeExists: true,
    homeWritable: true,
    diskFreeBytes: 9e9,
    configFile: '/c',
    configFileFound: false,
    models: ['m'],
    modelProblems: [],
    memory: { totalBytes: 1, freeBytes: 1 },
    defaultModel: 'm',
    defaultModelHere: true,
    host: '127.0.0.1',
    port: 8080,
    portFree: true,
  };

  it('marks each operation for each device, in columns', () => {
    expect(operationLines([cpu, gpu], plain, 40)).toEqual([
      '  for inference',
      '  ✓✓ mul_mat f32  ✓✓ rope',
      '  for training',
      '  ✓– out_prod',
    ]);
    expect(operationLines([], plain, 40)).toEqual([]);
  });

  it('shows rates, memory and bandwidth, and lets no driver drive the terminal', () => {
    const text = nativeLines(report, plain, 80).join('\n');
    expect(text).toContain('f32 91 · f16 12.3 k GFLOPS');
    expect(text).toContain('6.0 GB free of 8.0 GB');
    expect(text).toContain('19.0 GB/s');
    expect(text).not.toContain('\u001b');
  });

  it('finds nothing wrong where nothing is, and says what to do about the rest', () => {
    expect(findProblems(host, { report })).toEqual([]);
    const sick = {
      ...host,
      homeWritable: false,
      diskFreeBytes: 1e8,
      defaultModelHere: false,
      modelProblems: [{ file: '/x.gguf', reason: 'cut off' }],
    };
    const problems = findProblems(sick, {
      report: { ...report, missingPackages: [{ kind: 'cuda', name: 'package-cuda' }] },
    });
    expect(problems).toHaveLength(5);
    expect(problems.map(({ remedy }) => remedy).join('\n')).toMatch(
      /doctor --fix[\s\S]*FREEHOLD_HOME[\s\S]*freehold rm[\s\S]*freehold pull m/,
    );
    expect(
      findProblems(host, { error: { code: 'native_library_missing', message: 'Gone.', hint: 'Install.' } }),
    ).toEqual([{ problem: 'Gone.', remedy: 'Install.' }]);
  });
});
