// `POST /v1/completions`.
import { completionsBody, completionsStream, parseCompletions } from '../../wire/openai/completions.ts';
import { readJson } from '../body.ts';
import type { App, Services } from '../context.ts';
import { respond } from '../generate.ts';

export function addCompletionRoutes(app: App, services: Services): void {
  app.post('/v1/completions', async (c) => {
    const context = { tenant: c.var.principal.tenant, traceId: c.var.requestId };
    const parsed = parseCompletions(await readJson(c, services.config.bodyLimitBytes), context);
    return respond(c, services, {
      parsed,
      idPrefix: 'cmpl',
      body: (completions, meta) => completionsBody(completions, meta, parsed),
      encoder: (meta) => completionsStream(meta, parsed),
    });
  });
}
