// The models of this machine as Ollama's API lists them: `/api/tags`, `/api/show`, `/api/ps`, `/api/version`. Pure.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ServedModel } from '../models.ts';
import { validate } from '../validate.ts';
import { modelField, style, wantedModel } from './options.ts';

/**
 * The release of Ollama whose API is spoken here. Clients refuse servers that say less than they need, so the number of
 * this release, which stands beside it, would not do.
 */
export const ollamaVersion = '0.13.0';

export const ollamaShowSchema = z
  .looseObject({ model: modelField.nullish(), name: modelField.nullish(), verbose: z.boolean().nullish() })
  .refine(({ model, name }) => Boolean(model || name), { path: ['model'], message: 'Field required' });

/**
 * @param body the parsed JSON of a request of /api/show
 * @returns the name that is asked for
 * @throws FreeholdError invalid_request, naming the field
 */
export const parseShow = (body: unknown): string => namedModel(validate(ollamaShowSchema, body, style));

/** The model that a request of /api/show, /api/pull or /api/delete names; `name` is its older field. */
export const namedModel = ({ model, name }: { model?: string | null | undefined; name?: string | null | undefined }) =>
  wantedModel(model || name || '');

/** Ollama's names always have a tag, and some clients add one before they look for a name. */
export const listedName = (id: string): string => (id.includes(':') ? id : `${id}:latest`);

const numberOf = (value: unknown): number => (typeof value === 'number' ? value : 0);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Of the file that stands behind an entry, where it is known: changes when another file takes its place. */
function digestOf({ id, createdSeconds, details }: ServedModel): string {
  const what = [details.model ?? id, details.sizeBytes, details.quantisation, createdSeconds].join('\n');
  return createHash('sha256').update(what).digest('hex');
}

/** `596M`, `7.6B`. */
function parameterSize(parameters: number): string {
  if (parameters <= 0) return '';
  return parameters >= 1e9 ? `${(parameters / 1e9).toFixed(1)}B` : `${(parameters / 1e6).toFixed(0)}M`;
}

function detailsOf({ details }: ServedModel): object {
  const family = textOf(details.architecture);
  return {
    parent_model: '',
    format: 'gguf',
    family,
    families: family === '' ? [] : [family],
    parameter_size: parameterSize(numberOf(details.parameters)),
    quantization_level: textOf(details.quantisation),
    ...(numberOf(details.contextTokens) > 0 ? { context_length: details.contextTokens } : {}),
  };
}

/** `completion`, `tools`, `thinking`, `vision`, `embedding`: as far as they are known. */
function capabilitiesOf({ details }: ServedModel): string[] {
  if (details.kind === 'embedding') return ['embedding'];
  if (details.kind === 'rerank') return [];
  const known = (details.abilities ?? {}) as Record<string, unknown>;
  return ['completion', ...['tools', 'thinking', 'vision'].filter((ability) => known[ability] === true)];
}

const modifiedAt = ({ createdSeconds }: ServedModel) => new Date(createdSeconds * 1000).toISOString();

function entryOf(model: ServedModel): object {
  return {
    name: listedName(model.id),
    model: listedName(model.id),
    modified_at: modifiedAt(model),
    size: numberOf(model.details.sizeBytes),
    digest: digestOf(model),
    details: detailsOf(model),
    capabilities: capabilitiesOf(model),
  };
}

/** `GET /api/tags`. */
export const ollamaTags = (models: readonly ServedModel[]): object => ({ models: models.map(entryOf) });

/** `POST /api/show`. */
export function ollamaShow(model: ServedModel): object {
  const { architecture, parameters, contextTokens, trainedContextTokens } = model.details;
  const name = textOf(architecture) || 'unknown';
  return {
    license: '',
    modelfile: '',
    parameters: '',
    template: '',
    details: detailsOf(model),
    model_info: {
      'general.architecture': name,
      'general.basename': textOf(model.details.model) || model.id,
      ...(numberOf(parameters) > 0 ? { 'general.parameter_count': parameters } : {}),
      // clients fill a context of this size: the one that is served, not the one the model was trained with
      ...(numberOf(contextTokens) > 0 ? { [`${name}.context_length`]: contextTokens } : {}),
      ...(numberOf(trainedContextTokens) > 0 ? { [`${name}.trained_context_length`]: trainedContextTokens } : {}),
    },
    capabilities: capabilitiesOf(model),
    modified_at: modifiedAt(model),
  };
}

/** Models stay until others need the room: what a client takes for never. */
const never = '2999-12-31T23:59:59Z';

/** A model that runs. */
export interface RunningModel {
  model: ServedModel;
  contextTokens: number | undefined;
  /** Whether it runs on a graphics card. */
  onDevice: boolean;
}

/** `GET /api/ps`. */
export function ollamaRunning(running: readonly RunningModel[]): object {
  return {
    models: running.map(({ model, contextTokens, onDevice }) => {
      const size = numberOf(model.details.sizeBytes);
      return {
        name: listedName(model.id),
        model: listedName(model.id),
        size,
        digest: digestOf(model),
        details: detailsOf(model),
        expires_at: never,
        size_vram: onDevice ? size : 0,
        context_length: contextTokens ?? numberOf(model.details.contextTokens),
      };
    }),
  };
}
