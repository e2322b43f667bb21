// What every command shares: --json, --home, --verbose, and an action that gets its options, its output and its
// configuration. Knows no single command.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ConfigKey, ResolvedConfig } from '../lib/config.ts';
import { createOutput, type Output } from './output.ts';
import { addSettings, loadConfig } from './settings.ts';

/** What an action is given. */
export interface Invocation<Options> {
  /** Positional arguments, in order; a variadic one is an array. */
  args: unknown[];
  options: Options;
  output: Output;
  /** Resolves flags, environment, file and defaults; loads the schema on the first call. */
  config(): Promise<ResolvedConfig>;
}

export interface CommonOptions {
  json?: boolean;
  verbose?: boolean;
}

/** A command that said all there is to say and yet failed. */
export class ExitStatus extends Error {
  readonly status: number;
  constructor(status: number) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

/**
 * Gives a command its common flags, its settings and its action.
 * @param action may return an exit status; what it throws is reported
 * @param settings settings the command takes as flags, `home` aside, which every command takes
 */
export function finish<Options extends CommonOptions>(
  command: Command,
  settings: readonly ConfigKey[],
  action: (invocation: Invocation<Options>) => Promise<unknown>,
): Command {
  command.addOption(new Option('--json', 'Print JSON for programs.'));
  command.addOption(new Option('--verbose', 'Show what lies underneath an error.'));
  addSettings(command, ['home', ...settings]);
  command.action(async (...given: unknown[]) => {
    const self = given.at(-1) as Command;
    const options = self.opts() as Options;
    let resolved: Promise<ResolvedConfig> | undefined;
    const status = await action({
      args: given.slice(0, -2),
      options,
      output: createOutput(Boolean(options.json)),
      config: () => {
        resolved ??= loadConfig(self);
        return resolved;
      },
    });
    if (typeof status === 'number' && status !== 0) throw new ExitStatus(status);
  });
  return command;
}

/** A parser for a number flag. @throws InvalidArgumentError with the range, in plain words */
export function number(least: number, most: number, kind: 'whole' | 'any' = 'any'): (given: string) => number {
  return (given) => {
    const value = given.trim() === '' ? Number.NaN : Number(given);
    if (!Number.isFinite(value) || value < least || value > most || (kind === 'whole' && !Number.isInteger(value))) {
      throw new InvalidArgumentError(`Expected a ${kind === 'whole' ? 'whole ' : ''}number from ${least} to ${most}.`);
    }
    return value;
  };
}
