// What a JSON schema says, read once and checked: a Part for each object in it that is reached from the root. Parts
// refer to each other where the schema does, by $ref or by nesting, so recursion is a cycle of parts. Merging parts
// that hold together is schema-shapes.ts.
export const jsonTypes = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'] as const;
export type JsonType = (typeof jsonTypes)[number];

export interface StringKeywords {
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  /** One of `stringFormats`. */
  format?: string;
}

export interface NumberKeywords {
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  /** multipleOf: 1. */
  whole?: boolean;
  /** One of `numberFormats`. */
  format?: string;
}

export interface ArrayKeywords {
  prefix?: Part[];
  items?: Part;
  minItems?: number;
  maxItems?: number;
}

export interface ObjectKeywords {
  properties?: Map<string, Part>;
  required?: string[];
  additional?: Part;
  names?: Part;
}

/** One schema object. Keywords of a type say nothing about values of other types. */
export interface Part {
  readonly id: number;
  /** Where it stands, as `#/properties/name`. */
  readonly path: string;
  /** Undefined: any. `number` includes integers. */
  types?: ReadonlySet<JsonType>;
  /** From enum and const; undefined: any. */
  values?: readonly unknown[];
  strings?: StringKeywords;
  numbers?: NumberKeywords;
  arrays?: ArrayKeywords;
  objects?: ObjectKeywords;
  /** Parts that hold as well: $ref and allOf. */
  all: Part[];
  /** Lists of parts of each of which one must hold: anyOf and oneOf. */
  choices: Part[][];
}
