// `POST /v1/rerank`.
import { parseRerank, rerankBody } from '../../wire/rerank.ts';
import { readJson } from '../body.ts';
import type { App, Services } from '../context.ts';
import { retrieve } from '../retrieve.ts';

export function addRerankRoutes(app: App, services: Services): void {
  app.post('/v1/rerank', async (c) => {
    const context = { tenant: c.var.principal.tenant, traceId: c.var.requestId };
    const parsed = parseRerank(await readJson(c, services.config.bodyLimitBytes), context);
    return retrieve(c, services, {
      model: parsed.model,
      kind: 'rerank',
      operation: 'rerank',
      run: (model, signal) => model.rerank(parsed.request, signal),
      body: (result, model) => rerankBody(result, parsed, model),
    });
  });
}
