// `freehold train`: from a text to a model. Says what the run will be, starts it in a process of its own, and shows it. The
// planning and the training are train/'s.
import type { Command } from 'commander';
import type { Config } from '../../lib/config.ts';
import type { Runs } from '../../train/control.ts';
import type { PlanRequest, RunPlan } from '../../train/plan.ts';
import { finish } from '../command.ts';
import type { Output } from '../output.ts';
import { siteOf, withRuns } from '../runs/with-runs.ts';
import { followOrLeave } from './runs.ts';
import { addTrainFlags, planRequest, type TrainOptions } from './train-flags.ts';

/** From so long on a person is asked before it begins. */
const askSeconds = 600;

export function addTrain(program: Command): void {
  const command = program
    .command('train')
    .summary('train a model from text')
    .description(
      'Trains a model from nothing on your text: files, folders of .txt, .md and .jsonl, or a packed pool. Shows what it will take, then how it goes. The run is a process of its own: Ctrl-C pauses it with a checkpoint, a closed terminal leaves it running.',
    )
    .argument('<sources...>', 'texts to learn from');
  addTrainFlags(command).addHelpText(
    'after',
    `
Examples:
  freehold train shakespeare.txt                       a small model, in minutes
  freehold train books/ --depth 6 --detach             a larger one, in the background
  freehold train notes.txt --depth 2 --steps 500 --tokenizer bytes
  freehold runs watch | pause | resume | show | plot   what to do with a run`,
  );
  finish<TrainOptions>(command, ['device', 'libDir', 'threads'], (invocation) =>
    withRuns(invocation, async (at) => {
      const { options, output, args } = invocation;
      const { values } = await invocation.config();
      const request = await planRequest(args[0] as string[], options, values);
      const { checkName, freeName, isGoingOn, listRuns, startRun } = await import('../../train/control.ts');
      if (request.name !== undefined) {
        checkName(request.name);
        await refuseTaken(at, request.name);
      }
      const plan = await planShown(request, values, output);
      if (request.name === undefined) plan.settings.name = await freeName(at, plan.settings.name);
      const others = (await listRuns(at)).filter(isGoingOn).map(({ name }) => name);
      const { planReport } = await import('../runs/plan-report.ts');
      const { lines, warnings } = planReport(plan, others, output.style, output.columns);
      output.data({ type: 'plan', plan, warnings });
      for (const line of lines) output.line(line);
      for (const warning of warnings) output.note(`Note: ${warning}`);
      if (options.plan) return 0;
      if (!(await agreed(plan, options, output))) {
        output.line('Nothing was started.');
        return 0;
      }
      output.line();
      return followOrLeave(at, await startRun(at, plan.settings), invocation);
    }),
  );
}

/** Before minutes go into a plan. @throws FreeholdError name_taken */
async function refuseTaken(at: Runs, name: string): Promise<void> {
  const { listRuns, nameTaken } = await import('../../train/control.ts');
  if ((await listRuns(at)).some((run) => run.name === name)) throw nameTaken(name);
}

/** Plans, and says what it is at: reading the text and measuring take seconds. */
async function planShown(request: PlanRequest, config: Config, output: Output): Promise<RunPlan> {
  const { planInProcess } = await import('../../train/tasks.ts');
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  const shown = process.stderr.isTTY && !output.json;
  const words = { reading: 'Reading the text', measuring: 'Measuring how fast this machine is' };
  const show = (phase: 'reading' | 'measuring', share: number) => {
    const text = `${words[phase]} … ${Math.floor(share * 100)} %`;
    if (shown) process.stderr.write(`\r\u001b[K${output.errorStyle.dim(text)}`);
  };
  try {
    return await planInProcess({ site: siteOf(config), request }, { onProgress: show, signal: stop.signal });
  } finally {
    process.off('SIGINT', interrupt);
    if (shown) process.stderr.write('\r\u001b[K');
  }
}

/** Asks a person whether a long run is meant. Nobody is asked where there is no terminal. */
async function agreed({ measured }: RunPlan, options: TrainOptions, output: Output): Promise<boolean> {
  const seconds = measured?.etaSeconds ?? 0;
  if (options.yes || output.json || seconds < askSeconds || !process.stdin.isTTY || !process.stdout.isTTY) return true;
  const [{ confirm, isCancel }, { formatDuration }] = await Promise.all([
    import('@clack/prompts'),
    import('../../lib/units.ts'),
  ]);
  const answer = await confirm({ message: `Train for about ${formatDuration(seconds)}?` });
  return !isCancel(answer) && answer;
}
