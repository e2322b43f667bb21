// Stand-ins for what people and tools wrote, while a chat template is at work: each text goes in as a marker
// (private-use characters and a random number) and comes back, cut out of the rendering, as a piece of its own. So what
// is in it never counts as the template's own text. A template may write a text as JSON; the marker tells.
// Knows nothing of messages, and of tools only that their schemas have words of their own.
import { randomBytes } from 'node:crypto';
import { FreeholdError } from '../../lib/errors.ts';

/** A stretch of the prompt. Control tokens are recognised only in `template` pieces. */
export interface PromptPiece {
  origin: 'template' | 'text';
  text: string;
}

/** What JSON Schema itself is written with: templates look at these, and no control token is called so. */
const schemaWords: ReadonlySet<string> = new Set(
  [
    '$defs $id $ref $schema additionalProperties allOf anyOf array boolean const contains default definitions',
    'dependentRequired deprecated description else enum examples exclusiveMaximum exclusiveMinimum false format if',
    'integer items maxItems maxLength maxProperties maximum minItems minLength minProperties minimum multipleOf not',
    'null nullable number object oneOf pattern patternProperties prefixItems properties propertyNames readOnly required',
    'string then title true type unevaluatedProperties uniqueItems writeOnly',
  ].flatMap((words) => words.split(' ')),
);

const opening = '\u{f0000}';
const closing = '\u{f0001}';
/** What is left of a marker that the template cut, or wrote in ASCII only. */
const remains = /[\u{f0000}\u{f0001}]|\\udb80\\udc0[01]/iu;

export class Markers {
  /** Unguessable, so that no text can pass for a marker. Begins with a letter, which shows where a template changes case. */
  readonly #nonce = `n${randomBytes(9).toString('hex')}`;
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  /** A stand-in for this text, always the same for the same text. An empty text stands for itself: templates ask for it. */
  text(text: string): string {
    if (text === '') return '';
    let number = this.#numbers.get(text);
    if (number === undefined) {
      number = this.#texts.push(text) - 1;
      this.#numbers.set(text, number);
    }
    // JSON writes \" for the quote, and \\\" where it is itself written as JSON
    return `${opening}${this.#nonce}:${number}"${closing}`;
  }

  /**
   * The same value with stand-ins for its strings and for the names of its fields, but for the words of JSON Schema.
   * @throws RangeError when it is nested some thousand levels deep
   */
  json(value: unknown): unknown {
    if (typeof value === 'string') return schemaWords.has(value) ? value : this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.json(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [this.json(name), this.json(item)]));
  }

  /**
   * Cuts a rendering at the stand-ins.
   * @throws FreeholdError unsupported when a text is not in the rendering as it was given
   */
  split(rendered: string): PromptPiece[] {
    const parts = rendered.split(new RegExp(`${opening}${this.#nonce}:(\\d+)(\\\\*)"${closing}`, 'u'));
    const pieces: PromptPiece[] = [];
    for (let i = 0; i < parts.length; i += 3) {
      const own = parts[i] as string;
      if (remains.test(own)) throw rewritten();
      if (own !== '') pieces.push({ origin: 'template', text: own });
      if (i + 1 === parts.length) break;
      const text = this.#texts[Number(parts[i + 1])] as string;
      pieces.push({ origin: 'text', text: escaped(text, (parts[i + 2] as string).length) });
    }
    return pieces;
  }
}

/** @param backslashes before the marker's quote: none, 1 in JSON, 3 in JSON within a string of JSON, … */
function escaped(text: string, backslashes: number): string {
  const levels = Math.log2(backslashes + 1);
  if (!Number.isInteger(levels)) throw rewritten();
  let written = text;
  for (let level = 0; level < levels; level++) written = JSON.stringify(written).slice(1, -1);
  return written;
}

const rewritten = () =>
  new FreeholdError(
    'unsupported',
    'The chat template of this model rewrites messages in a way Freehold does not follow.',
    { hint: 'Use another build of the model, or one of the catalogue.' },
  );
