// From parts that hold together to shapes: each a conjunction without choices left, merged type by type. A value fits
// the parts when it fits one of the shapes.
import { FreeholdError } from '../../lib/errors.ts';
import type { ArrayKeywords, JsonType, NumberKeywords, ObjectKeywords, Part, StringKeywords } from './schema-parts.ts';

/** What holds for a value, by its type. A type left out: no value of it fits. */
export interface Shape {
  parts: readonly Part[];
  /** The values to choose from, each to be checked against all parts; undefined: any value. */
  values: readonly unknown[] | undefined;
  null: boolean;
  boolean: boolean;
  number: 'any' | 'integer' | undefined;
  string: boolean;
  array: boolean;
  object: boolean;
  strings: readonly StringKeywords[];
  numbers: readonly NumberKeywords[];
  arrays: readonly ArrayKeywords[];
  objects: readonly ObjectKeywords[];
}

/** Most shapes that choices inside choices may come to. */
const maxShapes = 1000;

/** Most part references held while choices are followed; what memory and time they cost is bounded by it. */
const maxReferences = 200_000;

/** Parts that hold together, with keywords of their own, in the order a reader meets them. */
type Way = readonly Part[];

/** Follows references and choices. Ways of a part are found once, however many others lead to it. */
export class Shapes {
  readonly #known = new Map<Part, readonly Way[]>();
  #references = 0;

  /**
   * The ways to satisfy all parts, each as a shape.
   * @param parts none leads to itself without a step into a value
   * @throws FreeholdError unsupported for more choices than are followed
   */
  of(parts: readonly Part[]): Shape[] {
    const ways = parts.reduce<readonly Way[]>((ways, part) => this.#both(ways, this.#waysOf(part), part), [[]]);
    return ways.map(shapeOf);
  }

  #waysOf(part: Part): readonly Way[] {
    const known = this.#known.get(part);
    if (known) return known;
    let ways: readonly Way[] = [hasKeywords(part) ? [part] : []];
    for (const also of part.all) ways = this.#both(ways, this.#waysOf(also), part);
    for (const alternatives of part.choices) {
      const either = alternatives.map((alternative) => this.#waysOf(alternative));
      ways = this.#both(ways, this.#distinct(either.flat(), part), part);
    }
    this.#known.set(part, ways);
    return ways;
  }

  #both(left: readonly Way[], right: readonly Way[], part: Part): readonly Way[] {
    const [first, second] = [left[0] as Way, right[0] as Way];
    if (left.length === 1 && first.length === 0) return right;
    if (right.length === 1 && second.length === 0) return left;
    function* pairs(): Generator<Way> {
      for (const one of left) for (const other of right) yield [...new Set([...one, ...other])];
    }
    return this.#distinct(pairs(), part);
  }

  #distinct(ways: Iterable<Way>, part: Part): readonly Way[] {
    const distinct = new Map<string, Way>();
    for (const way of ways) {
      distinct.set(keyOf(way), way);
      this.#references += 1 + way.length;
      if (distinct.size > maxShapes || this.#references > maxReferences) {
        throw new FreeholdError(
          'unsupported',
          `The choices at ${part.path} come to more combinations than are followed.`,
          {
            field: part.path,
            hint: 'Use fewer alternatives of anyOf and oneOf inside each other.',
          },
        );
      }
    }
    return [...distinct.values()];
  }
}

/**
 * The parts with those in place of them that only point on, so that a reference and what it refers to are one thing.
 */
export function withoutReferences(parts: readonly Part[]): Part[] {
  const found = new Set<Part>();
  const seen = new Set<Part>();
  const visit = (part: Part): void => {
    if (seen.has(part)) return;
    seen.add(part);
    if (!hasKeywords(part) && part.choices.length === 0) part.all.forEach(visit);
    else found.add(part);
  };
  parts.forEach(visit);
  return [...found];
}

/** Whether the part says something itself, not only by what it refers to or lets choose. */
function hasKeywords({ types, values, strings, numbers, arrays, objects }: Part): boolean {
  return Boolean(types ?? values ?? strings ?? numbers ?? arrays ?? objects);
}

/** Names a set of parts. */
export function keyOf(parts: readonly Part[]): string {
  return [...new Set(parts.map(({ id }) => id))].sort((a, b) => a - b).join();
}

function shapeOf(parts: readonly Part[]): Shape {
  const strings = parts.flatMap(({ strings }) => strings ?? []);
  const numbers = parts.flatMap(({ numbers }) => numbers ?? []);
  const arrays = parts.flatMap(({ arrays }) => arrays ?? []);
  const objects = parts.flatMap(({ objects }) => objects ?? []);
  const values = parts.find(({ values }) => values !== undefined)?.values;
  const stated = parts.flatMap(({ types }) => types ?? []);
  const implied: JsonType[] = [];
  if (stated.length === 0 && values === undefined) {
    // keywords of a type imply it: {"properties": …} describes an object to whoever writes it
    if (strings.length > 0) implied.push('string');
    if (numbers.length > 0) implied.push('number');
    if (arrays.length > 0) implied.push('array');
    if (objects.length > 0) implied.push('object');
  }
  const allowed: ReadonlySet<JsonType>[] = implied.length > 0 ? [new Set(implied)] : stated;
  const allows = (type: JsonType) => allowed.every((types) => types.has(type));
  const wholeOnly = allowed.some((types) => !types.has('number')) || numbers.some(({ whole }) => whole);
  const anyNumber = allowed.every((types) => types.has('number') || types.has('integer'));
  return {
    parts,
    values,
    null: allows('null'),
    boolean: allows('boolean'),
    number: anyNumber ? (wholeOnly ? 'integer' : 'any') : undefined,
    string: allows('string'),
    array: allows('array'),
    object: allows('object'),
    strings,
    numbers,
    arrays,
    objects,
  };
}

/** The parts that hold for the element at an index; none: it may be anything. */
export function elementParts(arrays: readonly ArrayKeywords[], index: number): Part[] {
  return arrays.flatMap(({ prefix, items }) => prefix?.[index] ?? items ?? []);
}

/** The parts that hold for the value of a property; none: it may be anything. */
export function propertyParts(objects: readonly ObjectKeywords[], name: string): Part[] {
  return objects.flatMap(({ properties, additional }) => properties?.get(name) ?? additional ?? []);
}
