// Serving, against its peers and its limit: the same model and prompts for everyone, in one run. Contenders take turns,
// in alternating order, so that what drifts on the machine hits all alike.
import { parseArgs } from 'node:util';
import type { Figure } from '../main.ts';
import { benchSampling } from '../sampling.ts';
import { type Contender, forkQuietly, type Session } from './contender.ts';
import type { Limit } from './limit.ts';
import { type Load, loads, type Prompt, type RoundTimes } from './loads.ts';
import { benchModel } from './model.ts';
import type { Answer, Question } from './native-process.ts';
import { contenders, oursInProcess } from './peers.ts';
import { barFigures, detailFigures } from './report.ts';
import { median, type Summary, summarise } from './summary.ts';
import { keptHome, tune } from './tuned-home.ts';

/** No load is begun after so much time, and no further round. */
const longestMs = 15 * 60_000;

const say = (line: string) => process.stderr.write(`${line}\n`);

/**
 * @param args --only LOAD,…  --rounds N  --no-install
 * @returns bars first, then every figure
 */
export async function benchServe(args: string[]): Promise<Figure[]> {
  const { values } = parseArgs({
    args,
    options: { only: { type: 'string' }, rounds: { type: 'string' }, 'no-install': { type: 'boolean' } },
  });
  const chosen = chooseLoads(values.only, values.rounds);
  const model = await benchModel();
  const everyone = contenders(!values['no-install']);
  for (const { name, absent } of everyone) if (absent) say(`${name}: ${absent}`);
  const { prompts } = (await askNative({ type: 'prompts', model, loads: chosen })) as { prompts: Prompt[][][] };
  const isTuned = async () => ((await askNative({ type: 'tuned', model, home: keptHome })) as { tuned: boolean }).tuned;
  if (!(await tune(model, isTuned))) say('the machine is too busy to be measured for this model: defaults are used');
  const before = await limitOf(model);
  const results = new Map<Load, Map<string, Summary>>();
  for (const [index, load] of chosen.entries()) {
    if (performance.now() > longestMs) {
      say(`\n${load.name}: left out, there is no time left`);
      continue;
    }
    say(`\n${load.name}: ${load.what}`);
    const taking = everyone.filter(
      ({ absent, takes }) => !absent && load.contenders === 'all' && (takes?.(load) ?? true),
    );
    const measured = taking.length > 0 ? taking : [oursInProcess];
    results.set(load, await measureLoad(model, load, prompts[index] as Prompt[][], measured));
  }
  const after = await limitOf(model);
  const limit = after.bytesPerSecond > before.bytesPerSecond ? after : before;
  const sampling = (await benchSampling()).filter(({ bar }) => bar);
  return [...barFigures(results, limit), ...sampling, ...detailFigures(results, limit)];
}

function chooseLoads(only: string | undefined, rounds: string | undefined): Load[] {
  const names = only?.split(',');
  const unknown = names?.find((name) => !loads.some((load) => load.name === name));
  if (unknown) throw new Error(`there is no load ${unknown}; there are: ${loads.map(({ name }) => name).join(', ')}`);
  return loads
    .filter(({ name }) => !names || names.includes(name))
    .map((load) => ({ ...load, rounds: Number(rounds) || load.rounds }));
}

/** @param prompts by round; the first is for warming up */
async function measureLoad(
  model: string,
  load: Load,
  [warmUp, ...rounds]: Prompt[][],
  taking: readonly Contender[],
): Promise<Map<string, Summary>> {
  const sessions: { name: string; session: Session; times: RoundTimes[] }[] = [];
  try {
    for (const { name, open } of taking) {
      const session = await open(model, load);
      sessions.push({ name, session, times: [] });
      // whatever a first round brings about (larger caches, compiled code) has happened before it counts
      await session.round(warmUp as Prompt[]);
    }
    for (const [round, prompts] of rounds.entries()) {
      if (round > 0 && performance.now() > longestMs) break;
      const order = round % 2 === 0 ? sessions : [...sessions].reverse();
      for (const { session, times } of order) times.push(await session.round(prompts));
    }
    const summaries = new Map<string, Summary>();
    for (const { name, session, times } of sessions) {
      const summary = summarise(times, session.peakBytes());
      summaries.set(name, summary);
      say(`  ${name.padEnd(16)} ${shown(load, summary)}`);
    }
    return summaries;
  } finally {
    await Promise.all(sessions.map(({ session }) => session.close()));
  }
}

function shown(load: Load, { longPrompt, ...summary }: Summary): string {
  const ms = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} ms`;
  if (load.kind === 'long-prompt' && longPrompt) {
    const { idleFirstToken, firstToken, gapBeforeP50, gapP99, gapLongest } = longPrompt;
    return `first token ${ms(firstToken)} (idle ${ms(idleFirstToken)}); gaps p99 ${ms(gapP99)}, longest ${ms(gapLongest)} (median before ${ms(gapBeforeP50)})`;
  }
  const rate = `${summary.tokensPerSecond.toFixed(1)} tokens/s (${summary.ratesByRound.map((each) => each.toFixed(0)).join(' ')})`;
  return `${rate}, ${ms(summary.totalMs)}; first token ${ms(summary.firstTokenP50)}, gap ${ms(summary.gapP50)}, p99 ${ms(summary.gapP99)}; ${(summary.peakBytes / 1e6).toFixed(0)} MB`;
}

/** The best of three: what is sought is what the machine can do. */
async function limitOf(model: string): Promise<Limit> {
  const measured: Limit[] = [];
  for (let i = 0; i < 3; i++) {
    measured.push(((await askNative({ type: 'limit', model })) as { limit: Limit }).limit);
  }
  const rates = measured.map(({ bytesPerSecond }) => bytesPerSecond);
  say(`read bandwidth: best ${(Math.max(...rates) / 1e9).toFixed(1)} GB/s, median ${(median(rates) / 1e9).toFixed(1)}`);
  return measured.reduce((best, each) => (each.bytesPerSecond > best.bytesPerSecond ? each : best));
}

function askNative(question: Question): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = forkQuietly('native-process.ts');
    child.once('message', (answer: Answer) => resolve(answer));
    child.once('exit', (code, signal) => reject(new Error(`no answer (${signal ?? `status ${code}`})`)));
    child.send(question);
  });
}
