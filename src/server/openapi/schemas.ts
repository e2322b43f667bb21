// JSON Schemas of zod schemas, as components of one OpenAPI document: what a schema defines for itself becomes a component
// of its own, since `#` means the whole document there.
import { z } from 'zod';

type Json = Record<string, unknown>;

/** Where components stand in the document. */
export const schemaRef = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/**
 * @param schema of a request, as it is sent
 * @param name of the component
 * @returns the component, and those it refers to, by name
 */
export function componentsOf(schema: z.ZodType, name: string): Record<string, Json> {
  // what JSON Schema has no word for, such as a check across fields, is left out: the server checks it
  const { $schema: _, $defs = {}, ...own } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Json;
  const inner = Object.entries($defs as Record<string, Json>);
  const found: Record<string, Json> = {
    [name]: own,
    ...Object.fromEntries(inner.map(([key, value]) => [`${name}.${key}`, value])),
  };
  return Object.fromEntries(Object.entries(found).map(([key, value]) => [key, relocated(value, name) as Json]));
}

/** The same with references into the schema itself leading to its components. */
function relocated(value: unknown, name: string): unknown {
  if (Array.isArray(value)) return value.map((item) => relocated(item, name));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (key !== '$ref' || typeof item !== 'string') return [key, relocated(item, name)];
      if (item === '#') return [key, schemaRef(name).$ref];
      return [key, item.replace(/^#\/\$defs\//, `#/components/schemas/${name}.`)];
    }),
  );
}
