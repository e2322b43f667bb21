// Answers written by a script in the place of a model: texts as tokens, control tokens by name. What a schema would hold
// arguments to is a list of texts here, so that any piece of text may be a token.
import type { PromptPiece } from '../../src/infer/process/chat-template.ts';
import type { SchemaConstraint } from '../../src/infer/process/constraint.ts';
import { SplitAnswer } from '../../src/infer/process/split-answer.ts';
import type { Course } from '../../src/infer/process/tools/course.ts';
import { type Constrain, createAnswerFollower } from '../../src/infer/process/tools/follow-answer.ts';
import type { AnswerSyntax } from '../../src/infer/process/tools/syntax.ts';
import type { GenerateEvent, GenerateRequest } from '../../src/lib/text-model.ts';
import type { Vocabulary } from '../../src/native/llama.ts';

/** Ends an answer. */
export const end = '<end>';

/** A vocabulary that grows with the texts it is asked for; control tokens first. */
export class ScriptVocabulary {
  readonly texts: string[];
  readonly controls: number;

  constructor(controls: readonly string[]) {
    this.texts = [end, ...controls];
    this.controls = this.texts.length;
    // single bytes, as every vocabulary has them
    for (let code = 0; code < 256; code++) this.texts.push(String.fromCharCode(code));
  }

  /** @param text one character for each byte */
  token(text: string): number {
    const known = this.texts.lastIndexOf(text);
    return known >= 0 ? known : this.texts.push(text) - 1;
  }

  asVocabulary(): Vocabulary {
    const { texts, controls } = this;
    return {
      get size() {
        return texts.length;
      },
      controlTokens: new Map(texts.slice(0, controls).map((name, token) => [name, token])),
      userDefinedTokens: new Map(),
      isEndOfGeneration: (token: number) => token === 0,
      bytesOf: (token: number) =>
        token < controls ? new Uint8Array(0) : Uint8Array.from(Buffer.from(texts[token] as string, 'latin1')),
      tokenize: (text: string) =>
        Int32Array.from(Buffer.from(text, 'utf8').toString('latin1'), (char) => controls + char.charCodeAt(0)),
    } as unknown as Vocabulary;
  }
}

/** Takes texts that a list holds, within the frame. @param alive counts those not disposed */
export function listConstraint(
  texts: readonly string[],
  vocabulary: Vocabulary,
  alive: Set<unknown>,
  written = '',
): SchemaConstraint {
  const spelled = (token: number) => Buffer.from(vocabulary.bytesOf(token)).toString('latin1');
  let now = written;
  const made: SchemaConstraint = {
    allows(token) {
      if (vocabulary.isEndOfGeneration(token)) return texts.includes(now);
      const text = spelled(token);
      return text !== '' && texts.some((each) => each.startsWith(now + text));
    },
    mask(tokens, logits, count) {
      for (let i = 0; i < count; i++) if (!made.allows(tokens[i] as number)) logits[i] = -Infinity;
    },
    accept(token) {
      if (!made.allows(token)) throw new Error(`not allowed after ${now}: ${spelled(token)}`);
      now += spelled(token);
    },
    mayEnd: () => texts.includes(now),
    clone: () => listConstraint(texts, vocabulary, alive, now),
    dispose: () => void alive.delete(made),
  };
  alive.add(made);
  return made;
}

export interface ScriptOptions {
  syntax: AnswerSyntax;
  /** Which texts of the syntax are control tokens. Default: none. */
  controls?: readonly string[];
  request?: Partial<GenerateRequest>;
  /** Tokens of the vocabulary beside bytes; others are made as they are written. */
  texts?: readonly string[];
  /** End of the prompt. */
  prompt?: string;
}

export interface Script {
  course: Course;
  vocabulary: Vocabulary;
  events: GenerateEvent[];
  /** Constraints that are not disposed. */
  alive: Set<unknown>;
  text(token: number): string;
  /** Whether the text may come next as one token. */
  allows(text: string): boolean;
  /** Goes on with the texts, each a token. @returns whether the answer ended */
  write(...texts: string[]): boolean;
  /** Texts of single characters and of control tokens that may come next. */
  next(): string[];
  /** The token that must come, if there is one, is written. */
  force(): string | undefined;
}

/** A tool's `enum` in its schema stands for the arguments, as JSON texts. */
export async function startScript({
  syntax,
  controls = [],
  texts = [],
  request,
  prompt = '',
}: ScriptOptions): Promise<Script> {
  const script = new ScriptVocabulary(controls);
  for (const text of texts) script.token(text);
  const vocabulary = script.asVocabulary();
  const alive = new Set<unknown>();
  const constrain: Constrain = async (schema, _signal, frame = { before: '', after: '' }) =>
    listConstraint(
      (schema.examples as string[]).map((text) =>
        Buffer.from(frame.before + text + frame.after, 'utf8').toString('latin1'),
      ),
      vocabulary,
      alive,
    );
  const full: GenerateRequest = { messages: [], tenant: 'someone', traceId: 'test', ...request };
  const pieces: PromptPiece[] = [{ origin: 'template', text: prompt }];
  const followed = await createAnswerFollower(vocabulary, syntax).follow(
    full,
    pieces,
    constrain,
    new AbortController().signal,
  );
  if (!followed) throw new Error('the answer is text and nothing else');
  const { course } = followed;
  const answer = new SplitAnswer(vocabulary, full, followed);
  const events: GenerateEvent[] = [];
  const emit = (event: GenerateEvent) => void events.push(event);
  let ended = false;
  const take = (token: number) => {
    course.accept(token);
    const ending = answer.add({ token, logprob: -1 }, emit);
    if (!ending) return;
    ended = true;
    answer.end(ending, emit);
    emit({ type: 'stop', ...ending });
    course.dispose();
  };
  const tokenOf = (text: string) =>
    controls.includes(text) || text === end ? script.texts.indexOf(text) : script.token(text);
  return {
    course,
    vocabulary,
    events,
    alive,
    text: (token) => script.texts[token] as string,
    allows: (text) => course.allows(tokenOf(text)),
    write(...texts) {
      for (const text of texts) if (!ended) take(tokenOf(text));
      return ended;
    },
    next() {
      const count = script.controls + 256;
      const tokens = Int32Array.from({ length: count }, (_, token) => token);
      const logits = new Float32Array(count);
      course.mask(tokens, logits, count);
      return script.texts.slice(0, count).filter((_, token) => logits[token] === 0);
    },
    force() {
      const token = course.forced();
      if (token === undefined) return undefined;
      take(token);
      return script.texts[token];
    },
  };
}

/** Events with neighbours of one kind joined, ids left out. */
export function joined(events: readonly GenerateEvent[]): unknown[] {
  const all: GenerateEvent[] = [];
  for (const event of events) {
    const last = all.at(-1);
    if (event.type === 'text-delta' && last?.type === 'text-delta') last.text += event.text;
    else if (event.type === 'thinking-delta' && last?.type === 'thinking-delta') last.text += event.text;
    else if (event.type === 'tool-use-delta' && last?.type === 'tool-use-delta') last.json += event.json;
    else all.push({ ...event });
  }
  return all.map((event) => (event.type === 'tool-use-start' ? { type: event.type, name: event.name } : event));
}
