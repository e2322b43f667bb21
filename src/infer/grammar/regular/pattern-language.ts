// From a pattern to the texts that contain a match of it, which is what JSON Schema asks of `pattern`. An expression
// is built from the back: each part of the pattern gets the language of what may follow it.
import { FreeholdError } from '../../../lib/errors.ts';
import type { Expression, Expressions } from './expressions.ts';
import type { PatternNode } from './pattern.ts';

/**
 * @param field where the pattern stands, for messages
 * @returns every text in which the pattern matches somewhere
 * @throws FreeholdError unsupported for anchors and lookaheads where no automaton can follow them
 */
export function textsMatching(expressions: Expressions, node: PatternNode, field: string): Expression {
  const build = builder(expressions, field);
  const { anything, anyChar } = expressions;
  const fromStart = build(node, anything, true);
  const later = build(node, anything, false);
  // most patterns match the same wherever they begin
  if (fromStart === later) return expressions.sequence(anything, later);
  return expressions.either(fromStart, expressions.sequence(anyChar, anything, later));
}

type Build = (node: PatternNode, next: Expression, atStart: boolean) => Expression;

function builder(expressions: Expressions, field: string): Build {
  const refuse = (what: string) =>
    new FreeholdError('unsupported', `The pattern at ${field} has ${what}, which cannot be enforced.`, {
      field,
      hint: 'Put ^ first, $ last, and lookaheads outside repeated groups.',
    });

  /** @returns the texts that begin with a match of the node and go on as `next` */
  const build: Build = (node, next, atStart) => {
    switch (node.kind) {
      case 'chars':
        return expressions.sequence(expressions.chars(node.set), next);
      case 'either':
        return expressions.either(...node.items.map((item) => build(item, next, atStart)));
      case 'sequence':
        return buildSequence(node.items, next, atStart);
      case 'start':
        return atStart ? next : expressions.nothing;
      case 'end':
        return next.nullable ? expressions.empty : expressions.nothing;
      case 'look': {
        const seen = build(node.item, expressions.anything, atStart);
        return expressions.both(node.negative ? expressions.not(seen) : seen, next);
      }
      case 'repeat': {
        if (!isPositional(node.item)) {
          const item = build(node.item, expressions.empty, false);
          return expressions.sequence(expressions.repeat(item, node.min, node.max), next);
        }
        if (node.max > 1) throw refuse('an anchor or a lookahead inside a repeated group');
        if (node.max === 0) return next;
        const once = build(node.item, next, atStart);
        return node.min === 0 ? expressions.either(once, next) : once;
      }
      default:
        return node satisfies never;
    }
  };

  const buildSequence = (items: readonly PatternNode[], next: Expression, atStart: boolean): Expression => {
    const starts: boolean[] = [];
    for (const [i, item] of items.entries()) {
      starts.push(atStart);
      if (!atStart || isZeroWidth(item)) continue;
      if (canBeEmpty(item) && items.slice(i + 1).some(asksForStart)) throw refuse('^ after a part that may be empty');
      atStart = false;
    }
    return items.reduceRight((rest, item, i) => build(item, rest, starts[i] as boolean), next);
  };

  return build;
}

function partsOf(node: PatternNode): PatternNode[] {
  if (node.kind === 'sequence' || node.kind === 'either') return node.items;
  return node.kind === 'repeat' || node.kind === 'look' ? [node.item] : [];
}

/** Whether it matters where the node matches, not only what. */
function isPositional(node: PatternNode): boolean {
  return node.kind === 'start' || node.kind === 'end' || node.kind === 'look' || partsOf(node).some(isPositional);
}

function asksForStart(node: PatternNode): boolean {
  return node.kind === 'start' || partsOf(node).some(asksForStart);
}

/** Whether the node never takes a character. */
function isZeroWidth(node: PatternNode): boolean {
  if (node.kind === 'sequence' || node.kind === 'either') return node.items.every(isZeroWidth);
  return node.kind === 'start' || node.kind === 'end' || node.kind === 'look';
}

function canBeEmpty(node: PatternNode): boolean {
  switch (node.kind) {
    case 'chars':
      return false;
    case 'sequence':
      return node.items.every(canBeEmpty);
    case 'either':
      return node.items.some(canBeEmpty);
    case 'repeat':
      return node.min === 0 || canBeEmpty(node.item);
    default:
      return true;
  }
}
