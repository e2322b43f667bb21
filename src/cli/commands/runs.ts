// `freehold runs list | show | watch | pause | resume | stop | compare | plot | rm`: trainings, straight from the store and
// their folders; no server is needed. The work is train/control.ts's; here it is asked for and shown.
import { type Command, Option } from 'commander';
import type { Run, Runs } from '../../train/control.ts';
import { type CommonOptions, finish, type Invocation } from '../command.ts';
import { usageError } from '../failure.ts';
import type { ChartX } from '../runs/plot/chart.ts';
import type { ChartY } from '../runs/plot/plot.ts';
import { checkpointsOf, knowRun, namedOrNewest, tellEnd, withRuns } from '../runs/with-runs.ts';

export function addRuns(program: Command): void {
  const runs = program
    .command('runs')
    .summary('list, watch, pause, resume and compare trainings')
    .description('Shows and steers trainings that `freehold train` started: those that go on, and those that ended.');
  addList(runs);
  addShow(runs);
  addWatch(runs);
  addWish(runs, 'pause');
  addResume(runs);
  addWish(runs, 'stop');
  addCompare(runs);
  addPlot(runs);
  addRemove(runs);
}

function addList(runs: Command): void {
  finish<CommonOptions>(
    runs.command('list').summary('list the runs').description('Lists every run, the newest first.'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const [{ listRuns }, { runTable }] = await Promise.all([
          import('../../train/control.ts'),
          import('../runs/report.ts'),
        ]);
        const { output } = invocation;
        const all = await listRuns(at);
        output.data({ runs: all });
        if (all.length === 0) output.prose('No runs yet. Start one: freehold train FILE');
        else for (const line of runTable(all, output.style, output.columns, Date.now())) output.line(line);
      }),
  );
}

function addShow(runs: Command): void {
  finish<CommonOptions>(
    runs
      .command('show')
      .summary('show one run in full')
      .description('Shows the settings of a run, its curve, its figures, its checkpoints and its latest sample.')
      .argument('[name]', 'as `freehold runs list` shows it; default: the newest'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output, args } = invocation;
        const { runReport } = await import('../runs/report.ts');
        const known = await knowRun(await namedOrNewest(at, args[0] as string | undefined));
        const checkpoints = await checkpointsOf(known.run);
        output.data({ run: known.run, settings: known.settings ?? null, ...known.history, checkpoints });
        for (const line of runReport(known, checkpoints, output.style, output.columns)) output.line(line);
      }),
  );
}

function addWatch(runs: Command): void {
  finish<CommonOptions>(
    runs
      .command('watch')
      .summary('follow a run')
      .description('Follows a run until it ends. Ctrl-C ends the watching, not the run.')
      .argument('[name]', 'as `freehold runs list` shows it; default: the newest'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const run = await namedOrNewest(at, invocation.args[0] as string | undefined);
        const [{ followRun }, { isGoingOn }] = await Promise.all([
          import('../runs/follow.ts'),
          import('../../train/control.ts'),
        ]);
        const leaving = new AbortController();
        const leave = () => leaving.abort();
        process.once('SIGINT', leave);
        try {
          const footer = 'Ctrl-C ends the watching; the run goes on.';
          const last = await followRun(at, run.id, invocation.output, { signal: leaving.signal, footer });
          if (!isGoingOn(last)) await tellEnd(last, invocation.output);
        } finally {
          process.off('SIGINT', leave);
        }
      }),
  );
}

function addWish(runs: Command, wish: 'pause' | 'stop'): void {
  finish<CommonOptions>(
    runs
      .command(wish)
      .summary(`${wish} a run`)
      .description(
        `${wish === 'pause' ? 'Pauses' : 'Stops'} a run: it writes a checkpoint after the step it is in, and its process ends. \`freehold runs resume\` goes on from there.`,
      )
      .argument('<name>', 'as `freehold runs list` shows it'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output } = invocation;
        const { findRun, isGoingOn, requestRun, waitForEnd } = await import('../../train/control.ts');
        const { FreeholdError } = await import('../../lib/errors.ts');
        const before = await findRun(at, String(invocation.args[0]));
        if (before.state === 'succeeded' || (wish === 'pause' && !isGoingOn(before))) {
          throw new FreeholdError(
            'unsupported',
            `There is nothing to ${wish}: ${before.name} ${before.state === 'succeeded' || before.state === 'failed' ? 'has' : 'is'} ${before.state}.`,
          );
        }
        let run = await requestRun(at, before.id, wish);
        if (isGoingOn(run) && process.stderr.isTTY && !output.json) {
          output.note(output.errorStyle.dim(`Waiting for the checkpoint of ${run.name} …`));
        }
        run = await waitForEnd(at, run.id);
        output.data({ run });
        await tellEnd(run, output);
      }),
  );
}

function addResume(runs: Command): void {
  finish<CommonOptions & { detach?: boolean }>(
    runs
      .command('resume')
      .summary('go on with a run')
      .description(
        'Goes on with a run that was paused, stopped, killed or failed, from its last checkpoint, and follows it.',
      )
      .argument('<name>', 'as `freehold runs list` shows it')
      .option('--detach', 'Leave it running in the background.'),
    ['libDir'],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { resumeRun } = await import('../../train/control.ts');
        const run = await resumeRun(at, String(invocation.args[0]));
        return followOrLeave(at, run, invocation);
      }),
  );
}

/**
 * After a run was started: follows it, or with --detach says how to. The first Ctrl-C pauses the run and waits for its
 * checkpoint, the second one leaves at once; the run then pauses by itself.
 * @returns exit status: 130 when paused by Ctrl-C, 1 when it ended otherwise than finished
 */
export async function followOrLeave(
  at: Runs,
  run: Run,
  { output, options }: Pick<Invocation<CommonOptions & { detach?: boolean }>, 'output' | 'options'>,
): Promise<number> {
  if (options.detach) {
    output.data({ type: 'run', run });
    output.line(`${output.style.bold(run.name)} is being trained by process ${run.pid}.`);
    output.line(`  Watch it: freehold runs watch ${run.name}`);
    output.line(`  Pause it: freehold runs pause ${run.name}`);
    return 0;
  }
  const [{ followRun }, { requestRun }] = await Promise.all([
    import('../runs/follow.ts'),
    import('../../train/control.ts'),
  ]);
  const leaving = new AbortController();
  let asked = false;
  const interrupt = () => {
    if (asked) return leaving.abort();
    asked = true;
    void requestRun(at, run.id, 'pause').catch(() => leaving.abort());
    if (!process.stdout.isTTY) output.note(`Pausing ${run.name} with a checkpoint; Ctrl-C once more leaves at once.`);
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const footer = 'Ctrl-C pauses with a checkpoint. Closing the terminal leaves it running.';
    const last = await followRun(at, run.id, output, { signal: leaving.signal, footer });
    if (leaving.signal.aborted) output.note(`${run.name} pauses by itself. To go on: freehold runs resume ${run.name}`);
    else await tellEnd(last, output);
    return asked ? 130 : last.state === 'succeeded' ? 0 : 1;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

function addCompare(runs: Command): void {
  finish<CommonOptions>(
    runs
      .command('compare')
      .summary('compare runs')
      .description('Compares runs: the settings that differ, their curves on one scale, their figures.')
      .argument('<names...>', 'two or more, as `freehold runs list` shows them'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output } = invocation;
        const all = await namedRuns(at, invocation.args[0] as string[], 2);
        const known = await Promise.all(all.map(knowRun));
        const { bestOf } = await import('../runs/live-view.ts');
        const { compareReport, differences } = await import('../runs/report.ts');
        output.data({
          differences: Object.fromEntries(differences(known.map(({ settings }) => settings))),
          runs: known.map(({ run, history }) => ({
            name: run.name,
            state: run.state,
            last: history.metrics.at(-1) ?? null,
            best: bestOf(history) ?? null,
          })),
        });
        for (const line of compareReport(known, output.style, output.columns)) output.line(line);
      }),
  );
}

function addPlot(runs: Command): void {
  finish<CommonOptions & { out: string; x: ChartX; y: ChartY }>(
    runs
      .command('plot')
      .summary('draw the curves of runs into a file')
      .description('Draws the training and validation curves of one or more runs as SVG or PNG.')
      .argument('<names...>', 'as `freehold runs list` shows them')
      .requiredOption('--out <file>', 'Where to; .svg or .png.')
      .addOption(new Option('--x <what>', 'What goes across.').choices(['steps', 'tokens', 'seconds']).default('steps'))
      .addOption(
        new Option('--y <what>', 'What goes up. Only bits per byte compare runs of different tokenizers.')
          .choices(['loss', 'bits-per-byte'])
          .default('loss'),
      ),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output, options } = invocation;
        const { chartOf, pictureKind, writePicture } = await import('../runs/plot/plot.ts');
        pictureKind(options.out);
        const all = await namedRuns(at, invocation.args[0] as string[], 1);
        const { readHistory } = await import('../../train/history.ts');
        const histories = await Promise.all(all.map(({ directory }) => readHistory(directory)));
        const chart = chartOf(
          all.map(({ name }, index) => ({ name, history: histories[index] ?? { metrics: [], samples: [] } })),
          options.x,
          options.y,
        );
        if (chart.runs.every(({ train, validation }) => train.length + validation.length === 0)) {
          throw usageError(`There is nothing to draw yet: ${all.map(({ name }) => name).join(', ')} measured nothing.`);
        }
        const { resolve } = await import('node:path');
        const file = resolve(options.out);
        await writePicture(file, chart);
        output.data({ file });
        output.line(`Wrote ${file}.`);
      }),
  );
}

/** @throws FreeholdError not_found; usage for too few, or one twice */
async function namedRuns(at: Runs, names: readonly string[], least: number): Promise<Run[]> {
  const { findRun } = await import('../../train/control.ts');
  const found: Run[] = [];
  for (const name of names) found.push(await findRun(at, name));
  const different = new Set(found.map(({ id }) => id)).size;
  if (different < found.length) throw usageError('Each run can be named once.');
  if (different < least) throw usageError(`Name ${least} runs or more.`, '`freehold runs list` shows all.');
  return found;
}

function addRemove(runs: Command): void {
  finish<CommonOptions & { yes?: boolean }>(
    runs
      .command('rm')
      .summary('delete a run with its checkpoints')
      .description('Deletes a run: its measurements, samples and checkpoints. Models exported from it stay.')
      .argument('<name>', 'as `freehold runs list` shows it')
      .option('-y, --yes', 'Do not ask.'),
    [],
    (invocation) =>
      withRuns(invocation, async (at) => {
        const { output, options } = invocation;
        const { deleteRun, findRun, isGoingOn } = await import('../../train/control.ts');
        const run = await findRun(at, String(invocation.args[0]));
        // one that goes on is refused below before anybody is asked
        if (!options.yes && !isGoingOn(run)) {
          if (!process.stdin.isTTY || !process.stdout.isTTY || output.json) {
            throw usageError(`Deleting ${run.name} needs a yes.`, 'There is no terminal to ask on: add --yes.');
          }
          const { confirm, isCancel } = await import('@clack/prompts');
          const answer = await confirm({ message: `Delete ${run.name} and its checkpoints?`, initialValue: false });
          if (isCancel(answer) || !answer) {
            output.line('Nothing was deleted.');
            return;
          }
        }
        await deleteRun(at, run.id);
        output.data({ removed: run.name });
        output.line(`Deleted ${run.name}.`);
      }),
  );
}
