// The files that a request names by id, as the parsers of its protocol take them: the caller's own, and read where they are
// text. One of another owner is as absent as one that never was.
import { isUtf8 } from 'node:buffer';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { findFile, openFile, type StoredFile } from '../store/files.ts';
import type { Store } from '../store/open.ts';
import { fileIdsIn, type RequestFile } from '../wire/completion.ts';
import type { AppContext, Services } from './context.ts';

/** Different files in one request. */
const mostFiles = 100;

/**
 * The files that a request's body names, by id. Ids of none, or of another's, are absent.
 * @param body parsed JSON
 * @throws FreeholdError invalid_request for more text than a body may have, each place a file is named at counted
 */
export async function filesOf(
  c: AppContext,
  services: Services,
  body: unknown,
): Promise<ReadonlyMap<string, RequestFile>> {
  const files = new Map<string, RequestFile>();
  const ids = fileIdsIn(body);
  if (ids.length === 0) return files;
  if (ids.length > mostFiles) {
    throw new FreeholdError('invalid_request', `A request may name at most ${mostFiles} files.`);
  }
  const places = placesIn(body);
  const { bodyLimitBytes } = services.config;
  let bytes = 0;
  for (const id of ids) {
    const file = await findFile(services.store, c.var.principal.tenant, id);
    if (!file) continue;
    const { name, mediaType } = file;
    if (isBinary(mediaType)) {
      files.set(id, { name, mediaType });
      continue;
    }
    // the same file in many places is as much to read as many files
    bytes += file.sizeBytes * (places.get(id) ?? 1);
    if (bytes > bodyLimitBytes) {
      throw new FreeholdError(
        'invalid_request',
        `The files of the request are longer than ${formatBytes(bodyLimitBytes)} together.`,
        { hint: 'Name fewer or shorter files; no model reads that much.' },
      );
    }
    const text = await textOf(services.store, file);
    files.set(id, text === undefined ? { name, mediaType } : { name, mediaType, text });
  }
  return files;
}

/**
 * A file as a document.
 * @param owner the tenant whose file it must be
 * @throws FreeholdError not_found unless the owner has it; unsupported when it is not text
 */
export async function fileText(
  services: Services,
  owner: string,
  id: string,
): Promise<{ title: string; text: string }> {
  const file = await findFile(services.store, owner, id);
  if (!file) throw new FreeholdError('not_found', `There is no file "${id.slice(0, 100)}".`);
  const small = file.sizeBytes <= services.config.bodyLimitBytes && !isBinary(file.mediaType);
  const text = small ? await textOf(services.store, file) : undefined;
  if (text === undefined) {
    throw new FreeholdError('unsupported', `The file "${file.name}" is not text that a model here can read.`, {
      hint: 'Upload its text, as UTF-8.',
    });
  }
  return { title: file.name, text };
}

/** What is called a picture, a sound or a PDF is not read to find out; everything else may turn out to be text. */
const isBinary = (mediaType: string) =>
  /^(image|audio|video|font)\//.test(mediaType) || mediaType === 'application/pdf' || mediaType === 'application/zip';

/** @returns undefined for bytes that are no text */
async function textOf(store: Store, file: StoredFile): Promise<string | undefined> {
  const handle = await openFile(store, file);
  try {
    const bytes = await handle.readFile();
    const binary = bytes.includes(0) || bytes.subarray(0, 5).toString('latin1') === '%PDF-' || !isUtf8(bytes);
    return binary ? undefined : bytes.toString('utf8').replace(/^\ufeff/, '');
  } finally {
    await handle.close();
  }
}

/** How often each id is named. */
function placesIn(body: unknown): Map<string, number> {
  const places = new Map<string, number>();
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'file_id' && typeof inner === 'string') places.set(inner, (places.get(inner) ?? 0) + 1);
      else visit(inner);
    }
  };
  visit(body);
  return places;
}
