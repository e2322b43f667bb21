// `/v1/responses`: answers that may be kept, gone on from, followed and cancelled. What was kept is its owner's; for all
// others it does not exist.
import { asFreeholdError, FreeholdError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import {
  deleteResponse,
  findChain,
  findInput,
  findItems,
  findResponse,
  type KeptResponse,
  keepResponse,
  longestChain,
} from '../../store/responses.ts';
import type { AnswerMeta, StreamEncoder } from '../../wire/completion.ts';
import {
  emptyResponse,
  encodeEvent,
  eventsOfCompletion,
  type ResponseMaking,
  type ResponseObject,
  replayed,
  startResponse,
} from '../../wire/openai/responses/answer.ts';
import { type StoredItem, storedInput } from '../../wire/openai/responses/items.ts';
import { inputItemsPage, parseRetrieve } from '../../wire/openai/responses/list.ts';
import { type ParsedResponses, parseResponses, readResponses } from '../../wire/openai/responses/request.ts';
import { fieldError } from '../../wire/validate.ts';
import { allowedModel, requireModel } from '../allowed-models.ts';
import { readJson } from '../body.ts';
import { abortWithCaller } from '../caller.ts';
import type { App, AppContext, Services } from '../context.ts';
import { respond } from '../generate.ts';
import { filesOf } from '../request-files.ts';
import { type BackgroundRun, createBackgroundRuns } from '../responses/background.ts';
import { fitted } from '../responses/fit.ts';
import { streamEvents } from '../responses/follow.ts';

const seconds = () => Math.floor(Date.now() / 1000);

export function addResponseRoutes(app: App, services: Services): void {
  const { store } = services;
  const runs = createBackgroundRuns(services);

  app.post('/v1/responses', async (c) => {
    const parsed = await parse(c, services);
    if (parsed.background) {
      const run = await startInBackground(c, parsed);
      return parsed.stream ? streamEvents(c, services, run.follow) : c.json(run.response());
    }
    if (parsed.truncate) await leaveOutOldest(c, services, parsed);
    return respond(c, services, {
      parsed,
      idPrefix: 'resp',
      async body([completion], meta) {
        const making = makingOf(parsed, meta);
        for (const event of eventsOfCompletion(completion)) making.take(event);
        await keep(c, services, parsed, making);
        return making.response();
      },
      encoder: (meta) => encoderOf(c, services, parsed, makingOf(parsed, meta)),
    });
  });

  app.post('/v1/responses/input_tokens', async (c) => {
    const { model: name, request } = await parse(c, services);
    const model = await allowedModel(c, services, name);
    c.var.facts.model = model.name;
    const release = services.models.hold(model);
    const { abort, done } = abortWithCaller(c, services);
    try {
      const inputTokens = await model.countTokens(request, abort.signal);
      return c.json({ object: 'response.input_tokens', input_tokens: inputTokens });
    } finally {
      release();
      done();
    }
  });

  app.get('/v1/responses/:id', async (c) => {
    const { stream, after } = parseRetrieve(c.req.query());
    const { kept, run } = await look(c);
    if (run) {
      if (!stream) return c.json(run.response());
      if (run.streams) return streamEvents(c, services, run.follow, after);
      throw new FreeholdError(
        'invalid_request',
        'stream: This response was not asked for as a stream, and is not over.',
        {
          hint: 'Ask again without stream until its status says that it is over.',
          field: 'stream',
        },
      );
    }
    const response = objectOf(kept);
    if (!stream) return c.json(response);
    const events = replayed(response, kept.events as Parameters<typeof replayed>[1]);
    return streamEvents(
      c,
      services,
      (follower) => {
        for (const event of events) follower(event);
        follower(undefined);
        return () => {};
      },
      after,
    );
  });

  app.delete('/v1/responses/:id', async (c) => {
    const kept = await ownResponse(c);
    await runs.find(kept.id)?.cancel();
    if (!(await deleteResponse(store, c.var.principal.tenant, kept.id))) throw notFound(kept.id);
    return c.json({ id: kept.id, object: 'response', deleted: true });
  });

  app.post('/v1/responses/:id/cancel', async (c) => {
    const { kept, run } = await look(c);
    if (kept.body.background !== true) {
      throw new FreeholdError(
        'invalid_request',
        'Only a response that is answered in the background can be cancelled.',
        {
          hint: 'Close the connection instead.',
        },
      );
    }
    await run?.cancel();
    return c.json(objectOf(run ? await ownResponse(c) : kept));
  });

  app.get('/v1/responses/:id/input_items', async (c) => {
    const id = c.req.param('id');
    const items = await findInput(store, c.var.principal.tenant, id);
    if (!items) throw notFound(id);
    return c.json(inputItemsPage(items as StoredItem[], c.req.query()));
  });

  /** @throws FreeholdError not_found, for another's as for none */
  async function ownResponse(c: AppContext): Promise<KeptResponse> {
    const id = c.req.param('id') as string;
    const kept = await findResponse(store, c.var.principal.tenant, id);
    if (!kept) throw notFound(id);
    return kept;
  }

  /** A response, and its run where it is not over. */
  async function look(c: AppContext): Promise<{ kept: KeptResponse; run?: BackgroundRun }> {
    const before = runs.find(c.req.param('id') as string);
    const kept = await ownResponse(c);
    if (isOver(kept)) return { kept };
    const run = runs.find(kept.id);
    if (run) return { kept, run };
    // it came to its end while it was read
    return { kept: before ? await ownResponse(c) : kept };
  }

  async function startInBackground(c: AppContext, parsed: ParsedResponses): Promise<BackgroundRun> {
    await requireModel(c.var.principal, services, parsed.model);
    // a name that is not known is told at once; one that is known may take long to load
    const known = await services.models.nameOf(parsed.model);
    const model = known ?? (await allowedModel(c, services, parsed.model)).name;
    c.var.facts.model = model;
    const meta = { id: newId('resp'), model, createdSeconds: seconds() };
    const queued = emptyResponse({ ...meta, given: parsed.given }, 'queued');
    const { output, ...body } = queued;
    await keepResponse(store, {
      id: meta.id,
      owner: c.var.principal.tenant,
      previousId: parsed.given.previous_response_id ?? undefined,
      status: 'queued',
      body,
      input: storedInput(parsed.input, meta.id),
      output,
    });
    return runs.start({ queued, parsed, making: startResponse(queued, seconds) });
  }
}

const isOver = ({ status }: KeptResponse) => status !== 'queued' && status !== 'in_progress';

/** The object of the API. What a process was answering is lost with it; the same where this process should, and does not. */
function objectOf(kept: KeptResponse): ResponseObject {
  const response = { ...kept.body, output: kept.output } as ResponseObject;
  const lost = !isOver(kept) && (kept.lost || kept.pid === process.pid);
  if (!lost) return response;
  const message = 'The server stopped before the response was complete. Send the request again.';
  return { ...response, status: 'failed', error: { code: 'server_error', message } };
}

function notFound(id: string): FreeholdError {
  return new FreeholdError('not_found', `There is no response "${id.slice(0, 100)}".`, {
    hint: 'Responses are kept for 30 days, unless they were asked for with store: false.',
  });
}

/** Reads a request and what it refers to, all of it the caller's own. */
async function parse(c: AppContext, services: Services): Promise<ParsedResponses> {
  const { store } = services;
  const { tenant } = c.var.principal;
  const body = await readJson(c, services.config.bodyLimitBytes);
  const read = readResponses(body);
  const { previousId, references } = read;
  const history = previousId === undefined ? [] : await historyOf(services, tenant, previousId);
  const items = (await findItems(store, tenant, references)) as Map<string, StoredItem>;
  // files may be named by what was kept, too
  const files = await filesOf(c, services, [body, history, [...items.values()]]);
  return parseResponses(read, { tenant, traceId: c.var.requestId, files }, { history, items });
}

/** @throws FreeholdError invalid_request where there is none of that id, for another's as for none */
async function historyOf({ store, config }: Services, owner: string, id: string): Promise<StoredItem[]> {
  const wrong = (message: string, hint?: string) =>
    fieldError('invalid_request', ['previous_response_id'], message, 'brackets', hint);
  const previous = await findResponse(store, owner, id);
  if (!previous) throw wrong(`There is no response "${id.slice(0, 100)}".`, 'Responses are kept for 30 days.');
  if (previous.status !== 'completed' && previous.status !== 'incomplete') {
    throw wrong(`The response "${id}" has no answer to go on from: it is ${previous.lost ? 'lost' : previous.status}.`);
  }
  const { items, broken, tooLong } = await findChain(store, owner, id, config.bodyLimitBytes);
  if (broken !== undefined) {
    throw wrong(`The response "${id}" goes on from one that was deleted.`, 'Send the whole conversation as input.');
  }
  if (tooLong) {
    throw wrong(
      `The conversation is longer than a request may be, or of more than ${longestChain} responses.`,
      'Begin a new conversation.',
    );
  }
  return items as StoredItem[];
}

/** Leaves out the oldest turns of a conversation that is too long for its model. */
async function leaveOutOldest(c: AppContext, services: Services, parsed: ParsedResponses): Promise<void> {
  const model = await allowedModel(c, services, parsed.model);
  const release = services.models.hold(model);
  const { abort, done } = abortWithCaller(c, services);
  try {
    parsed.request = await fitted(model, parsed.request, abort.signal);
  } finally {
    release();
    done();
  }
}

function makingOf({ given }: ParsedResponses, meta: AnswerMeta): ResponseMaking {
  return startResponse(emptyResponse({ ...meta, given }, 'in_progress'), seconds, (outputTokens) => ({
    freehold: { model: meta.model, ...meta.timing(outputTokens) },
  }));
}

/** Keeps a response that is over, if it is to be kept; on return it is on the disk. */
async function keep(c: AppContext, services: Services, parsed: ParsedResponses, making: ResponseMaking): Promise<void> {
  if (!parsed.store) return;
  const { output, ...body } = making.response();
  await keepResponse(services.store, {
    id: body.id,
    owner: c.var.principal.tenant,
    previousId: parsed.given.previous_response_id ?? undefined,
    status: body.status,
    body,
    input: storedInput(parsed.input, body.id),
    output,
  });
}

/** The caller reads that a response is complete when it is kept, not before. */
function encoderOf(c: AppContext, services: Services, parsed: ParsedResponses, making: ResponseMaking): StreamEncoder {
  const text = (events: ReturnType<ResponseMaking['end']>) => events.map(encodeEvent).join('');
  return {
    encode: (event) => text(making.take(event)),
    async end() {
      await keep(c, services, parsed, making);
      return text(making.end());
    },
    fail(error) {
      const told = text(making.fail(error));
      // its id was told, so it can be asked for
      keep(c, services, parsed, making).catch((cause) =>
        services.logger.error({ err: asFreeholdError(cause) }, 'a response that failed could not be kept'),
      );
      return told;
    },
    keepAlive: () => ': keep-alive\n\n',
  };
}
