// Which characters may come next in an answer: what rules most tokens of a vocabulary out before a step is computed for
// each of the others (phases.ts). Grammars and free text are asked elsewhere.
import type { Header } from './call-plan.ts';
import { trimStart, withoutBlanks } from './markers.ts';
import { freedom, type Phase, type Rules } from './phases.ts';

/**
 * Characters that the next token may begin with, as far as that is not up to a grammar.
 * @returns undefined where it is any
 */
export function nextChars(rules: Rules, phase: Phase): Set<number> | undefined {
  const chars = new Set<number>();
  const add = (text: string, held: string) => {
    if (text.length > held.length && text.startsWith(held)) chars.add(text.charCodeAt(held.length));
  };
  const { calls, thinking } = rules;
  const addHeaders = (headers: readonly Header[], held: string) => {
    for (const { text } of headers) {
      add(text, held);
      if (text === held && calls?.before) chars.add(calls.before.charCodeAt(0));
    }
  };
  switch (phase.at) {
    case 'text': {
      if (freedom(rules) === 'free') return undefined;
      if (phase.started) return chars;
      for (const blank of ' \t\r\n') chars.add(blank.charCodeAt(0));
      const held = trimStart(phase.held);
      if (thinking && !phase.thought) add(thinking.open, held);
      if (!calls) return chars;
      addHeaders(calls.first, held);
      for (const lead of calls.leads) add(lead, held);
      if (calls.commit !== '' || freedom(rules) === 'none') return chars;
      for (const { text } of calls.bare) {
        add(text, withoutBlanks(held));
        if (text === withoutBlanks(held)) chars.add(calls.before.charCodeAt(0));
      }
      return chars;
    }
    case 'header':
      addHeaders(phase.calls === 0 ? (calls?.first ?? []) : (calls?.next ?? []), phase.held);
      return chars;
    case 'footer':
      add(calls?.footer ?? '', phase.held);
      return chars;
    case 'between':
      addHeaders(calls?.next ?? [], phase.held);
      add(calls?.close ?? '', phase.held);
      return chars;
    case 'thought':
    case 'arguments':
    case 'done':
      return undefined;
    default:
      return phase satisfies never;
  }
}
