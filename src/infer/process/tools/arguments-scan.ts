// Finds the arguments of a call in what is written after its name: so many characters, one JSON object, so many characters.
// The grammar has seen to it that there is an object; what is counted here is braces. One character is one byte.

/** How far a call is written. Plain data: a step that is not taken leaves no trace. */
export interface ArgumentsScan {
  /** Characters still to come before the object. */
  before: number;
  /** Open braces and brackets. */
  depth: number;
  inString: boolean;
  escaped: boolean;
  /** Whether the object is complete. */
  complete: boolean;
  /** Characters still to come after it. */
  after: number;
}

export function beginScan(before: number, after: number): ArgumentsScan {
  return { before, depth: 0, inString: false, escaped: false, complete: false, after };
}

/**
 * Goes on with a text.
 * @returns how far the call is then, and what of the text belongs to the object
 */
export function scanOn(scan: ArgumentsScan, text: string): { scan: ArgumentsScan; json: string } {
  const next = { ...scan };
  let at = Math.min(next.before, text.length);
  next.before -= at;
  const from = at;
  for (; at < text.length && !next.complete; at++) readChar(next, text[at] as string);
  const json = text.slice(from, at);
  next.after -= text.length - at;
  return { scan: next, json };
}

function readChar(scan: ArgumentsScan, char: string): void {
  if (scan.escaped) scan.escaped = false;
  else if (scan.inString) {
    if (char === '\\') scan.escaped = true;
    else if (char === '"') scan.inString = false;
  } else if (char === '"') scan.inString = true;
  else if (char === '{' || char === '[') scan.depth += 1;
  else if (char === '}' || char === ']') {
    scan.depth -= 1;
    scan.complete = scan.depth === 0;
  }
}
