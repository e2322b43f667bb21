// Follows an answer that may hold thoughts and calls of tools, token by token: which tokens may come next, which one must,
// and what of the answer each adds to. A constraint like that of a schema, off in free text and on from the moment a call
// begins; and the source of the answer's events (split-answer.ts). Knows nothing of sampling or of requests.
import { invariant } from '../../../lib/errors.ts';
import type { Constraint, SchemaConstraint } from '../constraint.ts';
import type { CallPlan } from './call-plan.ts';
import { trimStart } from './markers.ts';
import { nextChars } from './next-chars.ts';
import { type Part, type Phase, partsAtEnd, type Rules, type Step, stepOf } from './phases.ts';
import { RepeatedCalls } from './repeated-calls.ts';
import type { Spelling } from './spelling.ts';

export interface CourseOptions {
  spelling: Spelling;
  thinking?: {
    /** Spelled. */
    open: string;
    close: string;
    /** Tokens that end a thought which used up its budget. */
    cut: readonly number[];
    /** Whether the prompt ends in an open thought. */
    opened: boolean;
    /** Most tokens of thoughts; may be infinite. */
    budgetTokens: number;
  };
  calls?: CallPlan;
  /** Of the arguments of each tool, in its frame. */
  tools?: readonly SchemaConstraint[];
  /** Of text that is no call; not where there must be one. */
  schema?: Constraint;
  /** Whether the prompt ends in the beginning of the answer's text. */
  begun?: boolean;
}

export class Course implements Constraint {
  readonly #spelling: Spelling;
  readonly #rules: Rules;
  readonly #thinking: CourseOptions['thinking'];
  readonly #schema: Constraint | undefined;
  /** As they begin. */
  readonly #tools: readonly SchemaConstraint[];
  /** Of the call that is being written. */
  #call: Constraint | undefined;
  /** Of markers that begin a call or end a thought. */
  readonly #lastChars: readonly string[];
  #phase: Phase;
  /** The step of the token asked for last. */
  #asked: { token: number; step: Step | undefined } | undefined;
  readonly #repeated = new RepeatedCalls();
  #parts: Part[] = [];
  #thinkingTokens = 0;
  /** Tokens of thoughts that count for the budget. */
  #spent = 0;
  /** How many tokens of the cut are out. */
  #cut = 0;

  constructor({ spelling, thinking, calls, tools = [], schema, begun = false }: CourseOptions) {
    this.#spelling = spelling;
    this.#thinking = thinking;
    this.#tools = tools;
    this.#schema = schema;
    this.#rules = {
      tools,
      call: (tool) => this.#call ?? (tools[tool] as SchemaConstraint),
      ...(thinking && { thinking: { open: thinking.open, close: thinking.close } }),
      ...(calls && { calls }),
      ...(schema && { schema }),
    };
    this.#lastChars = [
      ...(thinking ? [thinking.close.slice(-1)] : []),
      ...(calls ? (calls.commit === '' ? [...calls.leads, calls.before.slice(0, 1)] : [calls.commit.slice(-1)]) : []),
    ];
    this.#phase = thinking?.opened
      ? { at: 'thought', held: '', fresh: true }
      : { at: 'text', held: '', started: begun, thought: false, fits: true };
  }

  /** Tokens of thoughts so far, those that end them included. */
  get thinkingTokens(): number {
    return this.#thinkingTokens;
  }

  /** Complete calls so far. */
  get calls(): number {
    const phase = this.#phase;
    if (phase.at === 'thought' || phase.at === 'text') return 0;
    return phase.calls + (phase.at === 'arguments' && phase.scan.complete ? 1 : 0);
  }

  /** Whether the answer ends here. */
  get done(): boolean {
    return this.#phase.at === 'done';
  }

  /** Whether the answer is at text. */
  get inText(): boolean {
    return this.#phase.at === 'text';
  }

  /** Whether the answer is at free text or a thought, where a token that ends it may be passed over. */
  get free(): boolean {
    return this.#phase.at === 'thought' || this.#phase.at === 'text';
  }

  /** The token that must come next, whatever the model would say: where a thought used up its budget. */
  forced(): number | undefined {
    const thinking = this.#thinking;
    if (!thinking) return undefined;
    if (this.#cut === 0 && (this.#phase.at !== 'thought' || this.#spent < thinking.budgetTokens)) return undefined;
    return thinking.cut[this.#cut];
  }

  allows(token: number): boolean {
    return this.#step(token) !== undefined;
  }

  mask(tokens: Int32Array, logits: Float32Array, count: number): void {
    const phase = this.#phase;
    if (phase.at === 'arguments') {
      this.#rules.call(phase.tool).mask(tokens, logits, count);
      return;
    }
    const chars = nextChars(this.#rules, phase);
    const formed = phase.at === 'text' && chars ? this.#schema : undefined;
    const taken = formed && phase.at === 'text' && phase.fits ? logits.slice(0, count) : undefined;
    if (taken) formed?.mask(tokens, taken, count);
    const mayEnd = phase.at === 'between';
    for (let i = 0; i < count; i++) {
      if (logits[i] === -Infinity || (taken && taken[i] !== -Infinity)) continue;
      const token = tokens[i] as number;
      // most tokens are settled without a step
      const allowed = chars
        ? this.#mayBegin(token, chars, mayEnd) && this.allows(token)
        : !this.#mayEndMarker(token) || this.allows(token);
      if (!allowed) logits[i] = -Infinity;
    }
  }

  /** Whether a token begins with one of these characters, or with blanks and one of them. */
  #mayBegin(token: number, chars: Set<number>, mayEnd: boolean): boolean {
    const first = this.#spelling.firstOf(token);
    if (first < 0) return mayEnd;
    if (!chars.has(first)) return false;
    if (first > 0x20 || this.#phase.at !== 'text') return true;
    const begun = trimStart(this.#spelling.of(token));
    return begun === '' || chars.has(begun.charCodeAt(0));
  }

  /** Whether a token could complete a marker: in free text only such a token may be refused, and one without text. */
  #mayEndMarker(token: number): boolean {
    const text = this.#spelling.of(token);
    return text === '' || this.#lastChars.some((char) => text.includes(char));
  }

  accept(token: number): void {
    const step = this.#step(token);
    invariant(step, `the answer takes the token ${token}`);
    this.#asked = undefined;
    const before = this.#phase;
    if (this.forced() === token) this.#cut += 1;
    if (step.grammar === 'schema') this.#schema?.accept(token);
    else if (step.grammar) {
      this.#call ??= (this.#tools[step.grammar.tool] as SchemaConstraint).clone();
      this.#call.accept(token);
    }
    const { parts, repeated } = this.#repeated.pass(step.parts);
    // a model that repeats a call would go on so
    const phase: Phase = repeated ? { at: 'done', calls: this.calls } : step.phase;
    if (this.#call && phase.at !== 'arguments') {
      this.#call.dispose();
      this.#call = undefined;
    }
    if (before.at === 'thought') {
      this.#spent += 1;
      this.#thinkingTokens += 1;
    } else if (phase.at === 'thought') this.#thinkingTokens += 1;
    this.#phase = phase;
    this.#parts.push(...parts);
  }

  /** What was added since the last time. */
  take(): Part[] {
    if (this.#parts.length === 0) return this.#parts;
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }

  /** What comes out where the answer ends as it is. */
  takeRest(): Part[] {
    return [...this.#repeated.takeRest(), ...partsAtEnd(this.#phase)];
  }

  dispose(): void {
    this.#call?.dispose();
    for (const tool of this.#tools) tool.dispose();
    this.#schema?.dispose();
  }

  #step(token: number): Step | undefined {
    if (this.#asked?.token === token) return this.#asked.step;
    const spelling = this.#spelling;
    const text = spelling.of(token);
    const step = stepOf(this.#rules, this.#phase, token, text, spelling.isEnd(token));
    this.#asked = { token, step };
    return step;
  }
}
