// A file that a caller uploaded, as all protocols show it, and what its name may be.

export interface ShownFile {
  id: string;
  name: string;
  mediaType: string;
  purpose: string;
  sizeBytes: number;
  /** Milliseconds since 1970. */
  createdAt: number;
  expiresAt: number | undefined;
}

const mostNameCharacters = 255;

/**
 * The name of a file without what could harm whoever sees or saves it: paths, control characters, and marks that turn the
 * direction of text, so that `exe.txt` may not be shown for `txt.exe`.
 * @returns at most 255 characters; `unnamed` when nothing is left
 */
export function cleanFileName(given: string | undefined): string {
  const last = (given ?? '').split(/[/\\]/).at(-1) ?? '';
  const visible = last.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]/gu, '');
  const short = [...visible.trim()].slice(0, mostNameCharacters).join('');
  return /^\.*$/.test(short) ? 'unnamed' : short;
}

/** A media type as it may be kept and shown; anything else is bytes. */
export function cleanMediaType(given: string | undefined): string {
  return given !== undefined && /^[a-z0-9!#$&^_.+-]{1,64}\/[a-z0-9!#$&^_.+-]{1,64}$/.test(given)
    ? given
    : 'application/octet-stream';
}

/**
 * `content-disposition` that makes a browser save a file and never show it.
 * @param name as `cleanFileName` returns it
 */
export function attachment(name: string): string {
  const ascii = name.replace(/[^ -~]|["\\%;]/g, '_');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
