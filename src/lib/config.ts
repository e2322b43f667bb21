// Configuration: flag -> environment FREEHOLD_* -> freehold.config.json -> default. One schema, and every value
// remembers where it came from (`freehold config` prints it).
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { FreeholdError } from './errors.ts';

const flag = z.preprocess((value) => {
  if (typeof value !== 'string') return value;
  const word = value.toLowerCase();
  if (['1', 'true', 'on', 'yes'].includes(word)) return true;
  if (['0', 'false', 'off', 'no'].includes(word)) return false;
  return value;
}, z.boolean());
const whole = (least: number, most: number) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value),
    z.number().int().min(least).max(most),
  );

/** Every setting, with its default and a line of help. Keys are camelCase here, `FREEHOLD_UPPER_SNAKE` in the environment. */
export const configSchema = z.object({
  home: z
    .string()
    .min(1)
    .default(path.join(homedir(), '.freehold'))
    .describe('Folder for models, database, keys and downloads.'),
  host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
  port: whole(0, 65535).default(8080).describe('Port to listen on; 0 takes a free one.'),
  auth: flag.default(true).describe('Ask every request for a key. Off is refused beyond loopback.'),
  defaultModel: z.string().min(1).default('smollm2-135m').describe('The model that the name `default` answers with.'),
  device: z.string().min(1).default('auto').describe('auto, cpu, cuda, vulkan or metal.'),
  libDir: z.string().default('').describe('Folder with libggml and libllama to use in place of the packaged ones.'),
  contextTokens: whole(0, 1 << 24)
    .default(0)
    .describe('Context of each conversation in tokens; 0 takes what the model was trained for, at most 4096.'),
  maxSequences: whole(0, 256)
    .default(0)
    .describe('Conversations one model answers at the same time; 0 takes as many as 1 GB of cache holds, at most 8.'),
  threads: whole(0, 1024).default(0).describe('Threads for one model; 0 takes one per core.'),
  queueLimit: whole(1, 100_000)
    .default(512)
    .describe('Requests that may wait for one model before new ones are turned away.'),
  bodyLimitBytes: whole(1024, 1 << 30)
    .default(8 << 20)
    .describe('Largest request body accepted, in bytes.'),
  force: flag.default(false).describe('Load models even where they seem not to fit.'),
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info').describe('How much the server logs.'),
  hubEndpoint: z.url().default('https://huggingface.co').describe('Where models are pulled from.'),
  hubToken: z.string().default('').describe('Token for gated models on the hub.'),
});

export type Config = z.infer<typeof configSchema>;
export type ConfigKey = keyof Config;
export type ConfigOrigin = 'flag' | 'environment' | 'file' | 'default';

/** Settings whose value is never printed. */
export const secretConfigKeys: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['hubToken']);

export interface ResolvedConfig {
  values: Config;
  origins: Record<ConfigKey, ConfigOrigin>;
  /** The configuration file that was read, or where one would be read from. */
  file: string;
}

/** `contextTokens` -> `FREEHOLD_CONTEXT_TOKENS`. */
export function environmentName(key: ConfigKey): string {
  return `FREEHOLD_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/**
 * Resolves every setting.
 * @param flags values from the command line; `undefined` means not given
 * @param env default `process.env`
 * @param cwd folder where `freehold.config.json` is looked for; FREEHOLD_CONFIG names another file
 * @throws FreeholdError config_invalid, naming the setting, its origin and what was expected
 */
export function resolveConfig(
  flags: Partial<Record<ConfigKey, unknown>> = {},
  env: NodeJS.ProcessEnv = process.env,
  cwd: string = process.cwd(),
): ResolvedConfig {
  const file = path.resolve(cwd, env.FREEHOLD_CONFIG || 'freehold.config.json');
  const fromFile = readConfigFile(file, Boolean(env.FREEHOLD_CONFIG));
  const values: Record<string, unknown> = {};
  const origins: Record<string, ConfigOrigin> = {};
  for (const key of Object.keys(configSchema.shape) as ConfigKey[]) {
    const fromEnvironment = env[environmentName(key)];
    const [given, origin, where]: [unknown, ConfigOrigin, string] =
      flags[key] !== undefined
        ? [flags[key], 'flag', `flag --${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`]
        : fromEnvironment !== undefined && fromEnvironment !== ''
          ? [fromEnvironment, 'environment', `environment variable ${environmentName(key)}`]
          : key in fromFile
            ? [fromFile[key], 'file', `"${key}" in ${file}`]
            : [undefined, 'default', ''];
    const parsed = configSchema.shape[key].safeParse(given);
    if (!parsed.success) {
      const shown = secretConfigKeys.has(key) ? '(hidden)' : JSON.stringify(given);
      throw new FreeholdError('config_invalid', `The ${where} is ${shown}: ${parsed.error.issues[0]?.message}.`, {
        hint: `It sets: ${configSchema.shape[key].description}`,
        field: key,
      });
    }
    values[key] = parsed.data;
    origins[key] = origin;
  }
  values.home = path.resolve(cwd, values.home as string);
  return { values: values as Config, origins: origins as Record<ConfigKey, ConfigOrigin>, file };
}

function readConfigFile(file: string, mustExist: boolean): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !mustExist) return {};
    throw new FreeholdError('config_invalid', `The configuration file ${file} cannot be read.`, { cause });
  }
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new FreeholdError(
      'config_invalid',
      `The configuration file ${file} is not valid JSON: ${(cause as Error).message}.`,
    );
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new FreeholdError('config_invalid', `The configuration file ${file} must hold one JSON object.`);
  }
  for (const key of Object.keys(parsed)) {
    if (!(key in configSchema.shape)) {
      throw new FreeholdError('config_invalid', `"${key}" in ${file} is not a setting.`, {
        hint: `Settings are: ${Object.keys(configSchema.shape).join(', ')}.`,
        field: key,
      });
    }
  }
  return parsed as Record<string, unknown>;
}
