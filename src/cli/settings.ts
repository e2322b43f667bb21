// Settings as command-line flags. The words stand here a second time (a test keeps them equal to the schema of
// lib/config.ts), so that --help prints them without loading the schema. Secrets have no flag: a process list shows flags.
import { type Command, Option } from 'commander';
import type { ConfigKey, ResolvedConfig } from '../lib/config.ts';

interface SettingFlag {
  flags: string;
  /** The description in the schema. */
  help: string;
  /** The default as printed. */
  fallback: string;
}

export const settingFlags: Partial<Record<ConfigKey, SettingFlag>> = {
  home: {
    flags: '--home <folder>',
    help: 'Folder for models, database, keys and downloads.',
    fallback: '~/.freehold',
  },
  host: { flags: '--host <address>', help: 'Address to listen on.', fallback: '127.0.0.1' },
  port: { flags: '--port <number>', help: 'Port to listen on; 0 takes a free one.', fallback: '8080' },
  auth: {
    flags: '--no-auth',
    help: 'Ask every request for a key. Off is refused beyond loopback.',
    fallback: 'on',
  },
  defaultModel: {
    flags: '--model <name>',
    help: 'The model that the name `default` answers with.',
    fallback: 'smollm2-135m',
  },
  device: { flags: '--device <name>', help: 'auto, cpu, cuda, vulkan or metal.', fallback: 'auto' },
  libDir: {
    flags: '--lib-dir <folder>',
    help: 'Folder with libggml and libllama to use in place of the packaged ones.',
    fallback: '',
  },
  contextTokens: {
    flags: '--context-tokens <number>',
    help: 'Context of each conversation in tokens; 0 takes what the model was trained for, at most 4096.',
    fallback: '0',
  },
  maxSequences: {
    flags: '--max-sequences <number>',
    help: 'Conversations one model answers at the same time; 0 takes as many as 1 GB of cache holds, at most 8.',
    fallback: '0',
  },
  threads: {
    flags: '--threads <number>',
    help: 'Threads for one model, at most one per core; 0 takes that.',
    fallback: '0',
  },
  queueLimit: {
    flags: '--queue-limit <number>',
    help: 'Requests that may wait for one model before new ones are turned away.',
    fallback: '512',
  },
  adapters: {
    flags: '--adapters <name=file,...>',
    help: 'LoRA adapters as NAME=FILE, several with commas between; MODEL+NAME answers with one.',
    fallback: '',
  },
  bodyLimitBytes: {
    flags: '--body-limit-bytes <number>',
    help: 'Largest request body accepted, in bytes.',
    fallback: '8388608',
  },
  fileLimitBytes: {
    flags: '--file-limit-bytes <number>',
    help: 'Largest file that can be uploaded, in bytes.',
    fallback: '536870912',
  },
  filesPerKey: {
    flags: '--files-per-key <number>',
    help: 'Files that one key may keep on the server.',
    fallback: '1000',
  },
  fileBytesPerKey: {
    flags: '--file-bytes-per-key <number>',
    help: 'Bytes that the files of one key may take on the server.',
    fallback: '10737418240',
  },
  force: { flags: '--force', help: 'Load models even where they seem not to fit.', fallback: 'off' },
  logLevel: {
    flags: '--log-level <level>',
    help: 'How much the server logs.',
    fallback: 'info',
  },
  hubEndpoint: {
    flags: '--hub-endpoint <url>',
    help: 'Where models are pulled from.',
    fallback: 'https://huggingface.co',
  },
};

/** Adds the flags of these settings to a command, as a group of their own in its help. */
export function addSettings(command: Command, keys: readonly ConfigKey[]): Command {
  for (const key of keys) {
    const flag = settingFlags[key];
    if (!flag) continue;
    const words = key === 'auth' ? 'Answer without asking for a key; refused beyond loopback.' : flag.help;
    const fallback = flag.fallback === '' || key === 'auth' || key === 'force' ? '' : ` (default: ${flag.fallback})`;
    // no default value here: a setting that was not given must stay undefined, so that its origin is told rightly
    command.addOption(new Option(flag.flags, words + fallback).helpGroup('Settings:'));
  }
  return command;
}

/** The flags of settings among a command's parsed options, as resolveConfig takes them. */
export function givenSettings(command: Command): Partial<Record<ConfigKey, unknown>> {
  const given: Partial<Record<ConfigKey, unknown>> = {};
  for (const [key, flag] of Object.entries(settingFlags) as [ConfigKey, SettingFlag][]) {
    const name = new Option(flag.flags).attributeName();
    // `--no-x` makes commander fill in `true` where nothing was given
    if (command.getOptionValueSource(name) === 'cli') given[key] = command.getOptionValue(name);
  }
  return given;
}

/** Resolves the configuration of a command. Loads the schema. */
export async function loadConfig(command: Command): Promise<ResolvedConfig> {
  const { resolveConfig } = await import('../lib/config.ts');
  return resolveConfig(givenSettings(command));
}
