// The processes of this bench and how they are asked: one question, one answer, by message. Knows nothing of what they do.
import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';

/** A process of this bench. */
export interface Asked<Question, Answer> {
  pid: number;
  /** @throws when the process says that it failed, or has ended */
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

type Reply<Answer> = { answer: Answer } | { failure: string };

/** @param program file beside this one that calls `answerQuestions`; standard error is dropped unless it fails */
export function startChild<Question, Answer>(program: string, nodeArgs: string[] = []): Asked<Question, Answer> {
  const child: ChildProcess = fork(path.join(import.meta.dirname, program), [], {
    execArgv: [...process.execArgv, ...nodeArgs],
    stdio: ['ignore', 'ignore', process.env.BENCH_VERBOSE ? 'inherit' : 'ignore', 'ipc'],
    serialization: 'advanced',
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid as number,
    ask: (question) =>
      new Promise((resolve, reject) => {
        const onEnd = () => reject(new Error(`${program} ended`));
        child.once('exit', onEnd);
        child.once('message', (reply: Reply<Answer>) => {
          child.off('exit', onEnd);
          if ('failure' in reply) reject(new Error(`${program}: ${reply.failure}`));
          else resolve(reply.answer);
        });
        child.send(question as object);
      }),
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}

/** The child's side. It ends when its parent lets go of it. */
export function answerQuestions<Question, Answer>(answer: (question: Question) => Promise<Answer>): void {
  process.on('message', (question: Question) => {
    answer(question)
      .then((value): Reply<Answer> => ({ answer: value }))
      .catch((error: Error): Reply<Answer> => ({ failure: error.stack ?? error.message }))
      .then((reply) => process.send?.(reply));
  });
  process.on('disconnect', () => process.exit(0));
}
