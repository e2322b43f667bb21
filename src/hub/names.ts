// How models are called on this machine: lower case, one optional `:quantisation`, safe as a file name.
// Knows strings only.
import { splitFileName } from './quantisation.ts';

/** Turns any text into a model name: lower case letters, digits, `.`, `_`, `-`. Empty when nothing is left. */
export function toModelName(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[-._]+|[-._]+$/g, '');
}

/** `Qwen3-4B-Q4_K_M.gguf` -> `qwen3-4b:q4_k_m`; a `-gguf` ending is left out. */
export function nameOfFile(file: string): string {
  const { stem, quantisation } = splitFileName(file);
  const base = toModelName(stem.replace(/[-._]gguf$/i, '')) || 'model';
  return quantisation ? `${base}:${quantisation.toLowerCase()}` : base;
}

/** The part before `:`. */
export function withoutTag(name: string): string {
  return name.split(':')[0] ?? name;
}

/** The file name, without ending, that a model is stored under; `:` becomes `@`, which no name contains. */
export function fileStemOf(name: string): string {
  return name.replaceAll(':', '@').replaceAll('/', '+');
}
