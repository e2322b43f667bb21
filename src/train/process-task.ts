// The process of one task (`train/tasks.ts`): plans a run or exports one, says how it went, and ends. Ends too when whoever asked
// is gone.
import { FreeholdError, toErrorRecord } from '../lib/errors.ts';
import { createGgmlDevice } from '../tensor/ggml/ggml-device.ts';
import { exportRun } from './export-run.ts';
import { planRun } from './plan.ts';
import type { ExportTask, PlanTask, TaskMessage } from './tasks.ts';

const say = (message: TaskMessage) =>
  new Promise<void>((resolve) => {
    if (process.connected) process.send?.(message, () => resolve());
    else resolve();
  });

async function perform(task: PlanTask | ExportTask): Promise<unknown> {
  const { site } = task;
  if (task.task === 'export') return await exportRun(site, task.run, task.options);
  return await planRun(task.request, {
    home: site.home,
    openDevice: ({ device, threads }) =>
      createGgmlDevice({
        device,
        home: site.home,
        ...(threads > 0 ? { threads } : {}),
        ...(site.libDir === '' ? {} : { libDir: site.libDir }),
      }),
    onProgress: (phase, share) => void say({ type: 'progress', phase, share }),
  });
}

process.once('message', async (task: PlanTask | ExportTask) => {
  try {
    await say({ type: 'done', result: await perform(task) });
  } catch (error) {
    if (!(error instanceof FreeholdError)) process.stderr.write(`${(error as Error).stack}\n`);
    await say({ type: 'failed', error: toErrorRecord(error) });
  }
  process.exit();
});
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// the terminal's Ctrl-C reaches the whole group; whoever asked decides
process.on('SIGINT', () => {});
