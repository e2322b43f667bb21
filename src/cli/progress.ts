// A download as a person or a program follows it: one updating line on a terminal, a line every few seconds in a log,
// JSON lines for programs. Formatting is pure; the printer takes its stream and its clock.
import type { PullProgress } from '../hub/types.ts';
import { formatBytes, formatDuration } from '../lib/units.ts';
import type { Output, Style } from './output.ts';
import { oneLine, truncate } from './text.ts';

/** `━━━━╺╌╌╌` without colour codes: `columns` cells, filled in halves. */
export function bar(share: number, columns: number, style: Style): string {
  const halves = Math.round(Math.min(1, Math.max(0, share)) * columns * 2);
  const full = Math.floor(halves / 2);
  const half = halves % 2;
  return style.accent('━'.repeat(full) + (half ? '╸' : '')) + style.dim('─'.repeat(columns - full - half));
}

/** What is known about a download beyond its bar: `41.2 of 92.9 MB · 8.1 MB/s · 6 s left`. */
export function progressFacts(progress: PullProgress): string {
  const { receivedBytes, totalBytes, bytesPerSecond, etaSeconds } = progress;
  const facts: string[] = [];
  if (totalBytes === undefined) facts.push(formatBytes(receivedBytes));
  else {
    const [received, total] = [formatBytes(receivedBytes), formatBytes(totalBytes)];
    const unit = total.slice(total.indexOf(' '));
    facts.push(`${received.endsWith(unit) ? received.slice(0, -unit.length) : received} of ${total}`);
  }
  if (bytesPerSecond !== undefined && bytesPerSecond > 0) facts.push(`${formatBytes(bytesPerSecond)}/s`);
  if (etaSeconds !== undefined && Number.isFinite(etaSeconds)) facts.push(`${formatDuration(etaSeconds)} left`);
  return facts.join(' · ');
}

const phaseWords: Record<PullProgress['phase'], string> = {
  resolve: 'looking for it',
  download: 'from',
  verify: 'checking',
  done: 'done',
};

/** No byte is here yet. */
const isSearch = ({ phase, receivedBytes }: PullProgress): boolean =>
  phase === 'resolve' || (phase === 'download' && receivedBytes === 0);

/** The one line of a terminal, at most `columns` wide. */
export function progressLine(name: string, progress: PullProgress, columns: number, style: Style): string {
  const source = oneLine(progress.source);
  // nothing has come from there yet, and perhaps nothing will
  if (isSearch(progress)) return truncate(`${name}  ${phaseWords.resolve}${source && ` at ${source}`} …`, columns);
  if (progress.phase === 'verify') return truncate(`${name}  checking the whole file …`, columns);
  const facts = progressFacts(progress);
  const share = progress.totalBytes ? progress.receivedBytes / progress.totalBytes : undefined;
  const percent = share === undefined ? '' : `${String(Math.floor(share * 100)).padStart(3)} %  `;
  const words = `${percent}${facts}`;
  const room = columns - name.length - words.length - 4;
  if (share === undefined || room < 8) return truncate(`${name}  ${words}`, columns);
  const barColumns = Math.min(28, room);
  const tail = room - barColumns - 2;
  const where = tail > 8 ? style.dim(truncate(` · ${source}`, tail)) : '';
  return `${name}  ${bar(share, barColumns, style)}  ${words}${where}`;
}

/** The same as a line in a log. */
export function progressLogLine(name: string, progress: PullProgress): string {
  const source = oneLine(progress.source);
  if (isSearch(progress)) return `${name}: ${phaseWords.resolve}${source && ` at ${source}`}`;
  if (progress.phase === 'verify') return `${name}: checking the whole file`;
  const percent = progress.totalBytes ? ` ${Math.floor((progress.receivedBytes / progress.totalBytes) * 100)} %,` : '';
  return `${name}:${percent} ${progressFacts(progress).replaceAll(' · ', ', ')}, from ${source}`;
}

export interface ProgressPrinter {
  update(progress: PullProgress): void;
  /** Clears the updating line; safe to call twice. */
  end(): void;
}

interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/**
 * @param options.nowMs clock in milliseconds, for tests
 * @param options.indent before the updating line
 * @param options.json print JSON lines through `output.data`
 */
export function createProgressPrinter(
  name: string,
  output: Output,
  options: { screen?: Screen; nowMs?: () => number; json?: boolean; indent?: string } = {},
): ProgressPrinter {
  const screen = options.screen ?? process.stderr;
  const nowMs = options.nowMs ?? (() => performance.now());
  const everyMs = screen.isTTY && !options.json ? 100 : options.json ? 500 : 5000;
  let lastMs = Number.NEGATIVE_INFINITY;
  let lastPhase = '';
  let lastSource = '';
  let drawn = false;
  const clear = () => {
    if (drawn) screen.write('\r\u001b[K');
    drawn = false;
  };
  return {
    update(given) {
      // before a source is chosen all that is known is the name, which leads the line anyway
      const progress = given.source === name && !options.json ? { ...given, source: '' } : given;
      // a log is told of sources that bring something
      const silent = progress.source === '' || (progress.phase === 'download' && progress.receivedBytes === 0);
      if (silent && isSearch(progress) && !screen.isTTY && !options.json) return;
      const changed = progress.phase !== lastPhase || progress.source !== lastSource;
      if (!changed && nowMs() - lastMs < everyMs) return;
      lastMs = nowMs();
      lastPhase = progress.phase;
      lastSource = progress.source;
      if (options.json) output.data({ type: 'progress', name, ...progress });
      else if (progress.phase === 'done') clear();
      else if (screen.isTTY) {
        screen.write(
          `\r\u001b[K${progressLine((options.indent ?? '') + name, progress, (screen.columns ?? 80) - 1, output.errorStyle)}`,
        );
        drawn = true;
      } else screen.write(`${progressLogLine(name, progress)}\n`);
    },
    end: clear,
  };
}
