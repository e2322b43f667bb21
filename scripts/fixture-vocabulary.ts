// The vocabulary of the fixture model: three control tokens, the 256 bytes, and merges learned by byte-pair encoding
// from the short text below. Deterministic: counts decide, then the spelling of the pair.
// Byte-level BPE as in GPT-2: every byte is shown as one printable character.

/** English in which the words of prompts and answers occur; ours. */
const corpus = `
You are a helpful assistant. The user asks and the assistant answers. The user said hello, and the assistant said
hello there. How are you today? I am well, thank you for asking. What is the name of the city where you live? It is a
small town by the sea, and there are many boats in the water. Please write one sentence about the weather. The weather
is fine, the sun is out, and the wind comes from the west. Tell me a story about a house on a hill. There was once an
old house on a hill, and in the house there lived an old woman with her two cats. Every morning she would open the door
and look at the river, and every evening she would close the door and light the fire. One day a man came up the road.
He had walked a long way, and he was cold and tired. "Come in," said the woman, "and sit by the fire." So the man came
in and sat down, and he told her about the places that he had seen. What should I do with this list of words? Count
them, then sort them by their length, and write the longest one first. Can you explain what a model is? A model is a
function with many numbers in it. Training changes the numbers until the function gives the answers that we want. A
computer reads the words as tokens, one after another, and for every token it says which token could come next. This is
a test of the server and of the client. The answer to the question is yes. The answer to the other question is no. Do
not forget to count the words in the message. Give me three reasons why people read books. First, they want to know
what other people think. Second, they want to learn something new. Third, it is a good way to spend the time when it is
raining. Say something that is short. Say something that is very long and that never seems to come to an end. What can
you see from the window? I can see the street, the trees, some children with a dog, and the light of the shop where the
bread is made. Where does the road go? It goes over the bridge, along the river, and then through the forest to the
next town. When will they be back? They will be back before the winter, when the days are short and the nights are long.
system user assistant system user assistant system user assistant
`;

export const controlTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'] as const;

/** The printable character that stands for each byte: itself where it is printable Latin-1, else one from U+0100 on. */
export const byteCharacters: readonly string[] = (() => {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
})();

/** How text is cut before merging, as in GPT-2: words with the space before them, single digits, punctuation. */
const pieces = /'(?:s|t|re|ve|m|ll|d)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

export interface Vocabulary {
  /** Spelling of every token in byte characters, by id. */
  tokens: string[];
  /** "left right" in the order they apply. */
  merges: string[];
}

/** Learns up to `mergeCount` merges, fewer when no pair is left that occurs twice. */
export function makeVocabulary(mergeCount: number): Vocabulary {
  const text = corpus.trim().replaceAll('\n', ' ');
  const counts = new Map<string, number>();
  for (const [piece] of text.matchAll(pieces)) counts.set(piece, (counts.get(piece) ?? 0) + 1);
  const words = [...counts].map(([piece, count]) => ({
    count,
    symbols: Array.from(Buffer.from(piece), (byte) => byteCharacters[byte] as string),
  }));
  const tokens = [...controlTokens, ...byteCharacters];
  const merges: string[] = [];
  while (merges.length < mergeCount) {
    const pair = mostFrequentPair(words);
    if (pair === undefined) break;
    const [left, right] = pair.split(' ') as [string, string];
    merges.push(pair);
    tokens.push(left + right);
    for (const word of words) word.symbols = merge(word.symbols, left, right);
  }
  return { tokens, merges };
}

function mostFrequentPair(words: readonly { count: number; symbols: string[] }[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { count, symbols } of words) {
    for (let index = 1; index < symbols.length; index++) {
      const pair = `${symbols[index - 1]} ${symbols[index]}`;
      counts.set(pair, (counts.get(pair) ?? 0) + count);
    }
  }
  let best: string | undefined;
  let bestCount = 1;
  for (const [pair, count] of counts) {
    if (count > bestCount || (count === bestCount && best !== undefined && pair < best)) {
      best = pair;
      bestCount = count;
    }
  }
  return best;
}

function merge(symbols: string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let index = 0; index < symbols.length; index++) {
    if (symbols[index] === left && symbols[index + 1] === right) {
      merged.push(left + right);
      index += 1;
    } else merged.push(symbols[index] as string);
  }
  return merged;
}
