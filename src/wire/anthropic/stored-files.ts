// `/v1/files` as the Anthropic API answers it: one file, pages of files, a deletion.
import { z } from 'zod';
import type { ShownFile } from '../stored-files.ts';
import { fieldError, validate } from '../validate.ts';

/** The query of `GET /v1/files`. */
export const anthropicFilesQuery = z.looseObject({
  limit: z.coerce.number().int().min(1).max(1000).default(20),
  after_id: z.string().optional(),
  before_id: z.string().optional(),
});

export interface AnthropicFilesPage {
  limit: number;
  after: string | undefined;
  before: string | undefined;
}

/**
 * @param isId whether something may be the id of a file
 * @throws FreeholdError invalid_request for a bad limit or id, or both ids
 */
export function parseAnthropicFilesQuery(
  parameters: Record<string, string>,
  isId: (text: string) => boolean,
): AnthropicFilesPage {
  const { limit, after_id: after, before_id: before } = validate(anthropicFilesQuery, parameters, 'dots');
  for (const [field, id] of Object.entries({ after_id: after, before_id: before })) {
    if (id !== undefined && !isId(id)) {
      throw fieldError('invalid_request', [field], 'Input should be the id of a file', 'dots');
    }
  }
  if (after !== undefined && before !== undefined) {
    throw fieldError('invalid_request', ['before_id'], 'Only one of after_id and before_id may be given', 'dots');
  }
  return { limit, after, before };
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
  };
}

export function anthropicFileList(files: readonly ShownFile[], more: boolean): unknown {
  return {
    data: files.map(anthropicFile),
    has_more: more,
    first_id: files[0]?.id ?? null,
    last_id: files.at(-1)?.id ?? null,
  };
}

export const anthropicFileDeleted = (id: string): unknown => ({ type: 'file_deleted', id });
