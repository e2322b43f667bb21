// `GET /openapi.json`: what the server answers to, made when it is first asked for.
import type { App, Services } from '../context.ts';

export function addDocsRoutes(app: App, services: Services): void {
  let document: Promise<string> | undefined;
  app.get('/openapi.json', async (c) => {
    document ??= import('../openapi/document.ts').then(({ openApiDocument }) =>
      JSON.stringify(openApiDocument(services.version)),
    );
    return c.body(await document, 200, { 'content-type': 'application/json', 'cache-control': 'no-cache' });
  });
}
