// Where an answer with thoughts and calls of tools is: what of it each token adds to, and which tokens may come. Pure: a
// step is computed first and taken later or never, so that the question whether a token may come next is the same as the
// question what it would do. Knows grammars only as something that allows tokens.
import type { TokenFilter } from '../sampler.ts';
import { type ArgumentsScan, beginScan, scanOn } from './arguments-scan.ts';
import type { CallPlan, Header } from './call-plan.ts';
import { beforeBlanks, findMarker, isBlank, trimStart, withoutBlanks } from './markers.ts';

/** A piece of an answer; texts are spelled (spelling.ts). */
export type Part =
  | { type: 'text' | 'thought' | 'arguments'; text: string }
  | { type: 'call'; name: string }
  | { type: 'call-end' };

/** Where an answer is. `held` is text that may yet turn out to be a marker's beginning. */
export type Phase =
  | { at: 'thought'; held: string; fresh: boolean }
  | {
      at: 'text';
      held: string;
      /** Whether text is out that is not blank. */
      started: boolean;
      /** Whether a thought went before: blanks after it are no text. */
      thought: boolean;
      /** Whether the schema of the answer takes what is held. */
      fits: boolean;
    }
  /** @property calls complete calls before this one */
  | { at: 'header'; held: string; calls: number }
  | { at: 'arguments'; tool: number; scan: ArgumentsScan; calls: number }
  | { at: 'footer'; held: string; calls: number }
  | { at: 'between'; held: string; calls: number }
  | { at: 'done'; calls: number };

export interface Step {
  phase: Phase;
  parts: Part[];
  /** What has to accept the token. */
  grammar?: 'schema' | { tool: number };
}

/** What an answer may hold. */
export interface Rules {
  /** Spelled; undefined: thoughts are not told from text. */
  thinking?: { open: string; close: string };
  /** Undefined: no tools. */
  calls?: CallPlan;
  /** Of the arguments of each tool, with the call's text around them; as they begin. */
  tools: readonly TokenFilter[];
  /** The same of the call that is being written, as far as it is written. */
  call: (tool: number) => TokenFilter;
  /** What text that is no call must satisfy; undefined where there must be a call. */
  schema?: TokenFilter;
}

/** Most blanks before an answer whose form is given. */
const mostBlanks = 4;

/** Most calls of one answer: a model that repeats itself comes to an end. */
export const mostCalls = 64;

const nothing: Part[] = [];

/**
 * What a token would do.
 * @param spelled its spelling
 * @param ends whether it ends a generation
 * @returns undefined where it may not come
 */
export function stepOf(rules: Rules, phase: Phase, token: number, spelled: string, ends: boolean): Step | undefined {
  if (ends) return endOf(rules, phase, token);
  switch (phase.at) {
    case 'thought':
      return thoughtStep(rules, phase, spelled, token);
    case 'text':
      return textStep(rules, phase, spelled, token);
    case 'header':
      return headerStep(rules, phase, spelled, token);
    case 'arguments':
      if (!rules.call(phase.tool).allows(token)) return undefined;
      return argumentsStep(rules, phase, spelled, nothing);
    case 'footer':
      return footerStep(rules, phase, spelled);
    case 'between':
      return betweenStep(rules, phase, spelled);
    case 'done':
      return undefined;
    default:
      return phase satisfies never;
  }
}

/** How free the text is that is no call. */
export function freedom({ calls, schema }: Rules): 'free' | 'schema' | 'none' {
  return calls?.choice === 'must' ? 'none' : schema ? 'schema' : 'free';
}

function endOf(rules: Rules, phase: Phase, token: number): Step | undefined {
  const free = freedom(rules);
  switch (phase.at) {
    case 'thought':
      return free === 'free' ? { phase, parts: nothing } : undefined;
    case 'text':
      if (free === 'free') return { phase, parts: nothing };
      if (free === 'none' || !phase.fits || !rules.schema?.allows(token)) return undefined;
      return { phase, parts: nothing, grammar: 'schema' };
    case 'between':
      return isBlank(phase.held) ? { phase: { at: 'done', calls: phase.calls }, parts: nothing } : undefined;
    default:
      return undefined;
  }
}

type PhaseAt<At extends Phase['at']> = Extract<Phase, { at: At }>;

function thoughtStep(rules: Rules, phase: PhaseAt<'thought'>, spelled: string, token: number): Step | undefined {
  const close = rules.thinking?.close as string;
  const buffer = phase.held + spelled;
  const { at, whole } = findMarker(buffer, close);
  const end = beforeBlanks(buffer, at);
  const text = phase.fresh ? trimStart(buffer.slice(0, end)) : buffer.slice(0, end);
  const parts: Part[] = text === '' ? nothing : [{ type: 'thought', text }];
  if (!whole) {
    return { phase: { at: 'thought', held: buffer.slice(end), fresh: phase.fresh && text === '' }, parts };
  }
  const after: Phase = { at: 'text', held: '', started: false, thought: true, fits: true };
  const rest = buffer.slice(at + close.length);
  if (rest === '') return { phase: after, parts };
  // the token goes on behind the thought; a grammar refuses it, since it sees the whole of it
  const step = textStep(rules, after, rest, token);
  return step && { ...step, parts: [...parts, ...step.parts] };
}

function textStep(rules: Rules, phase: PhaseAt<'text'>, spelled: string, token: number): Step | undefined {
  const { thinking, calls } = rules;
  const free = freedom(rules);
  // a control token without a meaning here
  if (spelled === '') return free === 'free' ? { phase, parts: nothing } : undefined;
  const buffer = phase.held + spelled;
  const begun = phase.started ? buffer : trimStart(buffer);
  let hold = buffer.length;
  if (thinking && !phase.started && !phase.thought && begun !== '') {
    if (begun.startsWith(thinking.open)) {
      const step = thoughtStep(
        rules,
        { at: 'thought', held: '', fresh: true },
        begun.slice(thinking.open.length),
        token,
      );
      return step;
    }
    if (thinking.open.startsWith(begun)) hold = buffer.length - begun.length;
  }
  // text of a given form may hold a marker's letters
  if (calls && (free === 'free' || (!phase.started && calls.choice !== 'never'))) {
    const call =
      calls.commit === ''
        ? bareCall(rules, calls, phase, buffer, spelled, token)
        : markedCall(rules, calls, phase, buffer, token);
    if (call === 'refused') return undefined;
    if (typeof call === 'object') return call;
    hold = Math.min(hold, call);
  }
  return free === 'free' ? freeText(rules, phase, buffer, hold) : formedText(rules, phase, buffer, hold, token);
}

/** Text of any form. @param hold where a marker might begin */
function freeText({ calls }: Rules, phase: PhaseAt<'text'>, buffer: string, hold: number): Step {
  const blank = isBlank(buffer);
  // blanks before a call belong to it, blanks after a thought to that
  const mayCall = calls && (calls.commit !== '' || !phase.started);
  const end = mayCall || hold < buffer.length ? beforeBlanks(buffer, hold) : !phase.started && blank ? 0 : hold;
  const out = buffer.slice(0, end);
  const text = phase.thought && !phase.started ? trimStart(out) : out;
  return {
    phase: { ...phase, held: buffer.slice(end), started: phase.started || !isBlank(out) },
    parts: text === '' ? nothing : [{ type: 'text', text }],
  };
}

/** Text that satisfies a schema, or no text at all. */
function formedText(
  { schema }: Rules,
  phase: PhaseAt<'text'>,
  buffer: string,
  hold: number,
  token: number,
): Step | undefined {
  if (!phase.started && isBlank(buffer)) {
    return buffer.length <= mostBlanks ? { phase: { ...phase, held: buffer }, parts: nothing } : undefined;
  }
  const partial = !phase.started && isBlank(buffer.slice(0, hold)) && hold < buffer.length;
  const fits = phase.fits && (schema?.allows(token) ?? false);
  if (!partial && !fits) return undefined;
  const grammar = fits ? ({ grammar: 'schema' } as const) : {};
  if (partial) return { phase: { ...phase, held: buffer, fits }, parts: nothing, ...grammar };
  const text = phase.started ? buffer : trimStart(buffer);
  return { phase: { ...phase, held: '', started: true }, parts: [{ type: 'text', text }], ...grammar };
}

/** @returns the step into a call; or where one might begin, the text's length for nowhere */
function markedCall(
  rules: Rules,
  calls: CallPlan,
  phase: PhaseAt<'text'>,
  buffer: string,
  token: number,
): Step | number | 'refused' {
  const { at, whole } = findMarker(buffer, calls.commit);
  if (!whole) return at;
  if (calls.choice === 'never') return 'refused';
  const before = buffer.slice(0, beforeBlanks(buffer, at));
  if (freedom(rules) !== 'free' && !isBlank(before)) return 'refused';
  const step = headerStep(rules, { at: 'header', held: '', calls: 0 }, buffer.slice(at), token);
  if (!step) return 'refused';
  const text = phase.started || !phase.thought ? before : trimStart(before);
  return text === '' ? step : { ...step, parts: [{ type: 'text', text }, ...step.parts] };
}

/** A call that is told by its JSON: until a tool's name is complete it may be any text. */
function bareCall(
  rules: Rules,
  calls: CallPlan,
  phase: PhaseAt<'text'>,
  buffer: string,
  spelled: string,
  token: number,
): Step | number | 'refused' {
  if (phase.started) return buffer.length;
  const begun = trimStart(buffer);
  if (begun === '') return buffer.length;
  if (calls.leads.includes(begun)) {
    return calls.choice === 'never' ? 'refused' : { phase: { at: 'header', held: '', calls: 0 }, parts: nothing };
  }
  const start = buffer.length - begun.length;
  if (freedom(rules) === 'none') {
    const step = headerStep(rules, { at: 'header', held: '', calls: 0 }, begun, token);
    if (step?.phase.at === 'header') return start;
    const complete = headerStep(rules, { at: 'header', held: trimStart(phase.held), calls: 0 }, spelled, token);
    return complete && complete.phase.at !== 'header' ? complete : 'refused';
  }
  const held = withoutBlanks(phase.held);
  const compact = withoutBlanks(buffer);
  const named = calls.bare.find(({ text }) => text === held);
  if (named && trimStart(spelled).startsWith(calls.before[0] as string)) {
    if (calls.choice === 'never') return 'refused';
    return intoArguments(rules, calls, named.tool, { token, spelled, calls: 0 }) ?? 'refused';
  }
  if (calls.bare.some(({ text }) => text.startsWith(compact))) return start;
  // a token that holds the end of a name and more would hide the call
  const crosses = calls.bare.some(({ text }) => compact.startsWith(text + calls.before[0]));
  return crosses ? 'refused' : buffer.length;
}

function headerStep(rules: Rules, phase: PhaseAt<'header'>, spelled: string, token: number): Step | undefined {
  const calls = rules.calls as CallPlan;
  const headers = phase.calls === 0 ? calls.first : calls.next;
  if (calls.before !== '') {
    const named = headers.find(({ text }) => text === phase.held);
    const step =
      named &&
      spelled[0] === calls.before[0] &&
      intoArguments(rules, calls, named.tool, { token, spelled, calls: phase.calls });
    if (step) return step;
  }
  return headerGoesOn(rules, headers, phase, spelled);
}

function headerGoesOn(
  rules: Rules,
  headers: readonly Header[],
  phase: PhaseAt<'header'>,
  spelled: string,
): Step | undefined {
  if (spelled === '') return undefined;
  const calls = rules.calls as CallPlan;
  const held = phase.held + spelled;
  if (!headers.some(({ text }) => text.startsWith(held))) return undefined;
  const whole = calls.before === '' ? headers.find(({ text }) => text === held) : undefined;
  if (!whole) return { phase: { ...phase, held }, parts: nothing };
  const scan = beginScan(0, calls.after.length);
  return {
    phase: { at: 'arguments', tool: whole.tool, scan, calls: phase.calls },
    parts: [{ type: 'call', name: calls.names[whole.tool] as string }],
  };
}

/** The first token behind a name. */
function intoArguments(
  rules: Rules,
  calls: CallPlan,
  tool: number,
  next: { token: number; spelled: string; calls: number },
): Step | undefined {
  if (!rules.tools[tool]?.allows(next.token)) return undefined;
  const scan = beginScan(calls.before.length, calls.after.length);
  const parts: Part[] = [{ type: 'call', name: calls.names[tool] as string }];
  return argumentsStep(rules, { at: 'arguments', tool, scan, calls: next.calls }, next.spelled, parts);
}

function argumentsStep(rules: Rules, phase: PhaseAt<'arguments'>, spelled: string, before: Part[]): Step {
  const calls = rules.calls as CallPlan;
  const { scan, json } = scanOn(phase.scan, spelled);
  const parts = [...before];
  if (json !== '') parts.push({ type: 'arguments', text: json });
  const grammar = { tool: phase.tool };
  if (!scan.complete) return { phase: { ...phase, scan }, parts, grammar };
  if (!phase.scan.complete) parts.push({ type: 'call-end' });
  const done = phase.calls + 1;
  if (!calls.parallel || done >= mostCalls) return { phase: { at: 'done', calls: done }, parts, grammar };
  if (scan.after > 0) return { phase: { ...phase, scan }, parts, grammar };
  const at = calls.footer === '' ? 'between' : 'footer';
  return { phase: { at, held: '', calls: done }, parts, grammar };
}

function footerStep({ calls }: Rules, phase: PhaseAt<'footer'>, spelled: string): Step | undefined {
  const { footer } = calls as CallPlan;
  const held = phase.held + spelled;
  if (spelled === '' || !footer.startsWith(held)) return undefined;
  const at = held === footer ? 'between' : 'footer';
  return { phase: { at, held: at === 'between' ? '' : held, calls: phase.calls }, parts: nothing };
}

function betweenStep(rules: Rules, phase: PhaseAt<'between'>, spelled: string): Step | undefined {
  const { next, close } = rules.calls as CallPlan;
  if (spelled === '') return undefined;
  const held = phase.held + spelled;
  if (close !== '' && held === close) return { phase: { at: 'done', calls: phase.calls }, parts: nothing };
  if (close !== '' && close.startsWith(held)) return { phase: { ...phase, held }, parts: nothing };
  // blanks alone: it may still end here
  if (isBlank(held) && next.some(({ text }) => text.startsWith(held)))
    return { phase: { ...phase, held }, parts: nothing };
  return headerGoesOn(rules, next, { at: 'header', held: phase.held, calls: phase.calls }, spelled);
}

/** What comes out where an answer ends as it is. */
export function partsAtEnd(phase: Phase): Part[] {
  switch (phase.at) {
    case 'thought':
      return isBlank(phase.held) ? [] : [{ type: 'thought', text: phase.held }];
    case 'text': {
      const text = phase.thought && !phase.started ? trimStart(phase.held) : phase.held;
      return text === '' ? [] : [{ type: 'text', text }];
    }
    case 'arguments':
      return phase.scan.complete ? [] : [{ type: 'call-end' }];
    default:
      return [];
  }
}
