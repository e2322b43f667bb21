// `POST /v1/embeddings`.
import { embeddingsBody, parseEmbeddings } from '../../wire/openai/embeddings.ts';
import { readJson } from '../body.ts';
import type { App, Services } from '../context.ts';
import { retrieve } from '../retrieve.ts';

export function addEmbeddingRoutes(app: App, services: Services): void {
  app.post('/v1/embeddings', async (c) => {
    const context = { tenant: c.var.principal.tenant, traceId: c.var.requestId };
    const parsed = parseEmbeddings(await readJson(c, services.config.bodyLimitBytes), context);
    return retrieve(c, services, {
      model: parsed.model,
      kind: 'embedding',
      operation: 'embeddings',
      run: (model, signal) => model.embed(parsed.request, signal),
      body: (result, model) => embeddingsBody(result, parsed.encoding, model),
    });
  });
}
