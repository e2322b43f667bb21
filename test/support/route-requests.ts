// A small valid request for every POST route, by the written path of its route, so that tests can go through the whole
// table. A route without one makes the test that needs it fail.
import { type ApiRoute, apiRoutes, writtenPath } from '../../src/server/api-paths.ts';

export interface RouteRequest {
  /** Where it is sent. */
  path: string;
  body: object;
}

const messages = [{ role: 'user', content: 'hi' }];
const bedrockMessages = [{ role: 'user', content: [{ text: 'hi' }] }];
const anthropicBody = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 5, messages };

/** Bodies by path; the model is in the body, or in the path where that has a parameter. */
const bodies: Record<string, (model: string) => object> = {
  '/v1/messages': (model) => ({ model, max_tokens: 5, messages }),
  '/v1/messages/count_tokens': (model) => ({ model, messages }),
  '/v1/chat/completions': (model) => ({ model, messages }),
  '/v1/completions': (model) => ({ model, prompt: 'hi' }),
  '/v1/responses': (model) => ({ model, input: 'hi' }),
  '/v1/responses/input_tokens': (model) => ({ model, input: 'hi' }),
  '/v1/embeddings': (model) => ({ model, input: 'hi' }),
  '/v1/rerank': (model) => ({ model, query: 'a', documents: ['b'] }),
  '/api/chat': (model) => ({ model, messages, stream: false }),
  '/api/generate': (model) => ({ model, prompt: 'hi', stream: false }),
  '/api/embed': (model) => ({ model, input: 'hi' }),
  '/api/embeddings': (model) => ({ model, prompt: 'hi' }),
  '/api/show': (model) => ({ model }),
  '/model/:modelId/converse': () => ({ messages: bedrockMessages }),
  '/model/:modelId/converse-stream': () => ({ messages: bedrockMessages }),
  '/model/:modelId/invoke': () => anthropicBody,
  '/model/:modelId/invoke-with-response-stream': () => anthropicBody,
  '/model/:modelId/count-tokens': () => ({ input: { converse: { messages: bedrockMessages } } }),
};

/** POST routes whose body is JSON, and does not name a model to be asked: signing in, fetching, files and ids. */
export const withoutModel: ReadonlySet<string> = new Set([
  '/api/session',
  '/api/pull',
  '/v1/files',
  '/v1/responses/:id/cancel',
]);

/** The POST routes that ask a model. */
export const modelRoutes: readonly ApiRoute[] = apiRoutes.filter(
  (route) => route.methods.includes('POST') && !withoutModel.has(writtenPath(route)),
);

/** @param model name to ask for */
export function requestTo(route: ApiRoute, model: string): RouteRequest {
  const body = bodies[writtenPath(route)];
  if (!body) throw new Error(`test/support/route-requests.ts has no request for POST ${writtenPath(route)}`);
  return { path: route.path.replace(/:\w+(\{[^}]*\})?/, encodeURIComponent(model)), body: body(model) };
}
