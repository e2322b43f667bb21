// Documents and search results of Converse as text that a model reads. Text formats are decoded; nothing is fetched, and
// no PDF or Office file is taken apart: what has no text is refused by name. Pure.
import type { DocumentBlock } from '../../lib/text-model.ts';
import { invalid, type Path, unsupported } from './errors-at.ts';
import type { GivenDocument, GivenSearchResult } from './schema.ts';

/** Formats whose bytes are text. */
const textFormats = ['txt', 'md', 'csv', 'html'];

/** @throws FreeholdError unsupported for what has no text here; invalid_request for bytes that are none */
export function documentOf(given: GivenDocument, path: Path): DocumentBlock {
  if (given.citations?.enabled) throw noCitations([...path, 'citations']);
  const text = textOf(given, path);
  return { type: 'document', title: given.name, text: given.context ? `${given.context}\n\n${text}` : text };
}

/** What was found, under its title and where it was found. */
export function searchResultOf(given: GivenSearchResult, path: Path): DocumentBlock {
  if (given.citations?.enabled) throw noCitations([...path, 'citations']);
  const title = [given.title, given.source && `(${given.source})`].filter(Boolean).join(' ');
  return { type: 'document', ...(title && { title }), text: joined(given.content) };
}

/** A document inside a tool's result, which holds texts only. */
export const asText = ({ title, text }: DocumentBlock): string => (title ? `${title}\n\n${text}` : text);

const joined = (parts: readonly { text?: string | null | undefined }[]) =>
  parts.map(({ text }) => text ?? '').join('\n\n');

function textOf({ format, source }: GivenDocument, path: Path): string {
  if (source.s3Location) {
    throw unsupported([...path, 'source', 's3Location'], 'Documents are not fetched from S3.', 'Send the bytes.');
  }
  if (typeof source.text === 'string') return source.text;
  if (source.content) return joined(source.content);
  if (typeof source.bytes !== 'string') throw invalid([...path, 'source'], 'Field required');
  if (format && !textFormats.includes(format)) {
    const message = `Documents of format '${format}' are not read; those of ${textFormats.join(', ')} are.`;
    throw unsupported([...path, 'format'], message, 'Send its text instead.');
  }
  const bytes = decodeBase64(source.bytes, [...path, 'source', 'bytes']);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid([...path, 'source', 'bytes'], 'The document is not valid UTF-8.');
  }
}

/** @throws FreeholdError invalid_request for text that is no base64 */
export function decodeBase64(text: string, path: Path): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) throw invalid(path, 'Input should be base64.');
  return Buffer.from(text, 'base64');
}

const noCitations = (path: Path) =>
  unsupported(path, 'Citations are not supported.', 'Leave it out, and ask for quotes in the prompt.');
