// `POST /v1/messages` and `POST /v1/messages/count_tokens`.
import { messageBody } from '../../wire/anthropic/answer.ts';
import { parseCountTokens, parseMessages } from '../../wire/anthropic/request.ts';
import { messageStream } from '../../wire/anthropic/stream.ts';
import { silenced, silencedStream } from '../../wire/anthropic/warming.ts';
import { allowedModel } from '../allowed-models.ts';
import { readJson } from '../body.ts';
import { abortWithCaller } from '../caller.ts';
import type { App, AppContext, Services } from '../context.ts';
import { respond } from '../generate.ts';
import { filesOf } from '../request-files.ts';

export function addMessageRoutes(app: App, services: Services): void {
  /** The body, and who asks, with the files that the body names. */
  const read = async (c: AppContext) => {
    const body = await readJson(c, services.config.bodyLimitBytes);
    const files = await filesOf(c, services, body);
    return { body, context: { tenant: c.var.principal.tenant, traceId: c.var.requestId, files } };
  };
  app.post('/v1/messages', async (c) => {
    const { body, context } = await read(c);
    const parsed = parseMessages(body, context);
    return respond(c, services, {
      parsed,
      idPrefix: 'msg',
      body: ([completion], meta) =>
        messageBody(parsed.warming ? silenced(completion) : completion, meta, parsed.thoughts),
      encoder: (meta) => {
        const encoder = messageStream(meta, parsed.thoughts);
        return parsed.warming ? silencedStream(encoder) : encoder;
      },
    });
  });
  app.post('/v1/messages/count_tokens', async (c) => {
    const { body, context } = await read(c);
    const { model, request } = parseCountTokens(body, context);
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
