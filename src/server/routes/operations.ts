// For those who run it: `/health` (anyone may ask, so it tells little) and `/metrics` (Prometheus).
import type { App, Services } from '../context.ts';

export function addOperationRoutes(app: App, services: Services): void {
  app.get('/health', (c) =>
    c.json({
      status: 'ok',
      version: services.version,
      models: services.models.status().map(({ name, state }) => ({ name, state })),
    }),
  );
  app.get('/metrics', async (c) => {
    const { contentType, text } = await services.metrics.render(services.models.running());
    return c.text(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' });
  });
}
