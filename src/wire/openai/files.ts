// Files that a message holds, by id or in place, as documents a model can read. Text only: whoever sends a PDF is told to
// send its text. Pure: what an id stands for is looked up by whoever has the files.
import { isUtf8 } from 'node:buffer';
import type { DocumentBlock } from '../../lib/text-model.ts';
import type { RequestFile } from '../completion.ts';
import { fieldError } from '../validate.ts';

/** As both APIs spell it. */
export interface GivenFile {
  file_id?: string | null | undefined;
  /** A data URL, or base64 alone. */
  file_data?: string | null | undefined;
  filename?: string | null | undefined;
  file_url?: string | null | undefined;
}

/**
 * @param path where it stands in the request
 * @throws FreeholdError invalid_request for an id that is not the caller's and for data that is no base64; unsupported for
 *   what is not text
 */
export function documentOf(
  given: GivenFile,
  path: readonly (string | number)[],
  files: ReadonlyMap<string, RequestFile> | undefined,
): DocumentBlock {
  if (typeof given.file_id === 'string') {
    const file = files?.get(given.file_id);
    if (!file) {
      const message = `There is no file "${given.file_id.slice(0, 100)}".`;
      throw fieldError('invalid_request', [...path, 'file_id'], message, 'brackets', 'Upload it first.');
    }
    if (file.text === undefined) throw notText([...path, 'file_id'], file.mediaType);
    return { type: 'document', title: given.filename ?? file.name, text: file.text };
  }
  if (typeof given.file_data === 'string') {
    const text = textOf(given.file_data, [...path, 'file_data']);
    return { type: 'document', ...(given.filename ? { title: given.filename } : {}), text };
  }
  if (typeof given.file_url === 'string') {
    const message = 'Files are not fetched from elsewhere.';
    throw fieldError('unsupported', [...path, 'file_url'], message, 'brackets', 'Send the text itself.');
  }
  throw fieldError('invalid_request', path, 'A file needs file_id or file_data.', 'brackets');
}

function textOf(data: string, path: readonly (string | number)[]): string {
  const url = /^data:([^;,]*)(?:;[^;,]*)*?;base64,/i.exec(data);
  if (!url && /^data:/i.test(data)) {
    throw fieldError('invalid_request', path, 'A data URL of a file must be base64.', 'brackets');
  }
  const base64 = data.slice(url?.[0].length ?? 0);
  if (base64 === '' || base64.length % 4 === 1 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64)) {
    throw fieldError('invalid_request', path, 'Input should be base64, as a data URL or alone.', 'brackets');
  }
  const bytes = Buffer.from(base64, 'base64');
  // what says it is a PDF is one, whatever its name; what is no UTF-8 is no text
  const binary = bytes.subarray(0, 5).toString('latin1') === '%PDF-' || bytes.includes(0) || !isUtf8(bytes);
  if (binary) throw notText(path, url?.[1] || 'of bytes');
  return bytes.toString('utf8');
}

const notText = (path: readonly (string | number)[], mediaType: string) =>
  fieldError(
    'unsupported',
    path,
    `Only files of text are read, and this one is ${mediaType.slice(0, 100)}.`,
    'brackets',
    'Send its text instead.',
  );
