// `POST /v1/messages` and `POST /v1/messages/count_tokens`.
import { messageBody } from '../../wire/anthropic/answer.ts';
import { parseCountTokens, parseMessages } from '../../wire/anthropic/request.ts';
import { messageStream } from '../../wire/anthropic/stream.ts';
import { allowedModel } from '../allowed-models.ts';
import { readJson } from '../body.ts';
import { abortWithCaller } from '../caller.ts';
import type { App, AppContext, Services } from '../context.ts';
import { respond } from '../generate.ts';

const requestContext = (c: AppContext) => ({ tenant: c.var.principal.tenant, traceId: c.var.requestId });

export function addMessageRoutes(app: App, services: Services): void {
  const { bodyLimitBytes } = services.config;
  app.post('/v1/messages', async (c) => {
    const parsed = parseMessages(await readJson(c, bodyLimitBytes), requestContext(c));
    return respond(c, services, {
      parsed,
      idPrefix: 'msg',
      body: ([completion], meta) => messageBody(completion, meta, parsed.thoughts),
      encoder: (meta) => messageStream(meta, parsed.thoughts),
    });
  });
  app.post('/v1/messages/count_tokens', async (c) => {
    const { model, request } = parseCountTokens(await readJson(c, bodyLimitBytes), requestContext(c));
    const loaded = await allowedModel(c, services, model);
    c.var.facts.model = loaded.name;
    const release = services.models.hold(loaded);
    const { abort, done } = abortWithCaller(c, services);
    try {
      return c.json({ input_tokens: await loaded.countTokens(request, abort.signal) });
    } finally {
      release();
      done();
    }
  });
}
