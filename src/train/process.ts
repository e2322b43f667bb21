// The run process: trains one run whose job is queued, and ends. `train/control.ts` starts it, detached and with an
// allow-listed environment: `process.js HOME JOB [LIB_DIR]`. Standard output and error are the run's log.
import { constants, setPriority } from 'node:os';
import { createGgmlDevice } from '../tensor/ggml/ggml-device.ts';
import { executeRun } from './run.ts';
import { readRunSettings } from './run-directory.ts';
import { type RunHandle, runJob, type TrainerOutcome } from './run-job.ts';
import { createProgress } from './run-progress.ts';

const [home = '', id = '', libDir = ''] = process.argv.slice(2);

// whoever waits for an answer goes first; models do not count what runs at a lower priority (thread-governor.ts)
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

// the log may lie on a disk that is full: that is no reason to end
process.stdout.on('error', () => {});
process.stderr.on('error', () => {});

const say = (text: string) => process.stdout.write(`${new Date().toISOString()} ${text}\n`);

async function train(directory: string, { signal, requested, report, earlier }: RunHandle): Promise<TrainerOutcome> {
  const track = createProgress((await readRunSettings(directory)).recipe.steps, earlier);
  const leaving = new AbortController();
  let training = false;
  try {
    const { reason, error } = await executeRun(directory, {
      openDevice: ({ device, threads }) =>
        createGgmlDevice({ device, home, ...(threads > 0 ? { threads } : {}), ...(libDir === '' ? {} : { libDir }) }),
      signal: AbortSignal.any([signal, leaving.signal]),
      requested,
      onEvent(event) {
        const progress = track(event);
        report(progress);
        training ||= event.type === 'phase' && event.phase === 'training';
        // before the first step there is nothing to keep, and nobody looks
        if (!training && requested()) leaving.abort();
        if (event.type === 'phase' && event.share === 0) say(progress.phase);
        if (event.type === 'resumed') say(`goes on from step ${event.step}, ${event.checkpoint}`);
        if (event.type === 'saved') say(`step ${event.step}: checkpoint ${event.file}`);
        if (event.type === 'warning') say(`warning: ${event.message}`);
      },
    });
    say(`ended: ${reason}`);
    return { reason, ...(error && { error }) };
  } catch (error) {
    const wish = requested();
    if (leaving.signal.aborted && !signal.aborted && wish) return { reason: wish };
    throw error;
  }
}

const end = await runJob(home, id, train, (error) => {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
});
process.exit(end === 'failed' ? 1 : 0);
