// Promise: a run that is killed at any step, again and again, ends with the very parameters of the run that nobody touched: every
// weight and everything the optimizer keeps, bit for bit.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listCheckpoints, readCheckpoint } from '../src/train/checkpoint.ts';
import { planRun } from '../src/train/plan.ts';
import { createRunDirectory, runFiles } from '../src/train/run-directory.ts';

const dist = (file: string) => path.join(import.meta.dirname, '../dist', file);
/** What a run process does, without a job. */
const program = `
  const [directory] = process.argv.slice(1);
  const { executeRun } = await import(${JSON.stringify(dist('train/run.js'))});
  const { createGgmlDevice } = await import(${JSON.stringify(dist('tensor/ggml/ggml-device.js'))});
  await executeRun(directory, { openDevice: () => createGgmlDevice({ device: 'cpu', threads: 1 }) });
  process.exit(0);
`;
const mostKills = 5;

export async function proveTrainKill(rounds: number): Promise<void> {
  const home = mkdtempSync(path.join(tmpdir(), 'freehold-prove-'));
  const source = path.join(home, 'text.txt');
  const words = 'the quick brown fox jumps over a lazy dog while rain falls on every roof'.split(' ');
  writeFileSync(source, Array.from({ length: 40_000 }, (_, at) => words[(at * at + 7 * at) % words.length]).join(' '));
  try {
    // gradients summed over passes, Muon and AdamW, more than an epoch, samples and validations on the way
    const { settings } = await planRun(
      {
        sources: [source],
        depth: 2,
        tokenizer: { kind: 'bpe', vocab: 270 },
        overrides: { width: 64, context: 64, steps: 150, batchTokens: 1024 },
        memory: { rowsPerPass: 4 },
        validate: { everySteps: 20, mostTokens: 2000 },
        samples: { everySteps: 30, tokens: 8 },
        checkpoints: { everySteps: 13 },
      },
      { home },
    );
    const whole = path.join(home, 'whole');
    await createRunDirectory(whole, settings);
    assert.equal(await execute(whole), 0);
    const expected = await statesOf(whole);
    for (let round = 0; round < rounds; round++) {
      const broken = path.join(home, `broken-${round}`);
      await createRunDirectory(broken, settings);
      let kills = 0;
      for (;;) {
        const target = linesOf(broken) + 1 + Math.floor(Math.random() * 40);
        const status = await execute(broken, kills < mostKills ? () => linesOf(broken) >= target : undefined);
        if (status === 0) break;
        kills += 1;
      }
      const found = await statesOf(broken);
      assert.deepEqual([...found.keys()], [...expected.keys()]);
      for (const [name, bytes] of expected) assert.ok(bytes.equals(found.get(name) as Buffer), `${name} differs`);
      assert.equal(linesOf(broken), settings.recipe.steps);
      rmSync(broken, { recursive: true });
      console.log(`round ${round + 1}: ${kills} kills, ${found.size} states equal to the bit`);
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** @param isTime looked at every few milliseconds; kills. @returns exit status, null when killed */
async function execute(directory: string, isTime?: () => boolean): Promise<number | null> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, directory], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const timer = isTime && setInterval(() => isTime() && child.kill('SIGKILL'), 3);
  const status = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearInterval(timer);
  return status;
}

function linesOf(directory: string): number {
  try {
    return readFileSync(runFiles(directory).metrics, 'utf8').split('\n').length - 1;
  } catch {
    return 0;
  }
}

async function statesOf(directory: string): Promise<Map<string, Buffer>> {
  const [last] = await listCheckpoints(runFiles(directory).checkpoints);
  assert.ok(last, 'there is a checkpoint');
  const checkpoint = await readCheckpoint(last.file);
  const states = new Map<string, Buffer>();
  for (const name of checkpoint.tensors.keys()) states.set(name, Buffer.from((await checkpoint.read(name)).buffer));
  return states;
}
