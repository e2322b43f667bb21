// Ten thousand requests made from /openapi.json, right, almost right and absurd: none ends in a 500 or in anything else
// than an answer or an error in the shape of its protocol. The same seed makes the same requests; FREEHOLD_FUZZ_SEED and
// FREEHOLD_FUZZ_RUNS look further.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isApiPath, protocolOfPath } from '../src/server/api-paths.ts';
import { createTestApp, type TestApp } from './support/app.ts';
import { anyText, brokenBodies, injured, injury, valuesOf } from './support/fuzz-values.ts';

type Schema = Record<string, unknown>;
interface Operation {
  parameters: { name: string; in: string; schema: Schema }[];
  requestBody?: { content: Record<string, { schema: Schema; example?: Schema }> };
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

const seed = Number(process.env.FREEHOLD_FUZZ_SEED ?? 20_261_122);
const numRuns = Number(process.env.FREEHOLD_FUZZ_RUNS ?? 10_000);

let test: TestApp;
let document: Document;
let errorFits: Record<string, ValidateFunction>;
/** What the server wrote to its log as an error: a 500 that came too late to be one, for example. */
let logged: string[];

beforeAll(async () => {
  logged = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void logged.push(line) });
  const hub = {
    pull: async () => {},
    remove: async () => {},
  };
  test = await createTestApp({}, { logger, hub });
  document = (await (await test.app.request('/openapi.json')).json()) as Document;
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(document, 'document');
  const fits = (name: string) => ajv.compile({ $ref: `document#/components/schemas/${name}Error` });
  errorFits = {
    anthropic: fits('Anthropic'),
    openai: fits('OpenAI'),
    ours: fits('OpenAI'),
    bedrock: fits('Bedrock'),
    ollama: fits('Ollama'),
  };
});
afterAll(() => test.stop());

interface Sent {
  /** As the document has it: `POST /v1/messages`. */
  operation: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | Uint8Array | FormData | undefined;
}

/** Ids of things that are there, that are not, and that are none. */
const ids = fc.oneof(
  fc.constantFrom(
    'fake',
    'default',
    'vectors',
    'resp_123',
    'file_123',
    'a/b',
    '..',
    '%2e%2e',
    'arn:aws:bedrock:x',
    'é',
  ),
  anyText,
);
const encoded = (text: string) => encodeURIComponent(text.toWellFormed()) || '%20';

const oddHeaders: [name: string, ...values: string[]][] = [
  ['anthropic-version', '2023-06-01', 'x', ''],
  ['anthropic-beta', 'files-api-2025-04-14', 'unknown,other', ','],
  ['content-type', 'text/plain', 'application/json; charset=utf-16', 'multipart/form-data', 'x'],
  ['content-encoding', 'identity', 'gzip', 'br'],
  ['content-length', '0', '5', '99999999999', '-1', 'x'],
  ['accept', 'text/html', 'application/vnd.amazon.eventstream', '*/*', ';'],
  ['range', 'bytes=0-1', 'bytes=5-1'],
];

/** At most one that is odd. */
const headers: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 20, arbitrary: fc.constant({}) },
  ...oddHeaders.map(([name, ...values]) => ({
    weight: 1,
    arbitrary: fc.constantFrom(...values).map((value) => ({ [name]: value })),
  })),
);

const keys = fc.oneof(
  { weight: 40, arbitrary: fc.constant('right') },
  { weight: 1, arbitrary: fc.constantFrom('none', 'wrong', 'malformed', 'signature') },
);

function authOf(kind: string): Record<string, string> {
  switch (kind) {
    case 'right':
      return { 'x-api-key': test.key };
    case 'wrong':
      return { authorization: 'Bearer fh_wrong' };
    case 'malformed':
      return { authorization: 'Basic ::::' };
    case 'signature':
      return { authorization: 'AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0' };
    default:
      return {};
  }
}

/** Models that are there, mostly: a request for one that is not goes no further. */
const models = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('fake', 'fake', 'default', 'vectors', 'scores') },
  { weight: 1, arbitrary: anyText },
);

function requests(): fc.Arbitrary<Sent> {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => requestOf(path, method.toUpperCase(), operation)),
  );
  return fc.oneof(...operations.map(({ arbitrary, weight }) => ({ arbitrary, weight })));
}

function requestOf(path: string, method: string, { parameters, requestBody }: Operation) {
  const json = requestBody?.content['application/json'];
  const form = requestBody?.content['multipart/form-data'];
  const components = document.components.schemas;
  const query = fc.record(
    Object.fromEntries(
      parameters
        .filter((parameter) => parameter.in === 'query')
        .map(({ name, schema }) => [name, fc.oneof(valuesOf(schema, components), anyText).map(String)]),
    ),
    { requiredKeys: [] },
  );
  const body: fc.Arbitrary<Sent['body']> = json
    ? jsonBody(valuesOf(json.schema, components), json.example ?? {})
    : form
      ? formBody(Object.keys((form.schema.properties ?? {}) as object))
      : fc.constant(undefined);
  const arbitrary = fc
    .record({ id: ids, query, body, headers, key: keys })
    .map(({ id, query: given, body: sent, headers: more, key }): Sent => {
      const search = new URLSearchParams(given as Record<string, string>);
      const type: Record<string, string> = sent instanceof FormData ? {} : { 'content-type': 'application/json' };
      return {
        operation: `${method} ${path}`,
        method,
        path: path.replace(/\{\w+\}/g, encoded(id)) + (search.size > 0 ? `?${search}` : ''),
        headers: { ...(sent === undefined ? {} : type), ...more, ...authOf(key) },
        body: sent,
      };
    });
  return { arbitrary, weight: json ? 6 : 1 };
}

/** A value of the schema, or the sample, whole or hurt in up to three places; or what is no JSON at all. */
function jsonBody(values: fc.Arbitrary<unknown>, sample: Schema): fc.Arbitrary<Sent['body']> {
  const base = fc.oneof({ weight: 3, arbitrary: values }, { weight: 2, arbitrary: fc.constant(sample) });
  const value = fc
    .record({ base, model: models, stream: fc.boolean(), hurts: fc.array(injury, { maxLength: 3 }) })
    .map(({ base: given, model, stream, hurts }) => JSON.stringify(injured(addressed(given, model, stream), hurts)));
  return fc.oneof({ weight: 30, arbitrary: value }, { weight: 1, arbitrary: fc.constantFrom(...brokenBodies) });
}

/** The same for a model that is there, where the body names one. */
function addressed(value: unknown, model: string, stream: boolean): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const streamed = 'stream' in value ? { stream } : {};
  return { ...value, ...('model' in value ? { model } : {}), ...streamed };
}

function formBody(fields: string[]): fc.Arbitrary<FormData> {
  const text = fc.oneof(fc.constantFrom('user_data', 'batch', 'assistants'), anyText);
  return fc
    .record({
      values: fc.array(text, { minLength: fields.length, maxLength: fields.length }),
      left: fc.nat(20),
      name: anyText,
    })
    .map(({ values, left, name }) => {
      const form = new FormData();
      fields.forEach((field, index) => {
        if (left === index) return;
        const value = (values[index] ?? '').toWellFormed();
        if (field === 'file') form.append(field, new Blob([value]), name.toWellFormed() || 'x');
        else form.append(field, value);
      });
      return form;
    });
}

/** @returns the status of the answer, and what is wrong with it; undefined where nothing is */
async function outcomeOf(sent: Sent): Promise<{ status: number; fault: string | undefined }> {
  logged.length = 0;
  const body = sent.body as string | undefined;
  const { method, headers: given } = sent;
  const answer = await test.app.request(sent.path, { method, headers: given, ...(body === undefined ? {} : { body }) });
  const text = await answer.text();
  return { status: answer.status, fault: logged[0] ?? faultOf(sent, answer.status, text) };
}

function faultOf(sent: Sent, status: number, text: string): string | undefined {
  if (status >= 500) return `${status} ${text}`;
  if (status < 400 || sent.method === 'HEAD') return undefined;
  const { pathname } = new URL(sent.path, 'http://h');
  // an id of two dots leads out of the API, to the page
  if (!isApiPath(pathname)) return undefined;
  const protocol = protocolOfPath(pathname, sent.headers['anthropic-version']);
  try {
    if (errorFits[protocol]?.(JSON.parse(text))) return undefined;
  } catch {
    return `${status} is no JSON: ${text.slice(0, 200)}`;
  }
  return `${status} is no error of ${protocol}: ${text.slice(0, 300)}`;
}

it(`answers ${numRuns} random requests: no 500, and every error in its protocol's shape`, {
  timeout: 300_000,
}, async () => {
  const seen = new Map<string, Set<'answer' | 'error'>>();
  await fc.assert(
    fc.asyncProperty(requests(), async (sent) => {
      const { status, fault } = await outcomeOf(sent);
      expect(fault).toBeUndefined();
      const outcomes = seen.get(sent.operation) ?? new Set();
      seen.set(sent.operation, outcomes.add(status < 400 ? 'answer' : 'error'));
    }),
    { numRuns, seed },
  );
  // it would prove little if nothing got past the first check
  const withBody = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, { requestBody }]) =>
      requestBody ? [`${method.toUpperCase()} ${path}`] : [],
    ),
  );
  const shallow = withBody.filter((operation) => seen.get(operation)?.size !== 2);
  expect(shallow.filter((operation) => operation !== 'POST /api/session')).toEqual([]);
});
