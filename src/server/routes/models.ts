// `GET /v1/models` and `GET /v1/models/:id`, in the shape the caller's protocol has.
import { FreeholdError } from '../../lib/errors.ts';
import { anthropicModel, anthropicModelList } from '../../wire/anthropic/models.ts';
import { openaiModel, openaiModelList } from '../../wire/openai/models.ts';
import { allowedModels, requireModel } from '../allowed-models.ts';
import { protocolOf } from '../answer-error.ts';
import type { App, Services } from '../context.ts';

export function addModelRoutes(app: App, services: Services): void {
  app.get('/v1/models', async (c) => {
    const models = allowedModels(c.var.principal, await services.listModels());
    const body = protocolOf(c) === 'anthropic' ? anthropicModelList(models, c.req.query()) : openaiModelList(models);
    return c.json(body as object);
  });
  app.get('/v1/models/:id{.+}', async (c) => {
    const id = c.req.param('id');
    const model = allowedModels(c.var.principal, await services.listModels()).find((each) => each.id === id);
    if (!model) {
      await requireModel(c.var.principal, services, id);
      // says what is wrong with a model that is here and damaged
      await services.models.nameOf(id);
      throw new FreeholdError('model_not_found', `There is no model "${id.slice(0, 100)}" here.`, {
        hint: 'GET /v1/models lists those that are.',
        field: 'model',
      });
    }
    return c.json((protocolOf(c) === 'anthropic' ? anthropicModel(model) : openaiModel(model)) as object);
  });
}
