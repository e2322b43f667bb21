// `POST /api/pull` and `DELETE /api/delete`, for admins: models come and go. A pull's progress is a stream of lines; it
// stops when its caller goes away, and goes on from there when it is asked for again.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { deferred } from '../../lib/deferred.ts';
import { asFreeholdError, FreeholdError } from '../../lib/errors.ts';
import { settledWithin } from '../../lib/settled.ts';
import { ndjson } from '../../wire/ollama/answer.ts';
import { type ParsedPull, parseDelete, parsePull, pullDone, pullFailure, pullLine } from '../../wire/ollama/pull.ts';
import { publicError } from '../answer-error.ts';
import { readJson } from '../body.ts';
import { abortWithCaller } from '../caller.ts';
import type { App, AppContext, ModelHub, Services } from '../context.ts';
import { createEventStream } from '../event-stream.ts';
import { report } from '../guard.ts';

type Pull = ModelHub['pull'];

export function addOllamaPullRoutes(app: App, services: Services): void {
  const pull = oneAtATime((...given) => hubOf(services).pull(...given));
  app.post('/api/pull', async (c) => {
    const parsed = parsePull(await readJson(c, services.config.bodyLimitBytes));
    return parsed.stream ? streamed(c, services, parsed, pull) : whole(c, services, parsed, pull);
  });
  app.delete('/api/delete', async (c) => {
    await hubOf(services).remove(parseDelete(await readJson(c, services.config.bodyLimitBytes)));
    return c.body(null, 200);
  });
}

function hubOf({ hub }: Services): ModelHub {
  if (hub) return hub;
  throw new FreeholdError('unsupported', 'This server neither fetches nor removes models.');
}

/** A second pull is refused while one runs: disk and network are one for all. */
function oneAtATime(pull: Pull): Pull {
  let under: string | undefined;
  return async (reference, options) => {
    if (under !== undefined) {
      throw new FreeholdError('in_use', `${under} is being pulled.`, { hint: 'Wait for its end, and try again.' });
    }
    under = reference;
    try {
      await pull(reference, options);
    } finally {
      under = undefined;
    }
  };
}

async function whole(c: AppContext, services: Services, { reference }: ParsedPull, pull: Pull): Promise<Response> {
  const { abort, done } = abortWithCaller(c, services);
  try {
    await pull(reference, { signal: abort.signal, onProgress: () => {} });
    return c.json(pullDone);
  } finally {
    done();
  }
}

/** Until bytes come, failures are thrown, so that they get their own status; later they are the stream's last line. */
async function streamed(c: AppContext, services: Services, { reference }: ParsedPull, pull: Pull): Promise<Response> {
  const { undeliveredBytes = 4 << 20, stallMs = 120_000, keepAliveMs = 15_000 } = services.streams ?? {};
  const { abort, done } = abortWithCaller(c, services);
  const outgoing = c.env?.outgoing;
  const out = createEventStream({
    limitBytes: undeliveredBytes,
    stallMs,
    onCancel: () => abort.abort(),
    onStall: () => {
      abort.abort();
      outgoing?.destroy();
    },
  });
  const begun = deferred();
  let line = pullLine({ phase: 'resolve', source: reference, receivedBytes: 0 });
  out.write(line);
  const work = pull(reference, {
    signal: abort.signal,
    onProgress(progress) {
      if (progress.phase === 'resolve') return;
      begun.resolve();
      line = pullLine(progress);
      if (progress.phase !== 'done') out.write(line);
    },
  });
  try {
    await settledWithin(Promise.race([begun.promise, work]), keepAliveMs);
  } catch (error) {
    done();
    throw error;
  }
  // what was said last is said again: the connection stays awake
  const awake = setInterval(() => out.write(line), keepAliveMs).unref();
  work
    .then(
      () => out.write(`${JSON.stringify(pullDone)}\n`),
      (thrown) => {
        c.var.facts.errorCode = asFreeholdError(thrown).code;
        out.write(pullFailure(publicError(thrown, services)));
      },
    )
    .finally(() => {
      clearInterval(awake);
      done();
      out.end();
      report(c, services, 200);
    });
  c.var.facts.streaming = true;
  c.header('cache-control', 'no-store');
  const headers = { 'content-type': ndjson, 'x-accel-buffering': 'no' };
  if (!outgoing) return c.body(out.readable(), 200, headers);
  outgoing.writeHead(200, Object.fromEntries(c.body(null, 200, headers).headers));
  out.sendTo(outgoing);
  return RESPONSE_ALREADY_SENT;
}
