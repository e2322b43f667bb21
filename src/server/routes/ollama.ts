// Ollama's API: `/api/chat`, `/api/generate`, `/api/embed`, `/api/embeddings`, and what tells of models: `/api/tags`,
// `/api/show`, `/api/ps`, `/api/version`. Pulling and deleting stand in ollama-pull.ts.
import { FreeholdError } from '../../lib/errors.ts';
import type { EmbedResult } from '../../lib/text-model.ts';
import type { ServedModel } from '../../wire/models.ts';
import { type OllamaShape, ollamaBody, ollamaLoaded, ollamaStream } from '../../wire/ollama/answer.ts';
import { type ParsedOllama, parseOllamaChat } from '../../wire/ollama/chat.ts';
import {
  ollamaEmbedBody,
  ollamaEmbeddingsBody,
  type ParsedOllamaEmbed,
  parseOllamaEmbed,
  parseOllamaEmbeddings,
} from '../../wire/ollama/embed.ts';
import { parseOllamaGenerate } from '../../wire/ollama/generate.ts';
import {
  ollamaRunning,
  ollamaShow,
  ollamaTags,
  ollamaVersion,
  parseShow,
  type RunningModel,
} from '../../wire/ollama/models.ts';
import { allowedModel, allowedModels, requireModel } from '../allowed-models.ts';
import { readJson } from '../body.ts';
import type { App, AppContext, Services } from '../context.ts';
import { respond } from '../generate.ts';
import { retrieve } from '../retrieve.ts';
import { addOllamaPullRoutes } from './ollama-pull.ts';

export function addOllamaRoutes(app: App, services: Services): void {
  const body = (c: AppContext) => readJson(c, services.config.bodyLimitBytes);
  app.post('/api/chat', async (c) => answer(c, services, 'chat', parseOllamaChat(await body(c), contextOf(c))));
  app.post('/api/generate', async (c) =>
    answer(c, services, 'generate', parseOllamaGenerate(await body(c), contextOf(c))),
  );
  app.post('/api/embed', async (c) =>
    embed(c, services, parseOllamaEmbed(await body(c), contextOf(c)), (result, model) =>
      ollamaEmbedBody(result, model, performance.now() - c.var.arrivedMs),
    ),
  );
  app.post('/api/embeddings', async (c) =>
    embed(c, services, parseOllamaEmbeddings(await body(c), contextOf(c)), ollamaEmbeddingsBody),
  );

  // programs ask for this before anything else; browsers want the page
  app.get('/', (c, next) => {
    const accept = c.req.header('accept');
    return accept === undefined || accept.includes('text/html') ? next() : Promise.resolve(c.text('Ollama is running'));
  });
  app.get('/api/tags', async (c) => c.json(ollamaTags(await listed(c, services))));
  app.post('/api/show', async (c) => c.json(ollamaShow(await findListed(c, services, parseShow(await body(c))))));
  app.get('/api/ps', async (c) => c.json(ollamaRunning(await runningModels(c, services))));
  app.get('/api/version', (c) => c.json({ version: ollamaVersion, freehold: services.version }));
  addOllamaPullRoutes(app, services);
}

const contextOf = (c: AppContext) => ({ tenant: c.var.principal.tenant, traceId: c.var.requestId });

async function answer(c: AppContext, services: Services, shape: OllamaShape, parsed: ParsedOllama): Promise<Response> {
  if (parsed.loadOnly) {
    const model = await allowedModel(c, services, parsed.model);
    c.var.facts.model = model.name;
    return c.json(ollamaLoaded(shape, { model: model.name, createdSeconds: Math.floor(Date.now() / 1000) }));
  }
  return respond(c, services, {
    parsed,
    idPrefix: 'ollama',
    body: ([completion], meta) => ollamaBody(shape, completion, meta, parsed),
    encoder: (meta) => ollamaStream(shape, meta, parsed),
  });
}

const embed = (
  c: AppContext,
  services: Services,
  { model: wanted, request }: ParsedOllamaEmbed,
  body: (result: EmbedResult, model: string) => object,
): Promise<Response> =>
  retrieve(c, services, {
    model: wanted,
    kind: 'embedding',
    operation: 'embeddings',
    run: (model, signal) => model.embed(request, signal),
    body,
  });

/** The models of this machine, with what they are able to do: as those say that run, else as the catalogue has it. */
async function listed(c: AppContext, services: Services): Promise<ServedModel[]> {
  const { findInCatalogue } = await import('../../hub/catalogue.ts');
  const running = new Map(services.models.running().map((model) => [model.name, model]));
  return allowedModels(c.var.principal, await services.listModels()).map((model) => {
    const name = String(model.details.model ?? model.id);
    const told = findInCatalogue(name)?.abilities;
    const abilities =
      running.get(name)?.capabilities() ??
      (told && { tools: told.includes('tools'), thinking: told.includes('reasoning'), vision: false });
    return abilities ? { ...model, details: { ...model.details, abilities } } : model;
  });
}

/** @throws FreeholdError model_not_found; what is wrong with a model that is here and damaged */
async function findListed(c: AppContext, services: Services, name: string): Promise<ServedModel> {
  const models = await listed(c, services);
  const exact = models.find(({ id }) => id === name || id === `${name}:latest`);
  if (exact) return exact;
  await requireModel(c.var.principal, services, name);
  const own = await services.models.nameOf(name);
  const model = models.find(({ id }) => id === own);
  if (model) return model;
  throw new FreeholdError('model_not_found', `There is no model "${name.slice(0, 100)}" here.`, {
    hint: 'GET /api/tags lists those that are.',
    field: 'model',
  });
}

async function runningModels(c: AppContext, services: Services): Promise<RunningModel[]> {
  const models = await listed(c, services);
  const devices = new Map(services.models.running().map(({ name, device }) => [name, device]));
  return services.models.status().flatMap(({ name, state, contextTokens }): RunningModel[] => {
    if (state !== 'ready') return [];
    const unlisted: ServedModel = { id: name, title: name, createdSeconds: 0, owner: 'file', details: {} };
    const [model] = allowedModels(c.var.principal, [models.find(({ id }) => id === name) ?? unlisted]);
    if (!model) return [];
    return [{ model, contextTokens, onDevice: (devices.get(name) ?? 'CPU') !== 'CPU' }];
  });
}
