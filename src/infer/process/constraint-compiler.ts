// Compiles JSON schemas on a thread of their own, one after the other, the shortest first: a hostile one takes seconds,
// and the steps of everybody's answers must not wait for it. Only a few shorter ones pass the oldest. The thread starts
// with the first schema and ends when none came for a while; a schema that takes too long, or too much memory, ends it.
// Knows the thread and its queue, nothing of schemas.
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { cancelled, type ErrorRecord, FreeholdError } from '../../lib/errors.ts';

/** What a schema is found to be, the same each time. */
export type Verdict = { grammar: string } | { error: ErrorRecord };

/** What the thread is sent: a schema, as JSON, or one whose keywords that cannot be enforced are left out. */
export type SchemaMessage = string | { relaxed: string };

export interface SchemaCompilerOptions {
  /** Program of the thread: takes a schema message, answers with a verdict. Default: constraint-worker. */
  entry?: string | URL;
  /** Longest time for one schema. Default 5000. */
  limitMs?: number;
  /** Schemas that may wait. Default 64. */
  queueLimit?: number;
  /** Without work for this long, the thread ends. Default 30,000. */
  idleMs?: number;
  /** Memory of the thread, in MiB. Default 256. */
  memoryMb?: number;
}

export interface SchemaCompiler {
  /**
   * @param schema JSON
   * @param signal aborting takes it out of the queue; one that is being compiled is finished
   * @param relaxed whether what cannot be enforced is left out. Default false: it is an error
   * @throws FreeholdError invalid_request when it takes too long or too much memory, overloaded when too many wait,
   *   cancelled
   */
  compile(schema: string, signal?: AbortSignal, relaxed?: boolean): Promise<Verdict>;
  /** Whether the thread is there. */
  readonly running: boolean;
}

interface Job {
  schema: string;
  relaxed: boolean;
  /** How often another was taken while it was the oldest. */
  passed: number;
  resolve(verdict: Verdict): void;
  reject(error: FreeholdError): void;
}

/** The thread's program; run from `dist/` also when this file runs from `src/`. */
const workerEntry = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/infer/process/constraint-worker.js' : './constraint-worker.js',
    import.meta.url,
  ),
);

/** Time is counted in pieces, so that a machine that slept has not used it up. */
const ticks = 20;

export function createSchemaCompiler(options: SchemaCompilerOptions = {}): SchemaCompiler {
  const { entry = workerEntry, limitMs = 5000, queueLimit = 64, idleMs = 30_000, memoryMb = 256 } = options;
  const waiting: Job[] = [];
  let worker: Worker | undefined;
  let current: Job | undefined;
  let clock: NodeJS.Timeout | undefined;
  let idle: NodeJS.Timeout | undefined;

  const end = () => {
    void worker?.terminate();
    worker = undefined;
  };

  /** Ends the current job. */
  const finish = (how: (job: Job) => void) => {
    clearInterval(clock);
    const job = current;
    current = undefined;
    if (job) how(job);
    next();
  };

  const lose = (message: string) => {
    end();
    finish((job) => job.reject(tooMuch(message)));
  };

  const start = (): Worker => {
    const started = new Worker(entry, {
      name: 'schema compiler',
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    started.on('message', (verdict: Verdict) => {
      if (worker === started) finish((job) => job.resolve(verdict));
    });
    started.on('error', (cause: NodeJS.ErrnoException) => {
      if (worker !== started) return;
      if (cause.code === 'ERR_WORKER_OUT_OF_MEMORY') {
        lose('The schema takes too much memory to compile.');
        return;
      }
      end();
      finish((job) => job.reject(new FreeholdError('internal', 'The schema compiler ended unexpectedly.', { cause })));
    });
    return started;
  };

  const next = () => {
    clearTimeout(idle);
    current = takeNext(waiting);
    if (!current) {
      worker?.unref();
      idle = setTimeout(end, idleMs).unref();
      return;
    }
    worker ??= start();
    worker.ref();
    const message: SchemaMessage = current.relaxed ? { relaxed: current.schema } : current.schema;
    worker.postMessage(message);
    let left = ticks;
    clock = setInterval(() => {
      left -= 1;
      if (left === 0) lose(`The schema takes more than ${limitMs / 1000} seconds to compile.`);
    }, limitMs / ticks);
  };

  return {
    get running() {
      return worker !== undefined;
    },
    compile(schema, signal, relaxed = false) {
      if (signal?.aborted) return Promise.reject(cancelled());
      if (waiting.length >= queueLimit) {
        const message = `${waiting.length} other schemas wait to be compiled.`;
        const hint = 'Try again in a moment.';
        return Promise.reject(new FreeholdError('overloaded', message, { hint, retryAfterMs: 2000 }));
      }
      return new Promise((resolve, reject) => {
        const job: Job = { schema, relaxed, passed: 0, resolve, reject };
        signal?.addEventListener(
          'abort',
          () => {
            const at = waiting.indexOf(job);
            if (at < 0) return;
            waiting.splice(at, 1);
            reject(cancelled());
          },
          { once: true },
        );
        waiting.push(job);
        if (!current) next();
      });
    },
  };
}

/** Shorter schemas that may pass the oldest. */
const mostPassing = 4;

/** The shortest, so that a few long ones keep others waiting for one of them only; now and then the oldest. */
function takeNext(waiting: Job[]): Job | undefined {
  const oldest = waiting[0];
  if (!oldest) return undefined;
  let best = 0;
  waiting.forEach((job, at) => {
    if (job.schema.length < (waiting[best] as Job).schema.length) best = at;
  });
  if (oldest.passed >= mostPassing) best = 0;
  oldest.passed += 1;
  return waiting.splice(best, 1)[0];
}

function tooMuch(message: string): FreeholdError {
  return new FreeholdError('invalid_request', message, {
    hint: 'Use a smaller schema: fewer alternatives (anyOf, oneOf, enum), simpler patterns.',
    field: '#',
  });
}
