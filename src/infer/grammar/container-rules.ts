// Rules for objects and arrays, given rules for what they hold. Properties come in the order of the schema, each at
// most once, with any subset of the optional ones; names the schema does not list come last.
import type { JsonRules } from './json-rules.ts';
import { type Alternative, literal, maxRepetitions, type Rule } from './rules.ts';

export interface PropertyRule {
  name: string;
  value: Rule;
  required: boolean;
}

/** Properties beyond the listed ones. */
export interface OtherProperties {
  /** Strings that are none of the listed names. */
  names: readonly Alternative[];
  value: Rule;
}

/**
 * After the opening brace, and after each comma, the next name decides which property it is; a property that may be
 * left out passes the turn to the one after it.
 */
export function objectAlternative(
  json: JsonRules,
  properties: readonly PropertyRule[],
  others: OtherProperties | undefined,
): Alternative {
  const { rules, gap, colon } = json;
  const quote = literal('"');
  const quoted = (name: string) => literal(JSON.stringify(name).slice(1));
  // from the back: what may follow property i, and what property i and those after it may be
  let names: Rule | undefined;
  let more: Alternative = [];
  if (others) {
    const other = [rules.rule('name', others.names), ...colon, others.value];
    more = rules.repeat([literal(','), ...gap, ...other], 0, Number.POSITIVE_INFINITY);
    // listed names share their opening quote; the name of another property brings its own
    names = rules.rule('others', [[...other, ...more]]);
  }
  let mayEnd = true;
  let listed: Rule | undefined;
  let last = names;
  for (const { name, value, required } of [...properties].reverse()) {
    const here: Alternative = [quoted(name), ...colon, value, ...more];
    listed = rules.rule('names', [here, ...(required || !listed ? [] : [[listed]])]);
    if (required) last = undefined;
    mayEnd &&= !required;
    const next: Alternative[] = [[quote, listed], ...(last ? [[last]] : [])];
    const following = [literal(','), ...gap, rules.rule('next', next)];
    more = [rules.rule('more', [...(mayEnd ? [[]] : []), following])];
    names = rules.rule('next', next);
  }
  const filled = names ? [[...gap, names, ...gap]] : [];
  return [literal('{'), rules.rule('members', [...(mayEnd ? [gap] : []), ...filled]), literal('}')];
}

/** Elements of an array. */
export interface ElementRules {
  /** Rules of the first elements. */
  prefix: readonly Rule[];
  /** The rule of all others; undefined: there are none. */
  rest: Rule | undefined;
  min: number;
  /** At least `min`; may be infinite. */
  max: number;
}

export function arrayAlternative(json: JsonRules, { prefix, rest, min, max }: ElementRules): Alternative {
  const { rules, gap } = json;
  const comma = [literal(','), ...gap];
  const first = prefix.slice(0, max);
  const restMax = rest ? Math.min(max - first.length, maxRepetitions) : 0;
  const restMin = Math.max(0, min - first.length);
  const unbounded = rest && max === Number.POSITIVE_INFINITY;
  const open = literal('[');
  const close = literal(']');
  if (restMin > restMax && !unbounded) return [rules.rule('no-array', [])];
  const tail = rest ? rules.repeat([...comma, rest], restMin, unbounded ? max : restMax) : [];
  let elements: Alternative;
  if (first.length > 0) {
    // from the back: element i, then the end or the elements after it
    let more: Alternative = tail;
    first.forEach((_, fromBack) => {
      const index = first.length - 1 - fromBack;
      const following = [...(index === 0 ? [] : comma), first[index] as Rule, ...more];
      more = index < min || index === 0 ? following : [rules.rule('more', [[], following])];
    });
    elements = more;
  } else {
    if (!rest || max === 0) return [open, ...gap, close];
    const after = rules.repeat([...comma, rest], Math.max(0, min - 1), unbounded ? max : restMax - 1);
    elements = [rest, ...after];
  }
  const filled = [...gap, ...elements, ...gap];
  return [open, rules.rule('elements', min === 0 ? [gap, filled] : [filled]), close];
}
