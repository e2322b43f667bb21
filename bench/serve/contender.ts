// What can be measured: something that opens a model for a load and then runs rounds of it. Those that live in a child
// process of the bench are told by messages what to do, and time themselves: no message passes while they generate.
import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Generate, type Load, type Prompt, type RoundTimes, runRound } from './loads.ts';

export interface Session {
  round(prompts: readonly Prompt[]): Promise<RoundTimes>;
  /** Most memory its processes held at once, in bytes, since they began. */
  peakBytes(): number;
  close(): Promise<void>;
}

export interface Contender {
  name: string;
  /** Why it cannot be measured here. */
  absent?: string;
  /** Whether it is measured under a load. Default: under all. */
  takes?: (load: Load) => boolean;
  /** Starts it with room for the load, and loads the model. */
  open(model: string, load: Load): Promise<Session>;
}

type ToChild = { type: 'open'; model: string; load: Load } | { type: 'round'; load: Load; prompts: readonly Prompt[] };
type FromChild = { type: 'ready' } | { type: 'times'; times: RoundTimes } | { type: 'failed'; message: string };

/** @param program file beside this one that calls `serveRounds` */
export function childContender(name: string, program: string): Contender {
  return {
    name,
    async open(model, load) {
      const child = forkQuietly(program);
      await ask(child, { type: 'open', model, load });
      return {
        async round(prompts) {
          const answer = await ask(child, { type: 'round', load, prompts });
          if (answer.type !== 'times') throw new Error(`${name} answered ${answer.type}`);
          return answer.times;
        },
        peakBytes: () => peakBytes(child.pid as number),
        close: () => ended(child),
      };
    },
  };
}

/** Starts a program beside this file; what it writes to standard error is shown only when it fails. */
export function forkQuietly(program: string): ChildProcess {
  const child = fork(path.join(import.meta.dirname, program), [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000);
  });
  child.once('close', (code) => {
    if (code) process.stderr.write(`${program} ended with status ${code}:\n${log}\n`);
  });
  return child;
}

/** The child's side. @param open loads the model with room for the load */
export function serveRounds(open: (model: string, load: Load) => Promise<Generate>): void {
  // what is opened may take the name for its own
  const tellBench = process.send?.bind(process);
  let generate: Promise<Generate> | undefined;
  const answer = async (message: ToChild): Promise<FromChild> => {
    if (message.type === 'open') {
      generate = open(message.model, message.load);
      await generate;
      return { type: 'ready' };
    }
    if (!generate) throw new Error('a round before the model was opened');
    return { type: 'times', times: await runRound(message.load, message.prompts, await generate) };
  };
  process.on('message', (message: ToChild) => {
    answer(message)
      .catch((error: Error): FromChild => ({ type: 'failed', message: error.stack ?? error.message }))
      .then((reply) => tellBench?.(reply));
  });
  process.on('disconnect', () => process.exit(0));
}

function ask(child: ChildProcess, message: ToChild): Promise<FromChild> {
  return new Promise((resolve, reject) => {
    const done = () => {
      child.off('message', onMessage);
      child.off('exit', onExit);
    };
    const onMessage = (answer: FromChild) => {
      done();
      if (answer.type === 'failed') reject(new Error(answer.message));
      else resolve(answer);
    };
    const onExit = (code: number | null, signal: string | null) => {
      done();
      reject(new Error(`the process ended (${signal ?? `status ${code}`})`));
    };
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send(message);
  });
}

/** Ends a process and waits for its end. */
export function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    child.once('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(signal);
  });
}

/** Most memory a process ever held, in bytes; 0 where the system does not tell. */
export function peakBytes(pid: number): number {
  try {
    return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
