// One request for vectors or scores, from a parsed request to the HTTP answer: finds the model, ends the work when the
// caller goes away, and keeps what logs and metrics show. Knows no protocol.
import type { ModelKind } from '../hub/types.ts';
import type { LocalTextModel } from '../infer/client.ts';
import { asFreeholdError, type FreeholdError } from '../lib/errors.ts';
import { allowedModel } from './allowed-models.ts';
import { abortWithCaller } from './caller.ts';
import type { AppContext, Services } from './context.ts';

export interface Retrieval<Result extends { inputTokens: number }> {
  /** Name that was asked for. */
  model: string;
  kind: Exclude<ModelKind, 'chat'>;
  /** For metrics, as OpenTelemetry names it. */
  operation: string;
  run(model: LocalTextModel, signal: AbortSignal): Promise<Result>;
  /** The answer; `model` is the name of the one that made it. */
  body(result: Result, model: string): object;
}

/** @throws FreeholdError whatever the model or its loading throws */
export async function retrieve<Result extends { inputTokens: number }>(
  c: AppContext,
  services: Services,
  { model: wanted, kind, operation, run, body }: Retrieval<Result>,
): Promise<Response> {
  const model = await allowedModel(c, services, wanted, kind);
  const name = model.capabilities().model;
  c.var.facts.model = name;
  const release = services.models.hold(model);
  const { abort, done } = abortWithCaller(c, services);
  const finish = (inputTokens: number, error?: FreeholdError) => {
    release();
    done();
    Object.assign(c.var.facts, { inputTokens, ...(error ? { errorCode: error.code } : {}) });
    services.metrics.generation({
      model: name,
      operation,
      durationMs: performance.now() - c.var.arrivedMs,
      errorCode: error?.code,
      inputTokens,
      cachedTokens: 0,
      outputTokens: 0,
      timeToFirstTokenMs: null,
      tokensPerSecond: null,
    });
  };
  c.header('freehold-model', encodeURI(name));
  c.header('cache-control', 'no-store');
  try {
    const result = await run(model, abort.signal);
    finish(result.inputTokens);
    return c.json(body(result, name));
  } catch (thrown) {
    finish(0, asFreeholdError(thrown));
    throw thrown;
  }
}
