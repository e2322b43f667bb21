// The paths of the APIs: what each answers to, in whose protocol, for which scope of a key, and whose things its id names.
// Authentication, the answers to other methods, hints, metrics, the ownership test and /openapi.json follow this table.
import type { RouteScope } from '../lib/scopes.ts';

/** Whose error shape a path answers in. */
export type Protocol = 'anthropic' | 'openai' | 'bedrock' | 'ollama' | 'ours';

export interface ApiRoute {
  /** As Hono takes it: `:id` for one segment, `:id{.+}` where it may hold slashes. */
  path: string;
  methods: readonly string[];
  /** `shared`: the `anthropic-version` header selects Anthropic's shape, otherwise it is OpenAI's. */
  protocol: Protocol | 'shared';
  /** What a key needs. `open` asks for no key; `session` resolves its caller itself. */
  scope: RouteScope | 'session' | 'open';
  /** Only for admins, whatever the scopes of their key. Default: every role that may use the APIs. */
  admin?: true;
  /** The kind of stored thing the id in the path names; it has one owner, and for all others it does not exist. */
  owns?: 'file' | 'response';
}

/** A path with an id but without `owns` names nothing that belongs to a tenant: models, for example. */
export const apiRoutes: readonly ApiRoute[] = [
  { path: '/v1/messages', methods: ['POST'], protocol: 'anthropic', scope: 'chat' },
  { path: '/v1/messages/count_tokens', methods: ['POST'], protocol: 'anthropic', scope: 'chat' },
  { path: '/v1/chat/completions', methods: ['POST'], protocol: 'openai', scope: 'chat' },
  { path: '/v1/completions', methods: ['POST'], protocol: 'openai', scope: 'chat' },
  { path: '/v1/responses', methods: ['POST'], protocol: 'openai', scope: 'responses' },
  { path: '/v1/responses/input_tokens', methods: ['POST'], protocol: 'openai', scope: 'responses' },
  {
    path: '/v1/responses/:id',
    methods: ['GET', 'HEAD', 'DELETE'],
    protocol: 'openai',
    scope: 'responses',
    owns: 'response',
  },
  { path: '/v1/responses/:id/cancel', methods: ['POST'], protocol: 'openai', scope: 'responses', owns: 'response' },
  {
    path: '/v1/responses/:id/input_items',
    methods: ['GET', 'HEAD'],
    protocol: 'openai',
    scope: 'responses',
    owns: 'response',
  },
  { path: '/v1/embeddings', methods: ['POST'], protocol: 'openai', scope: 'embeddings' },
  { path: '/v1/rerank', methods: ['POST'], protocol: 'shared', scope: 'rerank' },
  { path: '/v1/models', methods: ['GET', 'HEAD'], protocol: 'shared', scope: 'models' },
  { path: '/v1/models/:id{.+}', methods: ['GET', 'HEAD'], protocol: 'shared', scope: 'models' },
  { path: '/api/chat', methods: ['POST'], protocol: 'ollama', scope: 'chat' },
  { path: '/api/generate', methods: ['POST'], protocol: 'ollama', scope: 'chat' },
  { path: '/api/embed', methods: ['POST'], protocol: 'ollama', scope: 'embeddings' },
  { path: '/api/embeddings', methods: ['POST'], protocol: 'ollama', scope: 'embeddings' },
  { path: '/api/tags', methods: ['GET', 'HEAD'], protocol: 'ollama', scope: 'models' },
  { path: '/api/show', methods: ['POST'], protocol: 'ollama', scope: 'models' },
  { path: '/api/ps', methods: ['GET', 'HEAD'], protocol: 'ollama', scope: 'models' },
  { path: '/api/version', methods: ['GET', 'HEAD'], protocol: 'ollama', scope: 'models' },
  { path: '/api/pull', methods: ['POST'], protocol: 'ollama', scope: 'models', admin: true },
  { path: '/api/delete', methods: ['DELETE'], protocol: 'ollama', scope: 'models', admin: true },
  { path: '/v1/files', methods: ['GET', 'HEAD', 'POST'], protocol: 'shared', scope: 'files' },
  { path: '/v1/files/:id', methods: ['GET', 'HEAD', 'DELETE'], protocol: 'shared', scope: 'files', owns: 'file' },
  { path: '/v1/files/:id/content', methods: ['GET', 'HEAD'], protocol: 'shared', scope: 'files', owns: 'file' },
  { path: '/model/:modelId/converse', methods: ['POST'], protocol: 'bedrock', scope: 'chat' },
  { path: '/model/:modelId/converse-stream', methods: ['POST'], protocol: 'bedrock', scope: 'chat' },
  { path: '/model/:modelId/invoke', methods: ['POST'], protocol: 'bedrock', scope: 'chat' },
  { path: '/model/:modelId/invoke-with-response-stream', methods: ['POST'], protocol: 'bedrock', scope: 'chat' },
  { path: '/model/:modelId/count-tokens', methods: ['POST'], protocol: 'bedrock', scope: 'chat' },
  { path: '/foundation-models', methods: ['GET', 'HEAD'], protocol: 'bedrock', scope: 'models' },
  { path: '/foundation-models/:modelId', methods: ['GET', 'HEAD'], protocol: 'bedrock', scope: 'models' },
  { path: '/inference-profiles', methods: ['GET', 'HEAD'], protocol: 'bedrock', scope: 'models' },
  { path: '/api/session', methods: ['GET', 'HEAD', 'POST', 'DELETE'], protocol: 'ours', scope: 'session' },
  { path: '/health', methods: ['GET', 'HEAD'], protocol: 'ours', scope: 'open' },
  { path: '/metrics', methods: ['GET', 'HEAD'], protocol: 'ours', scope: 'metrics' },
  { path: '/openapi.json', methods: ['GET', 'HEAD'], protocol: 'ours', scope: 'open' },
];

/** A path as people write it: `/v1/models/:id`. */
export const writtenPath = (route: ApiRoute): string => route.path.replace(/\{[^}]*\}/g, '');

export const apiPaths: readonly string[] = apiRoutes.map(writtenPath);

/** Routes without a parameter, by their path: found with one look-up. */
const fixed = new Map(apiRoutes.filter(({ path }) => !path.includes(':')).map((route) => [route.path, route]));

/** The others, in the table's order, which is also the order Hono tries them in. */
const patterns = apiRoutes
  .filter(({ path }) => path.includes(':'))
  .map((route) => ({ route, pattern: patternOf(route.path) }));

function patternOf(path: string): RegExp {
  const source = path
    .split('/')
    .map((part) => {
      if (!part.startsWith(':')) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
      return /\{(.+)\}$/.exec(part)?.[1] ?? '[^/]+';
    })
    .join('/');
  return new RegExp(`^${source}$`);
}

/** The row of a request's path (Hono's `c.req.path`), if it has one. */
export function apiRouteOf(path: string): ApiRoute | undefined {
  return fixed.get(path) ?? patterns.find(({ pattern }) => pattern.test(path))?.route;
}

/** First segments that belong to APIs whole: what is not found there is an error, not the page. */
const prefixes = new Set(['v1', 'api', 'model', ...apiRoutes.map(({ path }) => path.split('/')[1] as string)]);

export function isApiPath(path: string): boolean {
  const end = path.indexOf('/', 1);
  return prefixes.has(path.slice(1, end < 0 ? undefined : end));
}

/** The route of a request's path, so that metrics do not grow with the paths that callers invent. */
export function routeOf(path: string): string {
  const route = apiRouteOf(path);
  if (route) return writtenPath(route);
  return isApiPath(path) ? 'unknown' : 'page';
}

/**
 * In whose protocol a path answers, errors included.
 * @param anthropicVersion the header of that name
 */
export function protocolOfPath(path: string, anthropicVersion: string | undefined): Protocol {
  const protocol = apiRouteOf(path)?.protocol ?? protocolOfUnknown(path);
  if (protocol !== 'shared') return protocol;
  return anthropicVersion === undefined ? 'openai' : 'anthropic';
}

function protocolOfUnknown(path: string): Protocol | 'shared' {
  if (path.startsWith('/v1/messages/')) return 'anthropic';
  if (/^\/(model|foundation-models)(\/|$)/.test(path)) return 'bedrock';
  if (path.startsWith('/api/')) return 'ollama';
  return 'shared';
}
