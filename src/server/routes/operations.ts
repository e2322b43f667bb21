// For those who run it: `/health` (anyone may ask, so it names no model) and `/metrics` (Prometheus).
import type { App, Services } from '../context.ts';
import type { ModelStatus } from '../model-registry.ts';

/** `{ ready: 2, loading: 1 }`. */
function countsByState(models: readonly ModelStatus[]): Partial<Record<ModelStatus['state'], number>> {
  const counts: Partial<Record<ModelStatus['state'], number>> = {};
  for (const { state } of models) counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

export function addOperationRoutes(app: App, services: Services): void {
  app.get('/health', (c) =>
    c.json({
      status: 'ok',
      version: services.version,
      models: countsByState(services.models.status()),
    }),
  );
  app.get('/metrics', async (c) => {
    const { contentType, text } = await services.metrics.render(services.models.running());
    return c.text(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' });
  });
}
