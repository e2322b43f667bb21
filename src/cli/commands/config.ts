// `freehold config`: each setting, its value, and where the value came from. Secrets are never printed.
import type { Command } from 'commander';
import type { ConfigKey } from '../../lib/config.ts';
import { type CommonOptions, finish } from '../command.ts';
import { type Style, table } from '../output.ts';
import { settingFlags } from '../settings.ts';

/** One setting as it is shown. */
export interface SettingRow {
  name: string;
  value: string | number | boolean;
  origin: string;
  /** What sets it: its environment variable, for people who want to change it. */
  environment: string;
}

export function addConfig(program: Command): void {
  finish<CommonOptions>(
    program
      .command('config')
      .summary('show every setting and where it came from')
      .description(
        'Shows every setting and where it came from: flag, environment, freehold.config.json, or default (in that order).',
      ),
    (Object.keys(settingFlags) as ConfigKey[]).filter((key) => key !== 'home'),
    async ({ output, config }) => {
      const { environmentName, secretConfigKeys } = await import('../../lib/config.ts');
      const { existsSync } = await import('node:fs');
      const { values, origins, file } = await config();
      const rows = (Object.keys(values) as ConfigKey[]).map((key): SettingRow => {
        const secret = secretConfigKeys.has(key);
        const given = values[key];
        const plain = Array.isArray(given) ? given.join(',') : given;
        const value = secret ? (plain === '' ? '' : '(hidden)') : plain;
        return { name: key, value, origin: origins[key], environment: environmentName(key) };
      });
      const fileFound = existsSync(file);
      output.data({ file, fileFound, settings: rows });
      for (const line of configTable(rows, output.style, output.columns)) output.line(line);
      output.line();
      output.line(
        output.style.dim(
          fileFound ? `File: ${file}` : `File: ${file} (not there; make it to keep settings: {"port": 9000})`,
        ),
      );
    },
  );
}

/** The settings as a table; those that are not the default stand out. */
export function configTable(rows: readonly SettingRow[], style: Style, columns: number): string[] {
  return table(
    [
      { title: 'SETTING' },
      { title: 'VALUE', shrinks: true },
      { title: 'FROM', paint: (cell) => (cell.trim() === 'default' ? style.dim(cell) : style.accent(cell)) },
      { title: 'ENVIRONMENT', paint: style.dim },
    ],
    rows.map((row) => [row.name, row.value === '' ? '–' : String(row.value), row.origin, row.environment]),
    style,
    columns,
  );
}
