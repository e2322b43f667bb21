// Finds the names of special tokens in a text the way libllama does where it is told to parse them: the longest name first,
// each in what the longer ones left, from left to right.

/** Plain bytes from `from` to `to`, or a special token that stands there. */
export interface Stretch {
  from: number;
  to: number;
  id?: number;
}

/** @returns stretches in order that make up all of the text; empty ones left out */
export function findSpecials(bytes: Uint8Array, specials: ReadonlyMap<string, number>): Stretch[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const names = [...specials]
    .map(([name, id]) => ({ name: Buffer.from(name, 'utf8'), id }))
    .filter(({ name }) => name.length > 0)
    .sort((a, b) => b.name.length - a.name.length);
  let stretches: Stretch[] = [{ from: 0, to: bytes.length }];
  for (const { name, id } of names) {
    if (!text.includes(name)) continue;
    stretches = stretches.flatMap((stretch) => (stretch.id === undefined ? split(text, stretch, name, id) : [stretch]));
  }
  return stretches.filter(({ from, to }) => from < to);
}

function split(text: Buffer, { from, to }: Stretch, name: Buffer, id: number): Stretch[] {
  const parts: Stretch[] = [];
  // what lies behind is not searched again for every stretch
  const within = text.subarray(0, to);
  let at = from;
  for (;;) {
    const found = within.indexOf(name, at);
    if (found < 0) break;
    parts.push({ from: at, to: found }, { from: found, to: found + name.length, id });
    at = found + name.length;
  }
  parts.push({ from: at, to });
  return parts;
}
