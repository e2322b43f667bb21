// Where in a text a marker begins, or could begin with what is still to come. Strings only.

const blank = /^[ \t\r\n]*$/;

export function isBlank(text: string): boolean {
  return blank.test(text);
}

export function withoutBlanks(text: string): string {
  return text.replace(/[ \t\r\n]/g, '');
}

/** The text without blanks at its beginning. */
export function trimStart(text: string): string {
  return text.replace(/^[ \t\r\n]+/, '');
}

export interface Found {
  /** Where the marker begins, or might begin at the end of the text; the text's length where it cannot. */
  at: number;
  /** Whether the whole of it is there. */
  whole: boolean;
}

/**
 * The first place where a text has the marker, or ends in a beginning of it.
 * @param marker not empty
 */
export function findMarker(text: string, marker: string): Found {
  const whole = text.indexOf(marker);
  if (whole >= 0) return { at: whole, whole: true };
  for (let at = Math.max(0, text.length - marker.length + 1); at < text.length; at++) {
    if (text.charCodeAt(at) === marker.charCodeAt(0) && marker.startsWith(text.slice(at))) return { at, whole: false };
  }
  return { at: text.length, whole: false };
}

/** The place after the last character before `at` that is not blank. */
export function beforeBlanks(text: string, at: number): number {
  let end = at;
  while (end > 0 && ' \t\r\n'.includes(text[end - 1] as string)) end -= 1;
  return end;
}
