// Lists of models in the shape of Bedrock's control plane. Pure.
import type { ServedModel } from '../models.ts';
import { modelArn } from './model-id.ts';

/** As `GET /foundation-models` lists it and `GET /foundation-models/:id` describes it. */
function foundationModel({ id, title, owner, details }: ServedModel) {
  const kind = details.kind ?? 'chat';
  return {
    modelArn: modelArn(id),
    modelId: id,
    modelName: title,
    providerName: owner,
    inputModalities: ['TEXT'],
    outputModalities: [kind === 'embedding' ? 'EMBEDDING' : 'TEXT'],
    responseStreamingSupported: kind === 'chat',
    customizationsSupported: [],
    inferenceTypesSupported: ['ON_DEMAND'],
    modelLifecycle: { status: 'ACTIVE' },
    freehold: details,
  };
}

/** @param query may ask for a provider or a modality, as the vendor's does */
export function foundationModelList(models: readonly ServedModel[], query: Record<string, string>): unknown {
  const { byProvider, byOutputModality, byInferenceType } = query;
  const modelSummaries = models
    .map(foundationModel)
    .filter(
      (model) =>
        (byProvider === undefined || model.providerName.toLowerCase() === byProvider.toLowerCase()) &&
        (byOutputModality === undefined || model.outputModalities.includes(byOutputModality)) &&
        (byInferenceType === undefined || model.inferenceTypesSupported.includes(byInferenceType)),
    );
  return { modelSummaries };
}

export const foundationModelDetails = (model: ServedModel): unknown => ({ modelDetails: foundationModel(model) });
