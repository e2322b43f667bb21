// One file from a URL to the disk: resumed where it stopped (also after kill -9), retried with back-off, checked. The
// bytes gather in `<file>.part`; `<file>.part.json` says what they are part of. Knows HTTP and files, not models.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { diskError, writeFileDurably } from './disk.ts';
import { get, Interrupted, type Patience, readSome } from './http.ts';

export interface DownloadOptions {
  url: URL;
  headers: Record<string, string>;
  /** Where it goes in the end; this function leaves it complete in `<file>.part`. */
  file: string;
  /** What it is, for messages. */
  what: string;
  sizeBytes?: number;
  /** Hex; checked once all is here, and a reason to trust a part file that has no usable etag. */
  sha256?: string;
  patience: Patience;
  signal: AbortSignal;
  /** Bytes of this file that are here, and how many there will be once known. */
  onBytes: (receivedBytes: number, totalBytes: number | undefined) => void;
  /**
   * Called when the size is first known and before anything is written; throws disk_full, does_not_fit. Where the source
   * states no size it is called again and again while the bytes come, with what has come as the size.
   */
  beforeWrite?: (remainingBytes: number, sizeBytes: number) => Promise<void>;
}

/** Most bytes of one file: twice the largest known model whole, at full precision. */
export const mostFileBytes = 4e12;
/** How often, in bytes, the room for a file of unknown size is asked for again. */
const stepBytes = 32e6;

export const partPath = (file: string): string => `${file}.part`;
const statePath = (file: string): string => `${file}.part.json`;

/** What the bytes in a part file are part of. */
interface PartState {
  /** Without its query, which may be a signature: whoever has it may fetch. */
  url: string;
  etag?: string;
  sizeBytes?: number;
  sha256?: string;
}

/**
 * Fetches until `<file>.part` is complete.
 * @throws FreeholdError download_failed (resumable), disk_full, file_io, source_refused, model_not_found; the signal's reason
 */
export async function download(options: DownloadOptions): Promise<void> {
  const { patience, signal } = options;
  let failures = 0;
  for (;;) {
    const before = await partSize(options.file);
    try {
      if (await attempt(options)) return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Interrupted)) throw error;
      // progress earns new patience: a long download over a bad line may break any number of times
      failures = (await partSize(options.file)) > before ? 1 : failures + 1;
      if (failures >= patience.attempts) {
        throw new FreeholdError('download_failed', `${options.what} broke off: ${error.message}.`, {
          cause: error,
          hint: 'Pull again: it goes on where it stopped.',
        });
      }
      const waitMs = error.retryAfterMs ?? patience.retryMs * 2 ** (failures - 1);
      await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  }
}

/** @returns whether the part is complete now */
async function attempt(options: DownloadOptions): Promise<boolean> {
  const { url, file, what } = options;
  const state = await resumable(options);
  const offset = state ? await partSize(file) : 0;
  const known = options.sizeBytes ?? state?.sizeBytes;
  options.onBytes(offset, known);
  if (state && known !== undefined && offset === known) return true;
  const headers = { ...options.headers };
  if (offset > 0) {
    headers.range = `bytes=${offset}-`;
    if (state?.etag && state.url === addressOf(url)) headers['if-range'] = state.etag;
  }
  const response = await get(url, headers, what, options.patience, options.signal);
  if (response.status === 416) {
    // the part is as long as the file, or longer: begin again unless it is exactly it
    const total = Number(/^bytes \*\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? Number.NaN);
    await response.body?.cancel().catch(() => undefined);
    if (offset > 0 && total === offset && (known === undefined || known === total)) return true;
    await discardPart(file);
    throw new Interrupted(`${url.host} refused to go on after ${formatBytes(offset)}`);
  }
  const goesOn = response.status === 206 && rangeStart(response) === offset && offset > 0;
  const start = goesOn ? offset : 0;
  if (response.status === 206 && !goesOn) {
    await response.body?.cancel().catch(() => undefined);
    await discardPart(file);
    throw new Interrupted(`${url.host} sent another part than was asked for`);
  }
  const length = Number(response.headers.get('content-length') ?? Number.NaN);
  const total = Number.isFinite(length) ? start + length : undefined;
  if (options.sizeBytes !== undefined && total !== undefined && total !== options.sizeBytes) {
    await response.body?.cancel().catch(() => undefined);
    throw new FreeholdError(
      'checksum_mismatch',
      `${what} should have ${options.sizeBytes} bytes, and ${url.host} sends ${total}.`,
      { hint: 'The file changed on the hub or something between here and there alters it. Try again later.' },
    );
  }
  const sizeBytes = options.sizeBytes ?? total;
  if ((sizeBytes ?? 0) > mostFileBytes) {
    await response.body?.cancel().catch(() => undefined);
    throw tooLarge(what, url);
  }
  const next: PartState = { url: addressOf(url) };
  const etag = response.headers.get('etag');
  // only a strong etag may be used with a range
  if (etag && !etag.startsWith('W/')) next.etag = etag;
  if (sizeBytes !== undefined) next.sizeBytes = sizeBytes;
  if (options.sha256) next.sha256 = options.sha256;
  try {
    if (sizeBytes !== undefined) await options.beforeWrite?.(sizeBytes - start, sizeBytes);
    if (start === 0) await discardPart(file);
    await writeFileDurably(statePath(file), JSON.stringify(next), 0o600);
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw error;
  }
  try {
    await receive(response, start, sizeBytes, options);
  } catch (error) {
    // what a body without an end has brought must not fill the disk, and nobody knows whether more of it is worth anything
    if (error instanceof FreeholdError && sizeBytes === undefined) await discardPart(file);
    throw error;
  }
  return true;
}

/** Appends an answer's body to the part. */
async function receive(
  response: Response,
  start: number,
  sizeBytes: number | undefined,
  { file, what, url, signal, patience, onBytes, beforeWrite }: DownloadOptions,
): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(partPath(file), start > 0 ? 'r+' : 'w');
  } catch (error) {
    await response.body?.cancel().catch(() => undefined);
    throw diskError(error, partPath(file), 'Writing');
  }
  const reader = response.body?.getReader();
  let received = start;
  /** Up to where there was room when it was last asked for; only where nobody stated a size. */
  let allowed = sizeBytes ?? start;
  try {
    for (;;) {
      const chunk = reader ? await readSome(reader, url, patience, signal) : undefined;
      if (!chunk) break;
      if (sizeBytes !== undefined && received + chunk.length > sizeBytes) {
        throw new Interrupted(`${url.host} sent more than the ${sizeBytes} bytes it announced`);
      }
      if (received + chunk.length > allowed) {
        const least = received + chunk.length;
        if (least > mostFileBytes) throw tooLarge(what, url);
        await beforeWrite?.(chunk.length + stepBytes, least);
        allowed = least + stepBytes;
      }
      await write(handle, chunk, received, file);
      received += chunk.length;
      onBytes(received, sizeBytes);
    }
  } finally {
    await reader?.cancel().catch(() => undefined);
    await handle.close();
  }
  if (sizeBytes !== undefined && received < sizeBytes) {
    throw new Interrupted(
      `${url.host} closed the connection after ${formatBytes(received)} of ${formatBytes(sizeBytes)}`,
    );
  }
}

function tooLarge(what: string, url: URL): FreeholdError {
  return new FreeholdError(
    'download_failed',
    `${url.host} sends more than ${formatBytes(mostFileBytes)} for ${what}, which is no model.`,
    { hint: 'Check the address.' },
  );
}

async function write(handle: FileHandle, chunk: Uint8Array, position: number, file: string): Promise<void> {
  let written = 0;
  try {
    // a full disk may take part of a chunk before it says so
    while (written < chunk.length) {
      written += (await handle.write(chunk, written, chunk.length - written, position + written)).bytesWritten;
    }
  } catch (error) {
    throw diskError(error, partPath(file), 'Writing');
  }
}

/** The state of a part that may be gone on with: of the same file, and of a kind that cannot be mixed up. */
async function resumable({ url, file, sha256, sizeBytes }: DownloadOptions): Promise<PartState | undefined> {
  const size = await partSize(file);
  const text = await readFile(statePath(file), 'utf8').catch(() => undefined);
  if (size === 0 || text === undefined) return undefined;
  try {
    const state = JSON.parse(text) as PartState;
    const sameFile = sha256 ? state.sha256 === sha256 : state.url === addressOf(url) && state.etag !== undefined;
    const known = sizeBytes ?? state.sizeBytes;
    return sameFile && (known === undefined || size <= known) ? state : undefined;
  } catch {
    return undefined;
  }
}

const addressOf = (url: URL): string => url.origin + url.pathname;

async function partSize(file: string): Promise<number> {
  return (await stat(partPath(file)).catch(() => undefined))?.size ?? 0;
}

/** Bytes of a file that an earlier, interrupted download left here. */
export const partialBytes = partSize;

/** Deletes a part and its state. */
export async function discardPart(file: string): Promise<void> {
  await rm(statePath(file), { force: true });
  await rm(partPath(file), { force: true });
}

/** Deletes the state of a part that was moved to its place. */
export async function forgetPart(file: string): Promise<void> {
  await rm(statePath(file), { force: true });
}

function rangeStart(response: Response): number | undefined {
  const found = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '');
  return found ? Number(found[1]) : undefined;
}

/**
 * SHA-256 of a file, hex.
 * @param onBytes bytes read so far
 */
export async function sha256Of(file: string, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20, signal })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      onBytes(bytes);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw diskError(error, file, 'Reading');
  }
  return hash.digest('hex');
}
