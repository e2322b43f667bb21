// From the texts that break sequences for DRY to the tokens that hold one of them. A text that only several tokens
// together spell is not found: it breaks nothing.
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What is asked of a vocabulary. */
interface Spelling {
  size: number;
  /** UTF-8 of a token. */
  bytesOf(token: number): Uint8Array;
}

/** Tokens read in one go; then whoever waits gets a turn. */
const readAtOnce = 4096;
/** Sets of texts kept for the next request that asks for the same. */
const kept = 16;

/** @returns tokens that hold one of the texts; empty texts are in none */
export type FindBreakers = (texts: readonly string[]) => Promise<ReadonlySet<number>>;

/** The vocabulary is read at the first call, and found sets are kept. */
export function createFindBreakers(vocabulary: Spelling): FindBreakers {
  let spelled: Promise<string[]> | undefined;
  const found = new Map<string, ReadonlySet<number>>();
  return async (texts) => {
    const key = JSON.stringify(texts);
    let breakers = found.get(key);
    if (!breakers) {
      spelled ??= spell(vocabulary);
      breakers = holding(await spelled, texts);
      const [oldest] = found.keys();
      if (found.size >= kept && oldest !== undefined) found.delete(oldest);
      found.set(key, breakers);
    }
    return breakers;
  };
}

/** Each token with one character a byte, so that bytes are found as text is. */
async function spell({ size, bytesOf }: Spelling): Promise<string[]> {
  const spelled: string[] = [];
  for (let token = 0; token < size; token++) {
    spelled.push(Buffer.from(bytesOf(token)).toString('latin1'));
    if (token % readAtOnce === readAtOnce - 1) await nextTurn();
  }
  return spelled;
}

function holding(spelled: string[], texts: readonly string[]): ReadonlySet<number> {
  const sought = texts.filter((text) => text !== '').map((text) => Buffer.from(text, 'utf8').toString('latin1'));
  const tokens = new Set<number>();
  spelled.forEach((spelling, token) => {
    if (sought.some((text) => spelling.includes(text))) tokens.add(token);
  });
  return tokens;
}
