// Follows a run for whoever reads along: a view that is drawn again and again on a terminal, lines in a log, JSON lines for
// programs. Ends when the run does, or when the signal says so; the run itself does not notice.
import { isGoingOn, type Run, type Runs, watchRun } from '../../train/control.ts';
import type { RunHistory } from '../../train/history.ts';
import type { Output } from '../output.ts';
import { liveView, logLine } from './live-view.ts';

interface Terminal {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
  write(text: string): unknown;
}

export interface FollowOptions {
  signal?: AbortSignal;
  /** Default: standard output. */
  terminal?: Terminal;
  /** Under the view. */
  footer?: string;
  everyMs?: number;
}

/** A log gets a line at most so often, validations aside. */
const logEveryMs = 10_000;

/**
 * @param name or id of a run
 * @returns the run as it was last seen
 * @throws FreeholdError not_found
 */
export async function followRun(runs: Runs, name: string, output: Output, options: FollowOptions = {}): Promise<Run> {
  const terminal = options.terminal ?? process.stdout;
  const show = output.json
    ? jsonShow(output)
    : terminal.isTTY
      ? terminalShow(terminal, output, options.footer)
      : logShow(output);
  let last: Run | undefined;
  const watch = { everyMs: options.everyMs ?? 500, ...(options.signal ? { signal: options.signal } : {}) };
  try {
    for await (const { run, history } of watchRun(runs, name, watch)) {
      show.update(run, history);
      last = run;
    }
  } finally {
    show.end();
  }
  if (last) return last;
  const { findRun } = await import('../../train/control.ts');
  return findRun(runs, name);
}

interface Show {
  update(run: Run, history: RunHistory): void;
  end(): void;
}

/** Everything the run writes down, as it comes: `run`, `step`, `sample` objects; the last `run` tells how it ended. */
function jsonShow(output: Output): Show {
  let state = '';
  let step = -1;
  let sampled = -1;
  return {
    update(run, { metrics, samples }) {
      for (const line of metrics) if (line.step > step) output.data({ type: 'step', ...line });
      for (const line of samples) if (line.step > sampled) output.data({ type: 'sample', ...line });
      step = metrics.at(-1)?.step ?? step;
      sampled = samples.at(-1)?.step ?? sampled;
      if (run.state !== state) output.data({ type: 'run', run });
      state = run.state;
    },
    end() {},
  };
}

function logShow(output: Output): Show {
  let step = -1;
  let saidMs = Number.NEGATIVE_INFINITY;
  let phase = '';
  return {
    update(run, history) {
      const last = history.metrics.at(-1);
      if (!last) {
        const now = run.progress?.phase ?? '';
        if (now !== phase && now !== '') output.line(logLine({ ...run, history }));
        phase = now;
        return;
      }
      const validated = history.metrics.some((line) => line.step > step && line.validationLoss !== undefined);
      const late = performance.now() - saidMs >= logEveryMs || !isGoingOn(run);
      if (last.step === step || !(validated || late)) return;
      output.line(logLine({ ...run, history }));
      step = last.step;
      saidMs = performance.now();
    },
    end() {},
  };
}

/** Draws over what it drew before. The cursor hides meanwhile, and each view appears at once where the terminal knows how. */
function terminalShow(terminal: Terminal, output: Output, footer: string | undefined): Show {
  let drawn = 0;
  let hidden = false;
  const up = () => (drawn > 1 ? `\u001b[${drawn - 1}A\r` : '\r');
  return {
    update(run, history) {
      const columns = (terminal.columns ?? 80) - 1;
      const rows = (terminal.rows ?? 24) - 1 - (footer ? 2 : 0);
      const lines = liveView({ ...run, history }, { columns, rows }, output.style);
      if (footer && isGoingOn(run)) lines.push('', output.style.dim(footer));
      const text = lines.map((line) => `${line}\u001b[K`).join('\n');
      terminal.write(`\u001b[?2026h${hidden ? '' : '\u001b[?25l'}${up()}${text}\u001b[J\u001b[?2026l`);
      hidden = true;
      drawn = lines.length;
    },
    end() {
      if (drawn > 0) terminal.write('\u001b[?25h\n');
    },
  };
}
