// Text to train on: files and folders -> documents, read piece by piece and checked as they are read, so that a file that is no
// text is named before hours are spent. A text file is one document; a JSONL file has one a line, in its field `text`. Knows
// nothing of tokens.
import type { FileHandle } from 'node:fs/promises';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { FreeholdError } from '../lib/errors.ts';
import { openRegularFile } from '../lib/regular-file.ts';
import { formatBytes } from '../lib/units.ts';
import { cutBefore } from '../tokenizer/cut-text.ts';
import { type ByteFault, boundaryBefore, faultOf } from './utf8.ts';

export interface TextFile {
  path: string;
  kind: 'text' | 'jsonl';
  sizeBytes: number;
  modifiedMs: number;
  /** Of a file that is not UTF-8, as the Encoding Standard names it. */
  encoding?: string;
}

/** A part of a document, cut where a tokenizer cuts too, if such a place is near; whole UTF-8. */
export interface Piece {
  bytes: Uint8Array;
  endsDocument: boolean;
}

export interface CorpusReport {
  files: number;
  documents: number;
  /** Bytes of text: of a JSONL file, those of its documents. */
  bytes: number;
  /** Files of a folder that hold nothing. */
  emptyFiles: string[];
  /** Files that are read by another encoding than UTF-8. */
  convertedFiles: string[];
}

/** What a folder is searched for. A file that is named itself may end in anything. */
const textEndings = ['.txt', '.md', '.jsonl'];
const pieceBytes = 1 << 20;
/** How far back from its end a piece looks for a good place to be cut. */
const searchBytes = 1 << 16;
/** JSON is parsed a line at a time, so a line has to fit into memory a few times over. */
const mostLineBytes = 256 << 20;

/**
 * The files of the sources: files as they are named, folders searched recursively for .txt, .md and .jsonl, sorted by path.
 * Nothing that begins with a dot is looked at inside a folder.
 * @param options.encoding of the files that are not UTF-8, e.g. `windows-1252`. Default: such files are refused when they are read
 * @throws FreeholdError file_not_found, file_io; data_invalid where nothing is found, or a named file is empty; config_invalid for
 * an encoding that nobody knows
 */
export async function findTextFiles(
  sources: readonly string[],
  options: { encoding?: string | undefined } = {},
): Promise<TextFile[]> {
  const encoding = options.encoding === undefined ? undefined : knownEncoding(options.encoding);
  const found = new Map<string, TextFile>();
  for (const source of sources) {
    const info = await stat(source).catch((error: unknown) => {
      throw fileError(error, source);
    });
    if (info.isDirectory()) {
      for (const file of await searchFolder(source)) found.set(file.path, file);
    } else if (info.isFile()) {
      if (info.size === 0) throw emptyFile(source);
      found.set(path.resolve(source), describeFile(source, info));
    } else throw new FreeholdError('data_invalid', `${source} is neither a file nor a folder.`);
  }
  if (found.size === 0) {
    throw new FreeholdError('data_invalid', `There is no text in ${sources.join(', ') || 'no sources at all'}.`, {
      hint: `Name files, or folders with files that end in ${textEndings.join(', ')}.`,
    });
  }
  const files = [...found.values()];
  if (encoding === undefined) return files;
  return Promise.all(files.map(async (file) => ((await isUtf8File(file)) ? file : { ...file, encoding })));
}

/** Its name in the Encoding Standard. */
function knownEncoding(label: string): string {
  try {
    return new TextDecoder(label).encoding;
  } catch (cause) {
    throw new FreeholdError('config_invalid', `There is no encoding "${label}".`, {
      cause,
      hint: 'Take a name of the Encoding Standard, such as windows-1252, iso-8859-2, shift_jis or utf-16le.',
    });
  }
}

async function isUtf8File({ path: file }: TextFile): Promise<boolean> {
  const handle = await openRegularFile(file);
  if (!handle) return true;
  try {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    for await (const block of blocksOf(handle)) {
      if (block.includes(0)) return false;
      decoder.decode(block, { stream: true });
    }
    decoder.decode();
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw fileError(error, file);
  } finally {
    await handle.close();
  }
}

async function searchFolder(folder: string): Promise<TextFile[]> {
  const found: TextFile[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    throw fileError(error, folder);
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const full = path.join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) found.push(...(await searchFolder(full)));
    else if (textEndings.includes(path.extname(entry.name).toLowerCase())) {
      const info = await stat(full).catch((error: unknown) => {
        throw fileError(error, full);
      });
      if (info.isFile()) found.push(describeFile(full, info));
    }
  }
  return found;
}

function describeFile(file: string, info: { size: number; mtimeMs: number }): TextFile {
  const kind = path.extname(file).toLowerCase() === '.jsonl' ? 'jsonl' : 'text';
  return { path: path.resolve(file), kind, sizeBytes: info.size, modifiedMs: info.mtimeMs };
}

/**
 * Reads everything once and keeps nothing.
 * @param options.onProgress bytes of the files read so far
 * @throws FreeholdError data_invalid naming the file and the place; file_io; the signal's reason
 */
export async function checkCorpus(
  files: readonly TextFile[],
  options: { onProgress?: (bytes: number) => void; signal?: AbortSignal } = {},
): Promise<CorpusReport> {
  const report: CorpusReport = { files: 0, documents: 0, bytes: 0, emptyFiles: [], convertedFiles: [] };
  let before = 0;
  for (const file of files) {
    const documents = report.documents;
    let read = 0;
    for await (const { bytes, endsDocument } of readPieces(file)) {
      options.signal?.throwIfAborted();
      read += bytes.length;
      if (endsDocument) report.documents += 1;
      options.onProgress?.(before + Math.min(read, file.sizeBytes));
    }
    report.bytes += read;
    before += file.sizeBytes;
    options.onProgress?.(before);
    if (file.encoding !== undefined) report.convertedFiles.push(file.path);
    if (report.documents === documents) report.emptyFiles.push(file.path);
    else report.files += 1;
  }
  if (report.documents === 0) throw emptyFile(files[0]?.path ?? 'The sources');
  return report;
}

/**
 * The documents of a file, in order; those of white space alone are left out.
 * @throws FreeholdError data_invalid for bytes that are no UTF-8 text and lines that are no JSON; file_not_found; file_io
 */
export async function* readPieces(file: TextFile): AsyncGenerator<Piece> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegularFile(file.path);
    if (!handle) throw new FreeholdError('data_invalid', `${file.path} is no file any more.`);
    const blocks = file.encoding === undefined ? blocksOf(handle) : converted(blocksOf(handle), file.encoding);
    yield* file.kind === 'jsonl' ? jsonDocuments(file.path, blocks) : textDocument(file.path, blocks);
  } catch (error) {
    throw error instanceof FreeholdError || !(error as NodeJS.ErrnoException).code
      ? error
      : fileError(error, file.path);
  } finally {
    await handle?.close();
  }
}

/** Blocks of a file; each is the reader's to keep. */
async function* blocksOf(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(pieceBytes), 0, pieceBytes, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** The same text in UTF-8. */
async function* converted(blocks: AsyncIterable<Buffer>, encoding: string): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding);
  for await (const block of blocks) yield Buffer.from(decoder.decode(block, { stream: true }));
  yield Buffer.from(decoder.decode());
}

async function* textDocument(file: string, blocks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let rest: Buffer = Buffer.alloc(0);
  let offset = 0;
  let blank = true;
  const take = (bytes: Buffer): Uint8Array => {
    const fault = faultOf(bytes);
    if (fault) throw faultError(file, { ...fault, at: fault.at + offset });
    const text =
      offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
    offset += bytes.length;
    blank &&= isBlank(text);
    return text;
  };
  for await (const block of blocks) {
    rest = rest.length > 0 ? Buffer.concat([rest, block]) : block;
    if (rest.length < pieceBytes) continue;
    const cut = pieceEnd(rest, rest.length);
    const bytes = take(rest.subarray(0, cut));
    rest = rest.subarray(cut);
    // a megabyte of white space before the first word says nothing
    if (!blank) yield { bytes, endsDocument: false };
  }
  const bytes = take(rest);
  if (!blank) yield { bytes, endsDocument: true };
}

async function* jsonDocuments(file: string, blocks: AsyncIterable<Buffer>): AsyncGenerator<Piece> {
  let line = 0;
  for await (const { bytes, offset } of linesOf(file, blocks)) {
    line += 1;
    const fault = faultOf(bytes);
    if (fault) throw faultError(file, { ...fault, at: fault.at + offset });
    if (isBlank(bytes)) continue;
    const text = Buffer.from(textOf(bytes, file, line));
    if (isBlank(text)) continue;
    for (let start = 0; start < text.length; ) {
      const end = start + pieceBytes >= text.length ? text.length : start + pieceEnd(text.subarray(start), pieceBytes);
      yield { bytes: text.subarray(start, end), endsDocument: end === text.length };
      start = end;
    }
  }
}

async function* linesOf(
  file: string,
  blocks: AsyncIterable<Buffer>,
): AsyncGenerator<{ bytes: Buffer; offset: number }> {
  let parts: Buffer[] = [];
  let length = 0;
  let offset = 0;
  for await (const block of blocks) {
    for (let start = 0; start < block.length; ) {
      const newline = block.indexOf(0x0a, start);
      const end = newline < 0 ? block.length : newline;
      parts.push(block.subarray(start, end));
      length += end - start;
      if (length > mostLineBytes) {
        throw new FreeholdError(
          'data_invalid',
          `${file} has a line of more than ${formatBytes(mostLineBytes)}, from byte ${offset} on.`,
          { hint: 'A JSONL file holds one document a line. Rename it to .txt if it is plain text.' },
        );
      }
      if (newline < 0) break;
      yield { bytes: Buffer.concat(parts), offset };
      offset += length + 1;
      parts = [];
      length = 0;
      start = newline + 1;
    }
  }
  if (length > 0) yield { bytes: Buffer.concat(parts), offset };
}

function textOf(bytes: Buffer, file: string, line: number): string {
  const fail = (fault: string): never => {
    throw new FreeholdError('data_invalid', `Line ${line} of ${file} ${fault}.`, {
      hint: 'Each line is a JSON object such as {"text": "one document"}.',
    });
  };
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    fail('is not valid JSON');
  }
  const text = (value as { text?: unknown } | null)?.text;
  return typeof text === 'string' ? text : fail('has no field "text" with a string');
}

/**
 * A place near `end` where a piece may end: where every pre-tokenizer cuts too, so that the tokens are those of the whole; where
 * there is none, between two characters.
 */
function pieceEnd(bytes: Uint8Array, end: number): number {
  // the character behind the cut has to be there to be known
  const last = Math.min(end, bytes.length - 4);
  const cut = cutBefore(bytes, Math.max(0, last - searchBytes), last, bytes.length);
  return cut > 0 ? cut : Math.max(1, boundaryBefore(bytes, end));
}

const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d));

function faultError(file: string, { at, kind }: ByteFault): FreeholdError {
  if (kind === 'not-utf8') {
    return new FreeholdError('data_invalid', `${file} is not UTF-8: byte ${at} begins no character.`, {
      hint: 'Say how such files are written, for instance with `--encoding windows-1252`, or leave it out.',
    });
  }
  const what = kind === 'zero-byte' ? `a zero byte at ${at}` : `many control characters from byte ${at} on`;
  return new FreeholdError('data_invalid', `${file} is not text: it holds ${what}.`, {
    hint: 'Training takes plain text. Leave binary files out; UTF-16 is read with `--encoding utf-16le`.',
  });
}

function emptyFile(file: string): FreeholdError {
  return new FreeholdError('data_invalid', `${file} is empty: there is nothing to train on.`, {
    hint: 'Name a file or a folder with text.',
  });
}

function fileError(error: unknown, file: string): FreeholdError {
  if (error instanceof FreeholdError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? String(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new FreeholdError('file_not_found', `There is no file or folder ${file}.`, { cause: error });
  }
  const hint = code === 'EACCES' || code === 'EPERM' ? 'Check who may read it.' : 'Check the disk.';
  return new FreeholdError('file_io', `${file} cannot be read: ${code}.`, { cause: error, hint });
}
