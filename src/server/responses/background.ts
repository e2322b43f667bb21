// Responses that are answered while nobody waits: each is a run of this process, followed by any number of readers, and kept
// when it is over. What a process that dies was answering is lost with it, and says so when it is asked for.
import { deferred, orAborted } from '../../lib/deferred.ts';
import type { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, Usage } from '../../lib/text-model.ts';
import { updateResponse } from '../../store/responses.ts';
import type {
  ResponseEvent,
  ResponseMaking,
  ResponseObject,
  ResponseStatus,
} from '../../wire/openai/responses/answer.ts';
import type { ParsedResponses } from '../../wire/openai/responses/request.ts';
import { inRequest } from '../../wire/places.ts';
import { publicError } from '../answer-error.ts';
import type { Services } from '../context.ts';
import { whenStopping } from '../stopping.ts';
import { fitted } from './fit.ts';

/** Takes the events of a run as they come; undefined after the last. */
export type Follower = (event: ResponseEvent | undefined) => void;

export interface BackgroundRun {
  readonly id: string;
  /** Whether its events are there to be followed. */
  readonly streams: boolean;
  /** As it is now, without what it has answered so far. */
  response(): ResponseObject;
  /** Ends it before its time; settles when it is over and kept. */
  cancel(): Promise<void>;
  /** Calls back at once for each event so far, then for those to come. @returns no longer */
  follow(follower: Follower): () => void;
}

export interface BackgroundRuns {
  /** Starts a run of a response that is kept as queued. */
  start(given: { queued: ResponseObject; parsed: ParsedResponses; making: ResponseMaking }): BackgroundRun;
  /** One that is not over. */
  find(id: string): BackgroundRun | undefined;
}

export function createBackgroundRuns(services: Services): BackgroundRuns {
  const runs = new Map<string, BackgroundRun>();
  return {
    find: (id) => runs.get(id),
    start({ queued, parsed, making }) {
      const abort = new AbortController();
      const over = deferred();
      const events: ResponseEvent[] = [];
      const followers = new Set<Follower>();
      let status: ResponseStatus = 'queued';
      let ended = false;
      const tell = (told: readonly ResponseEvent[]) => {
        if (!parsed.stream) return;
        events.push(...told);
        for (const follower of followers) for (const event of told) follower(event);
      };
      const run: BackgroundRun = {
        id: queued.id,
        streams: parsed.stream,
        response: () => ({ ...queued, status }),
        cancel() {
          abort.abort();
          return over.promise;
        },
        follow(follower) {
          for (const event of events) follower(event);
          if (ended) follower(undefined);
          else followers.add(follower);
          return () => followers.delete(follower);
        },
      };
      runs.set(run.id, run);
      tell(making.begin());
      const stay = services.stopping && whenStopping(services.stopping, () => abort.abort());
      void answer(services, run.id, parsed, making, abort.signal, (told) => {
        status = 'in_progress';
        tell(told);
      })
        .then(tell)
        .catch((error) => services.logger.error({ err: error, response: run.id }, 'a response could not be kept'))
        .finally(() => {
          stay?.();
          ended = true;
          runs.delete(run.id);
          for (const follower of followers) follower(undefined);
          followers.clear();
          over.resolve();
        });
      return run;
    },
  };
}

/** Generates, keeps what came of it, and only then has the last events. */
async function answer(
  services: Services,
  id: string,
  parsed: ParsedResponses,
  making: ResponseMaking,
  signal: AbortSignal,
  onEvents: (events: readonly ResponseEvent[]) => void,
): Promise<readonly ResponseEvent[]> {
  const arrivedMs = performance.now();
  const recorded: GenerateEvent[] = [];
  let usage: Usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  let firstMs: number | undefined;
  let name = parsed.model;
  let failure: FreeholdError | undefined;
  let last: readonly ResponseEvent[];
  try {
    const model = await orAborted(services.models.get(parsed.model), signal);
    name = model.capabilities().model;
    const release = services.models.hold(model);
    try {
      const request = parsed.truncate ? await fitted(model, parsed.request, signal) : parsed.request;
      for await (const event of model.generate(request, signal)) {
        if (event.type === 'usage') usage = event;
        else if (event.type !== 'start') firstMs ??= performance.now();
        if (parsed.stream) recorded.push(event);
        onEvents(making.take(event));
      }
    } finally {
      release();
    }
    last = making.end();
  } catch (thrown) {
    failure = publicError(inRequest(thrown, parsed), services);
    last = making.fail(failure);
  }
  const { output, ...body } = making.response();
  const events = parsed.stream ? recorded : undefined;
  await updateResponse(services.store, id, { status: body.status, body, output, events });
  services.metrics.generation({
    model: name,
    operation: 'chat',
    durationMs: performance.now() - arrivedMs,
    errorCode: failure?.code,
    inputTokens: usage.inputTokens,
    cachedTokens: usage.cachedTokens,
    outputTokens: usage.outputTokens,
    timeToFirstTokenMs: firstMs === undefined ? null : firstMs - arrivedMs,
    tokensPerSecond: null,
  });
  return last;
}
