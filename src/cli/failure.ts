// How a command fails: message, hint, exit status. People read standard error; with --json a program reads one object
// on standard output. Exit status: 1 failed, 2 wrong usage (a bad flag, setting or argument).
import { asFreeholdError, type ErrorCode, FreeholdError, toErrorRecord } from '../lib/errors.ts';
import { createStyle, type Style, wantsColour } from './output.ts';
import { oneLine, stripControls, wrapText } from './text.ts';

/** A command line that cannot be carried out. */
export function usageError(message: string, hint?: string): FreeholdError {
  return new FreeholdError('usage', message, hint === undefined ? {} : { hint });
}

const usageCodes: readonly ErrorCode[] = ['usage', 'config_invalid', 'invalid_request'];

/** 2 for what the caller must write otherwise, 130 when interrupted, else 1. */
export function exitStatus(error: FreeholdError): number {
  if (usageCodes.includes(error.code)) return 2;
  return error.code === 'cancelled' ? 130 : 1;
}

/**
 * A failure as lines for a person.
 * @param verbose also print what lies underneath, with stack traces
 * @param columns of the terminal; default: no terminal, nothing is wrapped
 */
export function describeFailure(
  thrown: unknown,
  style: Style,
  verbose: boolean,
  columns = Number.POSITIVE_INFINITY,
): string[] {
  const error = asFreeholdError(thrown);
  const message = wrapText(stripControls(`error: ${error.message}`), columns);
  const lines = [message.replace(/^error:/, style.red('error:'))];
  if (error.code === 'internal') {
    const cause =
      error.cause instanceof Error ? `${error.cause.name}: ${error.cause.message}` : String(error.cause ?? '');
    if (cause !== '') lines.push(`  ${oneLine(cause)}`);
    if (!verbose) lines.push('Run it again with --verbose to see where; please report it.');
  } else if (error.hint) lines.push(wrapText(stripControls(error.hint), columns));
  if (verbose) {
    lines.push(style.dim(`code: ${error.code}`));
    for (
      let cause: unknown = error.cause;
      cause !== undefined;
      cause = cause instanceof Error ? cause.cause : undefined
    ) {
      const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
      lines.push(style.dim(`caused by: ${stripControls(text)}`));
    }
  }
  return lines;
}

/** Prints a failure where the caller looks for it and returns the exit status. */
export function reportFailure(thrown: unknown, options: { json: boolean; verbose: boolean }): number {
  const error = asFreeholdError(thrown);
  if (options.json) {
    const { code, message, hint } = toErrorRecord(error);
    process.stdout.write(`${JSON.stringify({ error: { code, message, ...(hint === undefined ? {} : { hint }) } })}\n`);
  }
  if (!options.json || options.verbose) {
    const lines = describeFailure(
      error,
      createStyle(wantsColour(process.stderr)),
      options.verbose,
      process.stderr.columns,
    );
    process.stderr.write(`${lines.join('\n')}\n`);
  }
  return exitStatus(error);
}
