// `MODEL+ADAPTER`: a running model that answers every request with one of its LoRA adapters. Knows names only; whether
// the adapter fits is found out where the model runs.
import type { LocalTextModel } from '../infer/client.ts';

/** A name cut in two; undefined where it names no adapter there is. */
export function splitAdapter(
  name: string,
  adapters: readonly string[],
): { model: string; adapter: string } | undefined {
  const at = name.lastIndexOf('+');
  const adapter = name.slice(at + 1);
  return at > 0 && adapters.includes(adapter) ? { model: name.slice(0, at), adapter } : undefined;
}

/** The same model, whose requests name the adapter unless they name another. It answers under its own name and the adapter's. */
export function withAdapter(model: LocalTextModel, adapter: string): LocalTextModel {
  return {
    get name() {
      return model.name;
    },
    get state() {
      return model.state;
    },
    get pid() {
      return model.pid;
    },
    get device() {
      return model.device;
    },
    stats: () => model.stats(),
    close: () => model.close(),
    capabilities: () => ({ ...model.capabilities(), model: `${model.capabilities().model}+${adapter}` }),
    generate: (request, signal) => model.generate({ ...request, adapter: request.adapter ?? adapter }, signal),
    countTokens: (request, signal) => model.countTokens(request, signal),
    embed: (request, signal) => model.embed(request, signal),
    rerank: (request, signal) => model.rerank(request, signal),
  };
}
