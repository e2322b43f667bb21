// What holds an answer to a JSON schema: from the schema to a grammar that runs along the tokens of one answer. The
// schema is compiled away from the step loop (constraint-compiler.ts), once: the same schema comes again with each
// request of a program, so compiled ones are kept, and an answer begins with a copy. Knows nothing of sampling.
import { cancelled, FreeholdError, fromErrorRecord, invariant } from '../../lib/errors.ts';
import type { Native } from '../../native/ffi.ts';
import { Grammar } from '../../native/grammar.ts';
import type { Model } from '../../native/llama.ts';
import { literal } from '../grammar/rules.ts';
import { createSchemaCompiler, type Verdict } from './constraint-compiler.ts';
import type { TokenFilter } from './sampler.ts';

/** Which tokens may follow the answer so far. Where its text can only end, nothing but tokens that end it are allowed. */
export interface Constraint extends TokenFilter {
  /**
   * The answer goes on with a token that `allows` allows; one that ends it changes nothing.
   * @throws FreeholdError unsupported, and disposes the constraint, when the schema has too many readings to follow
   */
  accept(token: number): void;
  /** Frees native memory; the second time nothing. */
  dispose(): void;
}

/** A constraint by a schema. */
export interface SchemaConstraint extends Constraint {
  /** Whether the answer is complete: a token that ends it is allowed. */
  mayEnd(): boolean;
  /** An independent one in the same state. */
  clone(): SchemaConstraint;
}

/** Longest schema, in characters of JSON. */
export const maxSchemaLength = 1_000_000;

/** Compiled schemas kept for each model, and most characters of schemas and grammars together. */
const mostKept = 256;
const mostKeptLength = 8_000_000;

interface Kept {
  verdict: Promise<Verdict>;
  /** Ends the compiling, once nobody waits for it. */
  abort: AbortController;
  waiters: number;
  /** Whether the verdict is there. */
  settled: boolean;
  /** Characters, as soon as they are known. */
  length: number;
  /** In the state before the first token. */
  grammar?: Grammar;
  /** Constraints that still look at `grammar`. */
  users: number;
}

/** How a value is held to its schema, and the text that stands around it, with nothing in between. */
export interface Frame {
  before: string;
  after: string;
  /** Whether what of the schema, one of an object, cannot be enforced is left out. Default false: it is an error. */
  relaxed?: boolean;
}

const compiler = createSchemaCompiler();
/** By the schema's JSON and what stands around its values; the one used last at the end. */
const keptOf = new WeakMap<Model, Map<string, Kept>>();

/**
 * A constraint for one answer; several at once for one schema cost a copy each.
 * @param schema JSON schema of the whole answer
 * @param signal aborting ends the waiting
 * @param frame what the answer holds beside the value, and whether the schema may be relaxed. Default: nothing, no
 * @throws FreeholdError invalid_request or unsupported for a schema that cannot be enforced, `field` being the place in
 *   it (`#/properties/name`); overloaded when too many others wait to be compiled; cancelled
 */
export async function createConstraint(
  native: Native,
  model: Model,
  schema: Record<string, unknown>,
  signal?: AbortSignal,
  frame?: Frame,
): Promise<SchemaConstraint> {
  const text = JSON.stringify(schema);
  const key = frame ? JSON.stringify([text, frame.before, frame.after, frame.relaxed ?? false]) : text;
  if (text.length > maxSchemaLength) {
    throw new FreeholdError(
      'unsupported',
      `The schema has ${text.length} characters; at most ${maxSchemaLength} are read.`,
      {
        hint: 'Use a smaller schema.',
        field: '#',
      },
    );
  }
  if (signal?.aborted) throw cancelled();
  const all = keptOf.get(model) ?? new Map<string, Kept>();
  keptOf.set(model, all);
  const kept = all.get(key) ?? compile({ text, key, relaxed: frame?.relaxed ?? false }, all);
  all.delete(key);
  all.set(key, kept);
  const verdict = await verdictOf(kept, signal, () => {
    all.delete(key);
    kept.abort.abort();
  });
  if ('error' in verdict) throw fromErrorRecord(verdict.error);
  await Grammar.prepare(model);
  if (signal?.aborted) throw cancelled();
  // others may have taken its place meanwhile
  if (all.get(key) !== kept) return createGrammar(native, model, verdict.grammar, frame);
  kept.grammar ??= createGrammar(native, model, verdict.grammar, frame);
  return new SharedStart(kept, kept.grammar);
}

function createGrammar(native: Native, model: Model, text: string, frame: Frame | undefined): Grammar {
  if (!frame) return Grammar.create(native, model, text);
  const parts = [literal(frame.before), 'root', literal(frame.after)].filter((part) => part !== '""');
  return Grammar.create(native, model, `${text}framed ::= ${parts.join(' ')}\n`, 'framed');
}

/** Begins at the grammar that all share, and copies it with the first token: an answer that waits costs no memory. */
class SharedStart implements SchemaConstraint {
  readonly #kept: Kept;
  #grammar: Grammar;
  #state: 'shared' | 'own' | 'disposed' = 'shared';

  constructor(kept: Kept, grammar: Grammar) {
    this.#kept = kept;
    this.#grammar = grammar;
    kept.users += 1;
  }

  allows(token: number): boolean {
    return this.#use().allows(token);
  }

  mask(tokens: Int32Array, logits: Float32Array, count: number): void {
    this.#use().mask(tokens, logits, count);
  }

  mayEnd(): boolean {
    return this.#use().mayEnd();
  }

  accept(token: number): void {
    if (this.#state === 'shared') {
      this.#grammar = this.#grammar.clone();
      this.#state = 'own';
      this.#kept.users -= 1;
    }
    this.#use().accept(token);
  }

  clone(): SchemaConstraint {
    const grammar = this.#use();
    return this.#state === 'shared' ? new SharedStart(this.#kept, grammar) : grammar.clone();
  }

  dispose(): void {
    if (this.#state === 'own') this.#grammar.dispose();
    if (this.#state === 'shared') this.#kept.users -= 1;
    this.#state = 'disposed';
  }

  #use(): Grammar {
    invariant(this.#state !== 'disposed', 'a constraint is not used after its disposal');
    return this.#grammar;
  }
}

function compile(
  { text, key, relaxed }: { text: string; key: string; relaxed: boolean },
  all: Map<string, Kept>,
): Kept {
  const abort = new AbortController();
  const verdict = compiler.compile(text, abort.signal, relaxed);
  const kept: Kept = { verdict, abort, waiters: 0, settled: false, length: text.length, users: 0 };
  verdict.then(
    (result) => {
      kept.settled = true;
      if ('grammar' in result) kept.length += result.grammar.length;
      dropOldest(all);
    },
    () => {
      // no word on the schema itself: the next request asks again
      if (all.get(key) === kept) all.delete(key);
    },
  );
  return kept;
}

function dropOldest(all: Map<string, Kept>): void {
  let length = 0;
  for (const kept of all.values()) length += kept.length;
  for (const [key, kept] of all) {
    if (all.size <= mostKept && length <= mostKeptLength) return;
    if (kept.waiters + kept.users > 0) continue;
    all.delete(key);
    length -= kept.length;
    kept.grammar?.dispose();
  }
}

/** @param onDeserted called when the last one who waited has left before the verdict */
async function verdictOf(kept: Kept, signal: AbortSignal | undefined, onDeserted: () => void): Promise<Verdict> {
  kept.waiters += 1;
  let leave = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(cancelled());
    signal?.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([kept.verdict, left]);
  } finally {
    signal?.removeEventListener('abort', leave);
    kept.waiters -= 1;
    if (kept.waiters === 0 && !kept.settled && signal?.aborted) onDeserted();
  }
}
