// What a person types after `freehold pull`: NAME, NAME:quant, hf:owner/repo[:quant], hf:owner/repo/file.gguf, a file,
// a URL. Parses only; whether the thing exists is for others to find out.
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { FreeholdError } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { normaliseQuantisation } from './quantisation.ts';

export type ModelReference =
  | { type: 'name'; name: string; quantisation?: string }
  | { type: 'hub'; repo: string; file?: string; quantisation?: string }
  | { type: 'file'; file: string }
  | { type: 'url'; url: string };

const forms = 'NAME, NAME:quantisation, hf:owner/repo[:quantisation], hf:owner/repo/file.gguf, a path, or an https URL';

/**
 * @param hubEndpoint URLs of files there are taken as hub references, so that their checksums are used
 * @throws FreeholdError invalid_request naming what was given and the forms there are
 */
export function parseReference(text: string, hubEndpoint: string): ModelReference {
  const given = text.trim();
  if (given === '') throw refuse(text, 'it is empty');
  if (/^hf:/i.test(given)) return parseHub(given.slice(3), given);
  if (/^https?:\/\//i.test(given)) return parseUrl(given, hubEndpoint);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) throw refuse(given, 'only https URLs can be pulled');
  if (looksLikePath(given)) {
    const file = given.startsWith('~/') ? path.join(homedir(), given.slice(2)) : path.resolve(given);
    return { type: 'file', file };
  }
  const [name = '', quantisation, ...rest] = given.toLowerCase().split(':');
  if (rest.length > 0 || !/^[a-z0-9][a-z0-9._/-]*$/.test(name)) throw refuse(given, 'that is no model name');
  if (quantisation === undefined) return { type: 'name', name };
  if (!/^[a-z0-9._-]+$/.test(quantisation)) throw refuse(given, 'what follows the colon is no quantisation');
  return { type: 'name', name, quantisation: normaliseQuantisation(quantisation) };
}

function looksLikePath(given: string): boolean {
  if (/^(\/|\.{1,2}[\\/]|~\/|[a-z]:[\\/])/i.test(given) || given.includes('\\')) return true;
  return /\.gguf$/i.test(given) || (given.includes('/') && existsSync(given));
}

function parseHub(rest: string, given: string): ModelReference {
  const [location = '', quantisation, ...more] = rest.replace(/^\/+/, '').split(':');
  const [owner, repo, ...file] = location.split('/').map(decode);
  const plain = /^[\w][\w.-]*$/;
  if (more.length > 0 || !owner || !repo || !plain.test(owner) || !plain.test(repo)) {
    throw refuse(given, 'a hub reference is hf:owner/repo');
  }
  const reference: ModelReference = { type: 'hub', repo: `${owner}/${repo}` };
  if (file.length > 0) {
    const name = file.join('/');
    if (!/\.gguf$/i.test(name) || file.some((part) => part === '' || part === '.' || part === '..')) {
      throw refuse(given, 'a file of the hub must end in .gguf');
    }
    reference.file = name;
  }
  if (quantisation) reference.quantisation = normaliseQuantisation(quantisation);
  return reference;
}

function parseUrl(given: string, hubEndpoint: string): ModelReference {
  let url: URL;
  try {
    url = new URL(given);
  } catch {
    throw refuse(given, 'it is not a valid URL');
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw refuse(given, 'plain http is accepted from this machine only; use https');
  }
  try {
    decodeURIComponent(url.pathname);
  } catch {
    throw refuse(
      given,
      'a % in it is not followed by two hexadecimal digits of valid text; write %25 for the sign itself',
    );
  }
  if (url.username || url.password) throw refuse(given.replace(/\/\/[^@]*@/, '//'), 'a URL may not carry a password');
  if (url.origin === new URL(hubEndpoint).origin) {
    const found = /^\/([^/]+)\/([^/]+)(?:\/(?:resolve|blob)\/main\/(.+))?\/?$/.exec(url.pathname);
    if (found) return parseHub(`${found[1]}/${found[2]}${found[3] ? `/${found[3]}` : ''}`, given);
  }
  return { type: 'url', url: url.href };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function refuse(given: string, why: string): FreeholdError {
  return new FreeholdError('invalid_request', `"${given}" cannot be pulled: ${why}.`, { hint: `Give ${forms}.` });
}
