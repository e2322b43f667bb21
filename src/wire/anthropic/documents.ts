// Documents and search results of the Anthropic API as text that a model reads. Nothing is fetched, and no PDF is taken
// apart: what has no text is refused by name. Citations are refused too: an answer that should cite and does not would
// pass for one that had nothing to cite. Pure.
import type { DocumentBlock } from '../../lib/text-model.ts';
import type { RequestContext } from '../completion.ts';
import { imagesRefused } from '../images.ts';
import type { GivenDocument, GivenSearchResult } from './blocks-schema.ts';
import { invalid, type Path, unsupported } from './errors-at.ts';

/** Texts of the files a request names; undefined where none could be looked up. */
export type RequestFiles = RequestContext['files'];

/**
 * @param files what is known of the files that requests of this caller may name
 * @throws FreeholdError unsupported for what has no text here; invalid_request for a file that is not there
 */
export function documentOf(given: GivenDocument, path: Path, files: RequestFiles): DocumentBlock {
  if (given.citations?.enabled) throw noCitations([...path, 'citations']);
  const text = textOf(given, [...path, 'source'], files);
  const body = given.context ? `${given.context}\n\n${text.text}` : text.text;
  const title = given.title ?? text.title;
  return { type: 'document', ...(title && { title }), text: body };
}

/** What was found, under its title and where it was found. */
export function searchResultOf(given: GivenSearchResult, path: Path): DocumentBlock {
  if (given.citations?.enabled) throw noCitations([...path, 'citations']);
  const title = [given.title, given.source && `(${given.source})`].filter(Boolean).join(' ');
  return { type: 'document', ...(title && { title }), text: given.content.map(({ text }) => text).join('\n\n') };
}

/** A document inside a tool's result, which holds texts only. */
export const asText = ({ title, text }: DocumentBlock): string => (title ? `${title}\n\n${text}` : text);

function textOf({ source }: GivenDocument, path: Path, files: RequestFiles): { text: string; title?: string } {
  switch (source.type) {
    case 'text':
      return { text: source.data };
    case 'content': {
      if (typeof source.content === 'string') return { text: source.content };
      const texts = source.content.map((part, index) => {
        if (part.type === 'text') return part.text;
        throw imagesRefused([...path, 'content', index], 'dots');
      });
      return { text: texts.join('\n\n') };
    }
    case 'file': {
      const file = files?.get(source.file_id);
      if (!file) {
        throw invalid(
          [...path, 'file_id'],
          `There is no file "${source.file_id}" here.`,
          'POST /v1/files uploads one.',
        );
      }
      if (file.text === undefined) {
        throw unsupported([...path, 'file_id'], `The file is ${file.mediaType}, and only text is read.`, sendText);
      }
      return { text: file.text, title: file.name };
    }
    case 'base64':
      throw unsupported([...path, 'media_type'], 'PDF documents are not read.', sendText);
    case 'url':
      throw unsupported([...path, 'url'], 'Documents are not fetched from other servers.', sendText);
    default:
      return source satisfies never;
  }
}

const sendText = "Send its text as a source of type 'text'.";

const noCitations = (path: Path) =>
  unsupported(path, 'Citations are not supported.', 'Leave it out, and ask for quotes in the prompt.');
