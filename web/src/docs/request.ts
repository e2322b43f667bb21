// A request as it was filled in: what is sent, and the same as a curl command. Pure; sending is send.ts.
import type { Route } from './routes.ts';

export interface Filled {
  route: Route;
  /** By the parameter's name. Empty ones are left out, except in the path. */
  parameters: Readonly<Record<string, string>>;
  /** JSON, where the route takes it. */
  body: string;
  /** Of a form: texts, and chosen files. */
  fields: Readonly<Record<string, string | File | undefined>>;
}

/** The path with its parameters filled in, and the query. */
export function urlOf({ route, parameters }: Filled): string {
  const path = route.path.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = parameters[name] ?? '';
    return value === '' ? whole : encodeURIComponent(value);
  });
  const query = new URLSearchParams();
  for (const { name, in: place } of route.parameters) {
    if (place === 'query' && parameters[name]) query.set(name, parameters[name]);
  }
  return query.size === 0 ? path : `${path}?${query}`;
}

/** Headers that were filled in, without the key. */
export function headersOf({ route, parameters }: Filled): Record<string, string> {
  const given = route.parameters.filter(({ name, in: place }) => place === 'header' && parameters[name]);
  return {
    ...(route.sample === undefined ? {} : { 'content-type': 'application/json' }),
    ...Object.fromEntries(given.map(({ name }) => [name, parameters[name] ?? ''])),
  };
}

/** What is missing before it can be sent; undefined when nothing is. */
export function problemOf({ route, parameters, body, fields }: Filled): string | undefined {
  const missing = route.parameters.find(({ name, in: place }) => place === 'path' && !parameters[name]);
  if (missing) return `Fill in ${missing.name}.`;
  const field = route.form.find(({ name }) => !fields[name]);
  if (field) return field.file ? `Choose a file for ${field.name}.` : `Fill in ${field.name}.`;
  if (route.sample === undefined) return undefined;
  try {
    JSON.parse(body);
    return undefined;
  } catch (error) {
    return `The body is not JSON: ${(error as Error).message}`;
  }
}

/** In single quotes, as every POSIX shell reads it. */
const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * The same request as a command. The key is read from FREEHOLD_KEY, so that it does not end up in a shell's history.
 * @param origin of the server, e.g. `http://127.0.0.1:8080`
 */
export function curlOf(filled: Filled, origin: string): string {
  const { route, body, fields } = filled;
  const lines = [`curl ${route.method === 'GET' ? '' : `-X ${route.method} `}${quoted(origin + urlOf(filled))}`];
  if (route.needsKey) lines.push('-H "x-api-key: $FREEHOLD_KEY"');
  for (const [name, value] of Object.entries(headersOf(filled))) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  for (const { name, file } of route.form) {
    const value = fields[name];
    const text = value instanceof File ? `@${value.name}` : file ? '@FILE' : (value ?? '');
    lines.push(`-F ${quoted(`${name}=${text}`)}`);
  }
  if (route.sample !== undefined) lines.push(`-d ${quoted(body)}`);
  // answers of every route may be streams: what comes is shown as it comes
  return [`${lines[0]} -N`, ...lines.slice(1)].join(' \\\n  ');
}
