// `GET /v1/models` as the OpenAI API answers it.
import type { ServedModel } from '../models.ts';

export function openaiModel(model: ServedModel): unknown {
  return {
    id: model.id,
    object: 'model',
    created: model.createdSeconds,
    owned_by: model.owner,
    freehold: model.details,
  };
}

export function openaiModelList(models: readonly ServedModel[]): unknown {
  return { object: 'list', data: models.map(openaiModel) };
}
