// Configuration: flag -> environment FREEHOLD_* -> freehold.config.json -> default. One schema, and every value
// remembers where it came from (`freehold config` prints it). A file that merely lies in the current folder may be a
// stranger's: it can set no folder that code or keys come from, and no address that secrets go to.
import { readFileSync, statSync } from 'node:fs';
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

/** `NAME=FILE`, several with commas between. */
const adapterList = z.preprocess(
  (value) => (typeof value === 'string' ? value.split(',').map((each) => each.trim()) : value),
  z
    .array(z.string().regex(/^[a-z0-9][a-z0-9._-]*=./i, 'Expected NAME=FILE, several with commas between'))
    .refine(
      (given) => new Set(given.map((each) => each.split('=')[0])).size === given.length,
      'Each adapter needs a name of its own',
    ),
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
  threads: whole(0, 1024).default(0).describe('Threads for one model, at most one per core; 0 takes that.'),
  queueLimit: whole(1, 100_000)
    .default(512)
    .describe('Requests that may wait for one model before new ones are turned away.'),
  adapters: adapterList
    .default([])
    .describe('LoRA adapters as NAME=FILE, several with commas between; MODEL+NAME answers with one.'),
  bodyLimitBytes: whole(1024, 1 << 30)
    .default(8 << 20)
    .describe('Largest request body accepted, in bytes.'),
  fileLimitBytes: whole(1024, 2 ** 40)
    .default(512 << 20)
    .describe('Largest file that can be uploaded, in bytes.'),
  filesPerKey: whole(0, 1_000_000).default(1000).describe('Files that one key may keep on the server.'),
  fileBytesPerKey: whole(0, 2 ** 50)
    .default(10 * 2 ** 30)
    .describe('Bytes that the files of one key may take on the server.'),
  force: flag.default(false).describe('Load models even where they seem not to fit.'),
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info').describe('How much the server logs.'),
  hubEndpoint: z
    .url({ protocol: /^https?$/, error: 'Expected an http or https URL' })
    .refine((url) => !/^[^/]*\/\/[^/]*@/.test(url), 'A URL may not carry a password; FREEHOLD_HUB_TOKEN holds a token')
    .default('https://huggingface.co')
    .describe('Where models are pulled from.'),
  hubToken: z.string().default('').describe('Token for gated models on the hub.'),
});

export type Config = z.infer<typeof configSchema>;

export type ConfigKey = keyof Config;
export type ConfigOrigin = 'flag' | 'environment' | 'file' | 'default';

/** Settings whose value is never printed. */
export const secretConfigKeys: ReadonlySet<ConfigKey> = new Set<ConfigKey>(['hubToken']);

/** Settings that a file found in the current folder may not set; one that FREEHOLD_CONFIG names may. */
export const operatorOnlyKeys: ReadonlySet<ConfigKey> = new Set<ConfigKey>([
  'home',
  'libDir',
  'hubEndpoint',
  'hubToken',
]);

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
 * @param cwd folder where `freehold.config.json` is looked for; FREEHOLD_CONFIG names another file, which is then the
 *   only one that may set `operatorOnlyKeys`
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
          : Object.hasOwn(fromFile, key)
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
  values.adapters = (values.adapters as string[]).map((each) => {
    const [name, ...file] = each.split('=');
    return `${name}=${path.resolve(cwd, file.join('='))}`;
  });
  return { values: values as Config, origins: origins as Record<ConfigKey, ConfigOrigin>, file };
}

/** @param named whether FREEHOLD_CONFIG names the file: then it must be there, and is trusted */
function readConfigFile(file: string, named: boolean): Record<string, unknown> {
  let text: string;
  try {
    if (!named && !statSync(file).isFile()) {
      throw new FreeholdError('config_invalid', `${file} is not a regular file, so no settings are read from it.`, {
        hint: 'Move it away, or start Freehold in another folder.',
      });
    }
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof FreeholdError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT' && !named) return {};
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
    if (!Object.hasOwn(configSchema.shape, key)) {
      throw new FreeholdError('config_invalid', `"${key}" in ${file} is not a setting.`, {
        hint: `Settings are: ${Object.keys(configSchema.shape).join(', ')}.`,
        field: key,
      });
    }
    if (!named && operatorOnlyKeys.has(key as ConfigKey)) {
      throw new FreeholdError(
        'config_invalid',
        `"${key}" in ${file} may not be set there: the file was found in the current folder, which may be anybody's.`,
        {
          hint: `Set ${environmentName(key as ConfigKey)}, or name the file yourself if you trust it: FREEHOLD_CONFIG=${file}`,
          field: key,
        },
      );
    }
  }
  return parsed as Record<string, unknown>;
}
