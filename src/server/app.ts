// The HTTP application: middleware, then routes, then what is left. Has no socket: tests call `app.request()`.
import { Hono } from 'hono';
import { FreeholdError } from '../lib/errors.ts';
import { answerError } from './answer-error.ts';
import { apiPaths, apiRoutes, isApiPath } from './api-paths.ts';
import { authenticated } from './auth.ts';
import type { App, AppEnv, Services } from './context.ts';
import { guard } from './guard.ts';
import { addBedrockRoutes } from './routes/bedrock.ts';
import { addChatRoutes } from './routes/chat.ts';
import { addCompletionRoutes } from './routes/completions.ts';
import { addDocsRoutes } from './routes/docs.ts';
import { addEmbeddingRoutes } from './routes/embeddings.ts';
import { addFileRoutes } from './routes/files.ts';
import { addMessageRoutes } from './routes/messages.ts';
import { addModelRoutes } from './routes/models.ts';
import { addOllamaRoutes } from './routes/ollama.ts';
import { addOperationRoutes } from './routes/operations.ts';
import { addPageRoutes } from './routes/page.ts';
import { addRerankRoutes } from './routes/rerank.ts';
import { addResponseRoutes } from './routes/responses.ts';
import { addSessionRoutes } from './routes/session.ts';

export function createApp(services: Services): App {
  const app: App = new Hono<AppEnv>();
  app.use(guard(services));
  app.onError((error, c) => answerError(c, services, error));

  // before the routes: whoever may not ask learns nothing from how a path answers
  app.use(authenticated(services));

  addMessageRoutes(app, services);
  addChatRoutes(app, services);
  addCompletionRoutes(app, services);
  addResponseRoutes(app, services);
  addEmbeddingRoutes(app, services);
  addRerankRoutes(app, services);
  addBedrockRoutes(app, services);
  addFileRoutes(app, services);
  addModelRoutes(app, services);
  addOllamaRoutes(app, services);
  addSessionRoutes(app, services);
  addOperationRoutes(app, services);
  addDocsRoutes(app, services);
  for (const { path, methods } of apiRoutes) {
    app.all(path, (c) => {
      c.header('allow', methods.join(', '));
      throw new FreeholdError('method_not_allowed', `${c.req.method} is not possible on ${c.req.path}.`, {
        hint: `Use ${methods.join(' or ')}.`,
      });
    });
  }
  addPageRoutes(app, services);
  app.notFound((c) => {
    const known = isApiPath(c.req.path) ? ` Paths are: ${apiPaths.join(', ')}.` : '';
    return answerError(
      c,
      services,
      new FreeholdError('not_found', `There is no ${c.req.method} ${c.req.path.slice(0, 200)}.`, {
        ...(known === '' ? {} : { hint: known.trim() }),
      }),
    );
  });
  return app;
}
