// What a model process is told at its start, put together in one place for everyone who starts one: the server's model
// registry and the command line. Decides nothing: the shape is hub/plan.ts's, the rest is configuration.
import { availableParallelism } from 'node:os';
import type { Config } from '../lib/config.ts';
import type { LoadOptions } from './protocol.ts';

/**
 * @param model the name to serve it under, and its file (the first part when split)
 * @param shape tokens of each conversation, and conversations at the same time
 */
export function loadOptions(
  model: { name: string; file: string },
  shape: { contextTokens: number; sequences: number },
  config: Config,
): LoadOptions {
  return {
    name: model.name,
    file: model.file,
    contextTokens: shape.contextTokens,
    maxSequences: shape.sequences,
    // more threads than cores only wait for each other
    threads: Math.min(config.threads, availableParallelism()),
    device: config.device,
    libDir: config.libDir,
    home: config.home,
    queueLimit: config.queueLimit,
    ...(config.adapters.length > 0 ? { adapters: adapterFiles(config) } : {}),
  };
}

/** Name to path of the setting `adapters`. */
export function adapterFiles({ adapters }: Pick<Config, 'adapters'>): Record<string, string> {
  return Object.fromEntries(
    adapters.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]),
  );
}
