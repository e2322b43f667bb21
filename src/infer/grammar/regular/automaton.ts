// An expression as a deterministic automaton: one state per distinct derivative, only those from which a text can
// still end. Deterministic, because each state becomes a grammar rule and the grammar engine pays for every choice.
import { type CharSet, classesOf, union } from './char-set.ts';
import { type Expression, type Expressions, TooManyExpressions } from './expressions.ts';

export interface State {
  /** Whether the text may end here. */
  readonly accepts: boolean;
  /** Disjoint sets of characters and the state each leads to. */
  readonly edges: readonly { readonly set: CharSet; readonly to: number }[];
}

/** States by number; the text begins in state 0. No states: no text is in the language. */
export type Automaton = readonly State[];

/**
 * @param limit of states
 * @throws TooManyExpressions beyond it
 */
export function automatonOf(expressions: Expressions, start: Expression, limit: number): Automaton {
  const classes = classesOf(expressions.setsIn(start));
  const numbers = new Map<Expression, number>([[start, 0]]);
  const states: { accepts: boolean; edges: { set: CharSet; to: number }[] }[] = [];
  for (const expression of numbers.keys()) {
    const targets = new Map<Expression, CharSet[]>();
    for (const set of classes) {
      const rest = expressions.derive(expression, set[0] as number);
      if (rest === expressions.nothing) continue;
      const sets = targets.get(rest);
      if (sets) sets.push(set);
      else targets.set(rest, [set]);
    }
    const edges = [...targets].map(([rest, sets]) => {
      const to = numbers.get(rest) ?? numbers.size;
      numbers.set(rest, to);
      return { set: sets.length === 1 ? (sets[0] as CharSet) : union(...sets), to };
    });
    if (numbers.size > limit) throw new TooManyExpressions();
    states.push({ accepts: expression.nullable, edges });
  }
  return withoutDeadEnds(states);
}

function withoutDeadEnds(states: Automaton): Automaton {
  const from: number[][] = states.map(() => []);
  states.forEach(({ edges }, number) => {
    for (const { to } of edges) from[to]?.push(number);
  });
  const alive = new Set<number>();
  states.forEach(({ accepts }, number) => {
    if (accepts) alive.add(number);
  });
  for (const number of alive) for (const earlier of from[number] as number[]) alive.add(earlier);
  // every state is reached from the first: if that is dead, so are all
  const renumbered = new Map<number, number>();
  states.forEach((_, number) => {
    if (alive.has(number)) renumbered.set(number, renumbered.size);
  });
  return [...renumbered.keys()].map((number) => {
    const { accepts, edges } = states[number] as State;
    const kept = edges.filter(({ to }) => alive.has(to));
    return { accepts, edges: kept.map(({ set, to }) => ({ set, to: renumbered.get(to) as number })) };
  });
}

/** Lengths in characters of the shortest and the longest text; the longest may be infinite. */
export function lengthsOf(automaton: Automaton): { shortest: number; longest: number } {
  if (automaton.length === 0) return { shortest: Number.POSITIVE_INFINITY, longest: Number.NEGATIVE_INFINITY };
  return { shortest: shortestOf(automaton), longest: longestOf(automaton) };
}

function shortestOf(automaton: Automaton): number {
  const steps = new Map<number, number>([[0, 0]]);
  for (const [number, length] of steps) {
    const { accepts, edges } = automaton[number] as State;
    if (accepts) return length;
    for (const { to } of edges) if (!steps.has(to)) steps.set(to, length + 1);
  }
  return Number.POSITIVE_INFINITY;
}

/** By taking off states that nothing leads to, over and over; what is left lies on a cycle. */
function longestOf(automaton: Automaton): number {
  const entering = automaton.map(() => 0);
  for (const { edges } of automaton) for (const { to } of edges) entering[to] = (entering[to] as number) + 1;
  if ((entering[0] as number) > 0) return Number.POSITIVE_INFINITY;
  const longest = automaton.map(() => 0);
  const free = [0];
  let taken = 0;
  let result = 0;
  for (const number of free) {
    taken += 1;
    const { accepts, edges } = automaton[number] as State;
    const length = longest[number] as number;
    if (accepts) result = Math.max(result, length);
    for (const { to } of edges) {
      longest[to] = Math.max(longest[to] as number, length + 1);
      entering[to] = (entering[to] as number) - 1;
      if (entering[to] === 0) free.push(to);
    }
  }
  return taken === automaton.length ? result : Number.POSITIVE_INFINITY;
}
