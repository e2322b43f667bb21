// `/v1/files` as the OpenAI API answers it: one file, pages of files, a deletion; and the form that uploads one.
import { z } from 'zod';
import type { ShownFile } from '../stored-files.ts';
import { fieldError, validate } from '../validate.ts';

/** What a file may be uploaded for. Freehold treats them alike; those it has no use for yet are kept all the same. */
export const filePurposes = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'] as const;

/** The fields of an upload's form beside the file; `expires_after[seconds]` counts from its creation. */
export const uploadSchema = z.looseObject({
  purpose: z.enum(filePurposes),
  'expires_after[anchor]': z.literal('created_at').optional(),
  'expires_after[seconds]': z.coerce.number().int().min(3600).max(2_592_000).optional(),
});

/** The query of `GET /v1/files`. */
export const openaiFilesQuery = z.looseObject({
  limit: z.coerce.number().int().min(1).max(10_000).default(10_000),
  after: z.string().optional(),
  order: z.enum(['asc', 'desc']).default('desc'),
  purpose: z.string().max(64).optional(),
});

/**
 * @param fields of the form, the file aside
 * @throws FreeholdError invalid_request
 */
export function parseUpload(fields: Record<string, string>): { purpose: string; expiresAfterMs: number | undefined } {
  const given = validate(uploadSchema, fields, 'brackets');
  const seconds = given['expires_after[seconds]'];
  if ((given['expires_after[anchor]'] === undefined) !== (seconds === undefined)) {
    throw fieldError('invalid_request', ['expires_after'], 'It needs both anchor and seconds.', 'brackets');
  }
  return { purpose: given.purpose, expiresAfterMs: seconds === undefined ? undefined : seconds * 1000 };
}

/**
 * @param isId whether something may be the id of a file
 * @throws FreeholdError invalid_request
 */
export function parseOpenaiFilesQuery(
  parameters: Record<string, string>,
  isId: (text: string) => boolean,
): { limit: number; after: string | undefined; order: 'asc' | 'desc'; purpose: string | undefined } {
  const { limit, after, order, purpose } = validate(openaiFilesQuery, parameters, 'brackets');
  if (after !== undefined && !isId(after)) {
    throw fieldError('invalid_request', ['after'], 'Input should be the id of a file', 'brackets');
  }
  return { limit, after, order, purpose };
}

export function openaiFile(file: ShownFile): unknown {
  return {
    id: file.id,
    object: 'file',
    bytes: file.sizeBytes,
    created_at: Math.floor(file.createdAt / 1000),
    ...(file.expiresAt === undefined ? {} : { expires_at: Math.floor(file.expiresAt / 1000) }),
    filename: file.name,
    purpose: file.purpose,
    status: 'processed',
  };
}

export function openaiFileList(files: readonly ShownFile[], more: boolean): unknown {
  return {
    object: 'list',
    data: files.map(openaiFile),
    first_id: files[0]?.id ?? null,
    last_id: files.at(-1)?.id ?? null,
    has_more: more,
  };
}

export const openaiFileDeleted = (id: string): unknown => ({ id, object: 'file', deleted: true });
