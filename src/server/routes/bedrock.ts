// Amazon Bedrock's API: Converse and its stream, InvokeModel and its stream, CountTokens, and the lists of models of the
// control plane. The model is part of the path, as a name or an ARN that ends with one.
import { FreeholdError } from '../../lib/errors.ts';
import { newId } from '../../lib/ids.ts';
import { requireRoute } from '../../lib/scopes.ts';
import type { GenerateRequest } from '../../lib/text-model.ts';
import { converseBody, converseStream } from '../../wire/bedrock/answer.ts';
import { parseConverse, parseConversePrompt } from '../../wire/bedrock/converse.ts';
import { decodeBase64 } from '../../wire/bedrock/documents.ts';
import { parseEmbed } from '../../wire/bedrock/embed.ts';
import { parseInvoke, parseInvokePrompt } from '../../wire/bedrock/invoke.ts';
import { modelNames } from '../../wire/bedrock/model-id.ts';
import { foundationModelDetails, foundationModelList } from '../../wire/bedrock/models.ts';
import { countTokensSchema } from '../../wire/bedrock/schema.ts';
import { validate } from '../../wire/validate.ts';
import { allowedModel, allowedModels } from '../allowed-models.ts';
import { parseJson, readJson } from '../body.ts';
import { abortWithCaller } from '../caller.ts';
import type { App, AppContext, Services } from '../context.ts';
import { respond } from '../generate.ts';
import { retrieve } from '../retrieve.ts';

const requestContext = (c: AppContext) => ({ tenant: c.var.principal.tenant, traceId: c.var.requestId });

export function addBedrockRoutes(app: App, services: Services): void {
  const read = (c: AppContext) => readJson(c, services.config.bodyLimitBytes);
  for (const stream of [false, true]) {
    app.post(`/model/:modelId/${stream ? 'converse-stream' : 'converse'}`, async (c) => {
      const route = { model: await modelOf(services, c.req.param('modelId')), stream };
      const parsed = parseConverse(await read(c), route, requestContext(c));
      return respond(withRequestId(c), services, {
        parsed,
        idPrefix: 'msg',
        body: ([completion], meta) => converseBody(completion, meta, parsed),
        encoder: (meta) => converseStream(meta, parsed),
      });
    });
    app.post(`/model/:modelId/${stream ? 'invoke-with-response-stream' : 'invoke'}`, async (c) => {
      refuseGuardrails(c);
      const model = await modelOf(services, c.req.param('modelId'));
      const body = await read(c);
      withRequestId(c);
      const embed = stream ? undefined : parseEmbed(body, requestContext(c));
      if (embed) {
        requireRoute(c.var.principal.scopes, 'embeddings');
        return retrieve(c, services, {
          model,
          kind: 'embedding',
          operation: 'embeddings',
          run: (loaded, signal) => loaded.embed(embed.request, signal),
          body: (result) => {
            c.header('x-amzn-bedrock-input-token-count', String(result.inputTokens));
            return embed.body(result, newId('emb'));
          },
        });
      }
      const { parsed, idPrefix, body: bodyOf, encoder } = parseInvoke(body, { model, stream }, requestContext(c));
      c.header('x-amzn-bedrock-content-type', 'application/json');
      return respond(c, services, {
        parsed,
        idPrefix,
        body: (completions, meta) => {
          const outputTokens = completions.reduce((sum, { usage }) => sum + usage.outputTokens, 0);
          c.header('x-amzn-bedrock-input-token-count', String(completions[0].usage.inputTokens));
          c.header('x-amzn-bedrock-output-token-count', String(outputTokens));
          c.header('x-amzn-bedrock-invocation-latency', String(Math.round(meta.durations?.().totalMs ?? 0)));
          return bodyOf(completions, meta);
        },
        encoder,
      });
    });
  }
  app.post('/model/:modelId/count-tokens', async (c) => {
    const model = await modelOf(services, c.req.param('modelId'));
    const request = parseCountTokens(await read(c), model, requestContext(c));
    const loaded = await allowedModel(withRequestId(c), services, model);
    c.var.facts.model = loaded.name;
    const release = services.models.hold(loaded);
    const { abort, done } = abortWithCaller(c, services);
    try {
      return c.json({ inputTokens: await loaded.countTokens(request, abort.signal) });
    } finally {
      release();
      done();
    }
  });
  addListRoutes(app, services);
}

function addListRoutes(app: App, services: Services): void {
  const models = async (c: AppContext) => allowedModels(c.var.principal, await services.listModels());
  app.get('/foundation-models', async (c) => {
    return withRequestId(c).json(foundationModelList(await models(c), c.req.query()) as object);
  });
  app.get('/foundation-models/:modelId', async (c) => {
    const names = modelNames(c.req.param('modelId'));
    const all = await models(c);
    const found = names.map((name) => all.find(({ id }) => id === name)).find((model) => model !== undefined);
    if (found) return withRequestId(c).json(foundationModelDetails(found) as object);
    throw new FreeholdError('model_not_found', `There is no model "${names[0]?.slice(0, 100)}" here.`, {
      hint: 'GET /foundation-models lists those that are.',
      field: 'modelIdentifier',
    });
  });
  // programs look for them before they offer a choice: there are none
  app.get('/inference-profiles', (c) => withRequestId(c).json({ inferenceProfileSummaries: [] }));
}

/** @returns the same */
function withRequestId(c: AppContext): AppContext {
  c.header('x-amzn-requestid', c.var.requestId);
  return c;
}

/** The first of the names an id may mean that is here; the id itself where none is, for the error. */
async function modelOf(services: Services, id: string): Promise<string> {
  if (id.length > 2048) throw new FreeholdError('invalid_request', 'modelId: At most 2048 characters are allowed.');
  const names = modelNames(id);
  if (names.length === 1) return id;
  for (const name of names) {
    const allowed = name === 'default' || (await services.models.nameOf(name)) !== undefined;
    if (allowed) return name;
  }
  return names.at(-1) ?? id;
}

function parseCountTokens(body: unknown, model: string, context: ReturnType<typeof requestContext>): GenerateRequest {
  const { converse, invokeModel } = validate(countTokensSchema, body, 'dots').input;
  if (converse) return parseConversePrompt(converse, context);
  if (invokeModel)
    return parseInvokePrompt(
      parseJson(decodeBase64(invokeModel.body, ['input', 'invokeModel', 'body'])),
      model,
      context,
    );
  throw new FreeholdError('invalid_request', 'input: One of converse and invokeModel is required.', { field: 'input' });
}

function refuseGuardrails(c: AppContext): void {
  if (c.req.header('x-amzn-bedrock-guardrailidentifier') === undefined) return;
  throw new FreeholdError('unsupported', 'guardrailIdentifier: There are no guardrails here.', {
    hint: 'Leave it out.',
    field: 'guardrailIdentifier',
  });
}
