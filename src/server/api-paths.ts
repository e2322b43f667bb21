// The paths of the APIs and what each answers to: for the answers to other methods, for hints, and for metrics.

/** Which methods each API path answers to; another method gets 405. */
export const apiMethods: Record<string, string[]> = {
  '/v1/messages': ['POST'],
  '/v1/messages/count_tokens': ['POST'],
  '/v1/chat/completions': ['POST'],
  '/v1/embeddings': ['POST'],
  '/v1/rerank': ['POST'],
  '/v1/models': ['GET', 'HEAD'],
  '/v1/models/:id{.+}': ['GET', 'HEAD'],
  '/api/session': ['GET', 'HEAD', 'POST', 'DELETE'],
  '/health': ['GET', 'HEAD'],
  '/metrics': ['GET', 'HEAD'],
};

/** The paths as people write them. */
export const apiPaths = Object.keys(apiMethods).map((path) => path.replace('{.+}', ''));

/** The route of a request's path, so that metrics do not grow with the paths that callers invent. */
export function routeOf(path: string): string {
  if (apiPaths.includes(path)) return path;
  if (path.startsWith('/v1/models/')) return '/v1/models/:id';
  return /^\/(v1|api)\//.test(path) ? 'unknown' : 'page';
}
