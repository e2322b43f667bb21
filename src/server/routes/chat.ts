// `POST /v1/chat/completions`.
import { chatBody, chatStream } from '../../wire/openai/answer.ts';
import { parseChat } from '../../wire/openai/request.ts';
import { readJson } from '../body.ts';
import type { App, Services } from '../context.ts';
import { respond } from '../generate.ts';
import { filesOf } from '../request-files.ts';

export function addChatRoutes(app: App, services: Services): void {
  app.post('/v1/chat/completions', async (c) => {
    const body = await readJson(c, services.config.bodyLimitBytes);
    const files = await filesOf(c, services, body);
    const parsed = parseChat(body, { tenant: c.var.principal.tenant, traceId: c.var.requestId, files });
    return respond(c, services, {
      parsed,
      idPrefix: 'chatcmpl',
      body: (completions, meta) => chatBody(completions, meta, parsed),
      encoder: (meta) => chatStream(meta, parsed),
    });
  });
}
