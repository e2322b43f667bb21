// LiteLLM, the gateway that most people know, in front of the bare server: installed on first use into bench/.cache with
// pip, where there is Python. It is measured at the rates that it can bear.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '../server-process.ts';

const folder = path.join(import.meta.dirname, '../.cache/litellm');
const program = path.join(folder, 'bin/litellm');
const startsWithinMs = 120_000;

export interface Peer {
  port: number;
  key: string;
  version: string;
  stop(): Promise<void>;
}

/** @returns undefined, and says why, where it cannot be had */
export async function startLitellm(upstreamPort: number, install: boolean): Promise<Peer | undefined> {
  const absent = (why: string) => {
    process.stderr.write(`litellm: not measured, ${why}\n`);
    return undefined;
  };
  if (!existsSync(program)) {
    if (!install) return absent('not installed');
    process.stderr.write('installing litellm[proxy] into bench/.cache\n');
    const made = spawnSync('python3', ['-m', 'venv', folder], { stdio: 'ignore' });
    if (made.status !== 0) return absent('there is no python3 with venv');
    const pip = path.join(folder, 'bin/pip');
    if (spawnSync(pip, ['install', '-q', 'litellm[proxy]'], { stdio: 'ignore' }).status !== 0)
      return absent('pip could not install it');
  }
  const key = 'sk-bench';
  const settings = path.join(folder, 'config.yaml');
  writeFileSync(
    settings,
    [
      'model_list:',
      '  - model_name: stub',
      '    litellm_params:',
      '      model: openai/stub',
      `      api_base: http://127.0.0.1:${upstreamPort}/v1`,
      '      api_key: none',
      'general_settings:',
      `  master_key: ${key}`,
      'litellm_settings:',
      '  telemetry: false',
      '',
    ].join('\n'),
  );
  const port = await freePort();
  const child: ChildProcess = spawn(program, ['--config', settings, '--port', String(port), '--host', '127.0.0.1'], {
    stdio: 'ignore',
    env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR', NO_PROXY: '127.0.0.1' },
  });
  const stop = () =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) return resolve();
      child.once('exit', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 5000).unref();
    });
  const givesUpAt = performance.now() + startsWithinMs;
  while (performance.now() < givesUpAt && child.exitCode === null) {
    const ready = await fetch(`http://127.0.0.1:${port}/health/liveliness`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) {
      const shown = spawnSync(path.join(folder, 'bin/pip'), ['show', 'litellm'], { encoding: 'utf8' }).stdout;
      return { port, key, version: /^Version: (.+)$/m.exec(shown)?.[1] ?? 'unknown', stop };
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  await stop();
  return absent('it did not start');
}
