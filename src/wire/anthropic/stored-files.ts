// `/v1/files` as the Anthropic API answers it: one file, pages of files, a deletion.
import { z } from 'zod';
import type { ShownFile } from '../stored-files.ts';
import { fieldError, validate } from '../validate.ts';

/** The query of `GET /v1/files`. Newer clients page by `page`, older ones by the ids. */
export const anthropicFilesQuery = z.looseObject({
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  page: z.string().optional(),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
  scope_id: z.string().optional(),
});

const mostIds = 100;

export type AnthropicFilesPage =
  | { kind: 'page'; limit: number; after: string | undefined; before: string | undefined }
  /** These and no others, on one page. */
  | { kind: 'ids'; ids: string[] }
  /** Of a session of the vendor's, which there are none of. */
  | { kind: 'none' };

/**
 * @param parameters each with all its values
 * @param isId whether something may be the id of a file
 * @throws FreeholdError invalid_request for a bad limit or id, or for several ways to page at once
 */
export function parseAnthropicFilesQuery(
  parameters: Record<string, string[]>,
  isId: (text: string) => boolean,
): AnthropicFilesPage {
  const ids = [...new Set([...(parameters['ids[]'] ?? []), ...(parameters.ids ?? [])])];
  const single = Object.fromEntries(
    Object.entries(parameters).flatMap(([name, values]) => (values[0] ? [[name, values[0]]] : [])),
  );
  const given = validate(anthropicFilesQuery, single, 'dots');
  const { limit, page, after_id, before_id: before, scope_id } = given;
  const refuse = (field: string, message: string) => fieldError('invalid_request', [field], message, 'dots');
  if (ids.length > 0) {
    if (ids.length > mostIds) throw refuse('ids', `At most ${mostIds} ids are allowed`);
    if (page !== undefined || single.limit !== undefined)
      throw refuse('ids', 'It cannot be combined with page or limit');
    return { kind: 'ids', ids };
  }
  const cursors = Object.entries({ page, after_id, before_id: before }).filter(([, id]) => id !== undefined);
  for (const [field, id] of cursors)
    if (!isId(id as string)) throw refuse(field, 'Input should be the cursor of a page');
  if (cursors.length > 1) throw refuse(cursors[1]?.[0] as string, `It cannot be combined with ${cursors[0]?.[0]}`);
  return scope_id === undefined ? { kind: 'page', limit, after: page ?? after_id, before } : { kind: 'none' };
}

/** The form of an upload, beside the file. */
export const anthropicUploadSchema = z.looseObject({
  expires_in_seconds: z.coerce.number().int().min(3600).max(7_776_000).optional(),
});

/**
 * @param fields of the form, the file aside
 * @throws FreeholdError invalid_request
 */
export function parseAnthropicUpload(fields: Record<string, string>): {
  purpose: string;
  expiresAfterMs: number | undefined;
} {
  const { expires_in_seconds: seconds } = validate(anthropicUploadSchema, fields, 'dots');
  return { purpose: 'user_data', expiresAfterMs: seconds === undefined ? undefined : seconds * 1000 };
}

export function anthropicFile(file: ShownFile): unknown {
  return {
    type: 'file',
    id: file.id,
    filename: file.name,
    mime_type: file.mediaType,
    size_bytes: file.sizeBytes,
    created_at: new Date(file.createdAt).toISOString(),
    downloadable: true,
    expires_at: file.expiresAt === undefined ? null : new Date(file.expiresAt).toISOString(),
  };
}

export function anthropicFileList(files: readonly ShownFile[], more: boolean): unknown {
  return {
    data: files.map(anthropicFile),
    has_more: more,
    next_page: more ? (files.at(-1)?.id ?? null) : null,
    first_id: files[0]?.id ?? null,
    last_id: files.at(-1)?.id ?? null,
  };
}

export const anthropicFileDeleted = (id: string): unknown => ({ type: 'file_deleted', id });
