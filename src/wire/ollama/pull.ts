// `POST /api/pull` and `DELETE /api/delete`: what requests may hold, and how a pull's progress is told. Pure; knows no hub.
import { z } from 'zod';
import type { FreeholdError } from '../../lib/errors.ts';
import { errorText } from '../errors.ts';
import { fieldError, validate } from '../validate.ts';
import { namedModel, ollamaShowSchema } from './models.ts';
import { modelField, style, unsupported } from './options.ts';

export const ollamaPullSchema = z
  .looseObject({
    model: modelField.nullish(),
    name: modelField.nullish(),
    insecure: z.boolean().nullish(),
    stream: z.boolean().nullish(),
  })
  .refine(({ model, name }) => Boolean(model || name), { path: ['model'], message: 'Field required' });

export const ollamaDeleteSchema = ollamaShowSchema;

/**
 * @param body the parsed JSON of a request of /api/delete
 * @returns the name of the model
 * @throws FreeholdError invalid_request, naming the field
 */
export const parseDelete = (body: unknown): string => namedModel(validate(ollamaDeleteSchema, body, style));

export interface ParsedPull {
  /** `NAME`, `NAME:quantisation` or `hf:owner/repo[:quantisation]`; never a path or a URL. */
  reference: string;
  stream: boolean;
}

/** Names of the catalogue and of models that are here, whose namespace may stand before them. */
const plainName = /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)?(?::[a-z0-9._-]+)?$/i;
const hubName = /^(?:hf:|hf\.co\/|huggingface\.co\/)([\w][\w.-]*\/[\w][\w.-]*(?::[\w.-]+)?)$/i;

/**
 * A remote caller names models: paths of this machine and addresses to fetch from are the operator's alone to give.
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parsePull(body: unknown): ParsedPull {
  const given = validate(ollamaPullSchema, body, style);
  if (given.insecure) throw unsupported(['insecure'], 'Models come over secure connections only', 'Leave it out.');
  const name = namedModel(given);
  const hub = hubName.exec(name)?.[1];
  if (hub === undefined && (!plainName.test(name) || /\.gguf$/i.test(name))) {
    throw fieldError(
      'invalid_request',
      [given.model ? 'model' : 'name'],
      'Input should be the name of a model of the catalogue or hf.co/OWNER/REPOSITORY.',
      style,
      'Files and addresses are pulled where the server runs: freehold pull',
    );
  }
  return { reference: hub === undefined ? name : `hf:${hub}`, stream: given.stream ?? true };
}

/** The parts of a pull's progress that are told. */
export interface PullState {
  phase: 'resolve' | 'download' | 'verify' | 'done';
  source: string;
  receivedBytes: number;
  totalBytes?: number;
}

/** One line of a pull's stream. */
export function pullLine({ phase, source, receivedBytes, totalBytes }: PullState): string {
  const line = (data: object) => `${JSON.stringify(data)}\n`;
  switch (phase) {
    case 'resolve':
      return line({ status: 'pulling manifest' });
    case 'download':
      return line({
        status: `pulling ${source}`,
        digest: source,
        ...(totalBytes === undefined ? {} : { total: totalBytes }),
        completed: receivedBytes,
      });
    case 'verify':
      return line({ status: 'verifying sha256 digest' });
    case 'done':
      return line(pullDone);
    default:
      return phase satisfies never;
  }
}

/** The last line, and the whole answer where no stream was wanted. */
export const pullDone = { status: 'success' };

export const pullFailure = (error: FreeholdError): string => `${JSON.stringify({ error: errorText(error) })}\n`;
