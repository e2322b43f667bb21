// Reads a JSON schema (drafts 7 to 2020-12, and what OpenAPI 3 adds) into parts that refer to each other. Only what the
// root reaches is read, so a definition that nothing refers to may hold anything.
import { FreeholdError } from '../../lib/errors.ts';
import { describe, isObject, Keywords, malformed, type RawSchema } from './schema-keywords.ts';
import type { Part } from './schema-parts.ts';
import { resolveReference, step } from './schema-pointer.ts';

/** Most schema objects and deepest nesting that is read. */
export const schemaLimits = { parts: 10_000, depth: 64 } as const;

/** Most parts that refer to each other without a step into a value in between. */
const maxChain = 500;

/**
 * @param schema an object, true or false
 * @returns the part of the root, none of whose parts leads to itself without a step into a value
 * @throws FreeholdError unsupported for a keyword that cannot be enforced, invalid_request for a malformed schema;
 *   `field` is the place, as `#/properties/name/minLength`
 */
export function readSchema(schema: unknown): Part {
  return new SchemaReader(schema).read();
}

interface Waiting {
  part: Part;
  raw: RawSchema;
  depth: number;
}

class SchemaReader {
  readonly #root: unknown;
  readonly #known = new Map<object, Part>();
  readonly #waiting: Waiting[] = [];
  #count = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  read(): Part {
    const root = this.#part(this.#root, '#', 0);
    for (const { part, raw, depth } of this.#waiting) this.#fill(part, raw, depth);
    checkChains(this.#waiting.map(({ part }) => part));
    return root;
  }

  #part(raw: unknown, path: string, depth: number): Part {
    if (typeof raw === 'boolean') {
      const part = this.#newPart(path);
      if (!raw) part.types = new Set();
      return part;
    }
    if (!isObject(raw)) {
      throw malformed(path, `A schema is an object, true or false; at ${path} it is ${describe(raw)}.`);
    }
    const known = this.#known.get(raw);
    if (known) return known;
    if (depth > schemaLimits.depth) {
      throw new FreeholdError('unsupported', `The schema is nested over ${schemaLimits.depth} deep at ${path}.`, {
        field: path,
      });
    }
    const part = this.#newPart(path);
    this.#known.set(raw, part);
    this.#waiting.push({ part, raw, depth });
    return part;
  }

  #newPart(path: string): Part {
    this.#count += 1;
    if (this.#count > schemaLimits.parts) {
      throw new FreeholdError('unsupported', `The schema holds over ${schemaLimits.parts} schemas.`, { field: path });
    }
    return { id: this.#count, path, all: [], choices: [] };
  }

  #fill(part: Part, raw: RawSchema, depth: number): void {
    const { path } = part;
    const read = new Keywords(raw, path);
    read.checkNames();
    const child = (value: unknown, ...steps: string[]) =>
      this.#part(
        value,
        steps.reduce((place, name) => step(place, name), path),
        depth + 1,
      );
    const children = (keyword: string) => read.list(keyword)?.map((value, i) => child(value, keyword, String(i)));

    part.types = read.types();
    part.values = read.values();
    part.strings = read.strings();
    part.numbers = read.numbers();
    this.#fillArrays(part, read, child);
    this.#fillObjects(part, read, child);

    const reference = read.text('$ref');
    if (reference !== undefined) {
      const target = resolveReference(this.#root, reference, step(path, '$ref'));
      // the nesting of what is referred to is counted where it stands
      part.all.push(this.#part(target.value, target.path, target.depth));
    }
    part.all.push(...(children('allOf') ?? []));
    for (const keyword of ['anyOf', 'oneOf']) {
      const alternatives = children(keyword);
      if (alternatives) part.choices.push(alternatives);
    }
    if (read.flag('nullable')) this.#makeNullable(part);
  }

  #fillArrays(part: Part, read: Keywords, child: (raw: unknown, ...steps: string[]) => Part): void {
    const { raw } = read;
    // draft 7 writes a tuple as a list of items, and what follows it as additionalItems
    const tuple = raw.prefixItems !== undefined ? 'prefixItems' : Array.isArray(raw.items) ? 'items' : undefined;
    const rest = tuple === 'items' ? 'additionalItems' : 'items';
    const prefix = tuple && read.list(tuple)?.map((value, i) => child(value, tuple, String(i)));
    const items = raw[rest] === undefined ? undefined : child(raw[rest], rest);
    const minItems = read.count('minItems');
    const maxItems = read.count('maxItems');
    read.inOrder('minItems', minItems, 'maxItems', maxItems);
    if (prefix || items || minItems !== undefined || maxItems !== undefined) {
      part.arrays = { prefix, items, minItems, maxItems };
    }
  }

  #fillObjects(part: Part, read: Keywords, child: (raw: unknown, ...steps: string[]) => Part): void {
    const { raw } = read;
    const listed = read.object('properties');
    const properties =
      listed && new Map(Object.entries(listed).map(([name, value]) => [name, child(value, 'properties', name)]));
    const additional =
      raw.additionalProperties === undefined ? undefined : child(raw.additionalProperties, 'additionalProperties');
    const names = raw.propertyNames === undefined ? undefined : child(raw.propertyNames, 'propertyNames');
    const required = read.texts('required');
    if (properties || additional || names || required) part.objects = { properties, additional, names, required };
  }

  /** OpenAPI's: with a type beside it null is one more type; without one, null is an alternative to all the rest. */
  #makeNullable(part: Part): void {
    if (part.types) {
      part.types = new Set([...part.types, 'null']);
      return;
    }
    const { id: _, path, ...rest } = part;
    const otherwise: Part = { ...this.#newPart(path), ...rest };
    const nothing: Part = { ...this.#newPart(path), types: new Set(['null']) };
    for (const key of ['values', 'strings', 'numbers', 'arrays', 'objects'] as const) delete part[key];
    part.all = [];
    part.choices = [[otherwise, nothing]];
  }
}

/** A part may not hold because it holds: `{"$ref": "#"}` at the root says nothing. */
function checkChains(parts: readonly Part[]): void {
  const done = new Set<Part>();
  const open = new Set<Part>();
  const visit = (part: Part): void => {
    if (done.has(part)) return;
    if (open.has(part)) {
      throw malformed(part.path, `The schema at ${part.path} refers to itself with nothing in between.`);
    }
    if (open.size >= maxChain) {
      throw malformed(part.path, `The schema at ${part.path} stands behind over ${maxChain} references in a row.`);
    }
    open.add(part);
    for (const next of [...part.all, ...part.choices.flat()]) visit(next);
    open.delete(part);
    done.add(part);
  };
  for (const part of parts) visit(part);
}
