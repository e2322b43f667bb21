// The OpenAPI 3.1 document: the route table, the schemas that requests are checked with, and what operations.ts tells of
// each route. Knows no request; made once and kept.
import { type ApiRoute, apiRoutes, type Protocol, writtenPath } from '../api-paths.ts';
import { type Operation, operations } from './operations.ts';
import { componentsOf, schemaRef } from './schemas.ts';

type Json = Record<string, unknown>;

/** Names of the protocols, for people; the document's tags. */
const protocolNames: Record<ApiRoute['protocol'], string> = {
  anthropic: 'Anthropic',
  openai: 'OpenAI',
  shared: 'Anthropic and OpenAI',
  bedrock: 'Bedrock',
  ollama: 'Ollama',
  ours: 'Freehold',
};

const text = { type: 'string' };
const nullableText = { type: ['string', 'null'] };

/** An error's body in each protocol. */
const errorSchemas: Record<Exclude<Protocol, 'ours'>, Json> = {
  anthropic: {
    type: 'object',
    required: ['type', 'error', 'request_id'],
    properties: {
      type: { const: 'error' },
      error: { type: 'object', required: ['type', 'message'], properties: { type: text, message: text } },
      request_id: text,
    },
  },
  openai: {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['message', 'type', 'param', 'code'],
        properties: { message: text, type: text, param: nullableText, code: nullableText },
      },
    },
  },
  bedrock: { type: 'object', required: ['message'], properties: { message: text } },
  ollama: { type: 'object', required: ['error'], properties: { error: text } },
};

const errorName = (protocol: keyof typeof errorSchemas) => `${protocolNames[protocol]}Error`;

/** The schemas an error of this route may have; what is ours alone speaks as OpenAI does. */
export function errorShapes(protocol: ApiRoute['protocol']): readonly (keyof typeof errorSchemas)[] {
  if (protocol === 'shared') return ['anthropic', 'openai'];
  return [protocol === 'ours' ? 'openai' : protocol];
}

const securitySchemes = {
  apiKey: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'A key of `freehold keys create`.' },
  bearer: { type: 'http', scheme: 'bearer', description: 'The same key as a bearer token.' },
  sigV4: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: 'AWS Signature Version 4 for the service `bedrock`, with credentials that were made here.',
  },
  session: { type: 'apiKey', in: 'cookie', name: 'freehold_session', description: "A sign-in of the server's page." },
};

function securityOf({ scope, protocol }: ApiRoute): Json[] {
  if (scope === 'open' || scope === 'session') return [];
  const schemes: (keyof typeof securitySchemes)[] = ['apiKey', 'bearer', 'session'];
  if (protocol === 'bedrock') schemes.push('sigV4');
  return schemes.map((scheme) => ({ [scheme]: [] }));
}

/** `/v1/models/:id` as OpenAPI writes it. */
export const templatedPath = (route: ApiRoute): string => writtenPath(route).replace(/:(\w+)/g, '{$1}');

function parametersOf(route: ApiRoute, operation: Operation | undefined): Json[] {
  const inPath = [...writtenPath(route).matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: text,
  }));
  const inQuery = Object.entries(operation?.query ?? {}).map(([name, schema]) => ({ name, in: 'query', schema }));
  const shared =
    route.protocol === 'shared'
      ? [
          {
            name: 'anthropic-version',
            in: 'header',
            schema: text,
            description: "Any value selects Anthropic's shape of the answer; without it it is OpenAI's.",
          },
        ]
      : [];
  return [...inPath, ...inQuery, ...shared];
}

function requestBodyOf({ body, bodyName, sample, form }: Operation): Json | undefined {
  if (form) {
    const schema = { type: 'object', required: Object.keys(form), properties: form };
    return { required: true, content: { 'multipart/form-data': { schema } } };
  }
  if (!body || !bodyName) return undefined;
  return {
    required: true,
    content: { 'application/json': { schema: schemaRef(bodyName), ...(sample ? { example: sample } : {}) } },
  };
}

function responsesOf(route: ApiRoute, operation: Operation | undefined): Json {
  const { answer = '', answerType = 'application/json', streamType, status = 200 } = operation ?? {};
  const empty = status === 204 || answer === 'Nothing.';
  const content = {
    [answerType]: { schema: answerType === 'application/json' ? { type: 'object' } : text },
    ...(streamType ? { [streamType]: { schema: text } } : {}),
  };
  const shapes = errorShapes(route.protocol).map((protocol) => schemaRef(errorName(protocol)));
  const schema = shapes.length === 1 ? shapes[0] : { anyOf: shapes };
  return {
    [status]: { description: answer, ...(empty ? {} : { content }) },
    default: { description: 'Why it could not be done.', content: { 'application/json': { schema } } },
  };
}

function operationOf(route: ApiRoute, method: string): Json {
  const operation = operations[`${method} ${writtenPath(route)}`];
  const requestBody = operation && requestBodyOf(operation);
  const forAdmins = route.admin ? 'Only for admins.' : undefined;
  const scope = route.scope === 'open' || route.scope === 'session' ? undefined : `Scope of a key: \`${route.scope}\`.`;
  const description = [operation?.description, scope, forAdmins].filter(Boolean).join(' ');
  return {
    operationId: `${method.toLowerCase()}${writtenPath(route).replace(/[^A-Za-z0-9]+(\w)/g, (_, next) => next.toUpperCase())}`,
    summary: operation?.summary ?? `${method} ${writtenPath(route)}`,
    ...(description === '' ? {} : { description }),
    tags: [protocolNames[route.protocol]],
    security: securityOf(route),
    parameters: parametersOf(route, operation),
    ...(requestBody ? { requestBody } : {}),
    responses: responsesOf(route, operation),
  };
}

/** `HEAD` answers wherever `GET` does, and is not told apart. */
export const toldMethods = ({ methods }: ApiRoute): readonly string[] =>
  methods.filter((method) => method !== 'HEAD' || !methods.includes('GET'));

/** @param version of this release */
export function openApiDocument(version: string): Json {
  const schemas: Record<string, Json> = {};
  for (const [protocol, schema] of Object.entries(errorSchemas)) {
    schemas[errorName(protocol as keyof typeof errorSchemas)] = schema;
  }
  for (const { body, bodyName } of Object.values(operations)) {
    if (body && bodyName) Object.assign(schemas, componentsOf(body, bodyName));
  }
  const paths: Record<string, Json> = {};
  for (const route of apiRoutes) {
    const item = paths[templatedPath(route)] ?? {};
    for (const method of toldMethods(route)) item[method.toLowerCase()] = operationOf(route, method);
    paths[templatedPath(route)] = item;
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Freehold',
      version,
      summary: 'Your own models behind the APIs that software already speaks.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(apiRoutes.map(({ protocol }) => protocolNames[protocol]))].map((name) => ({ name })),
    paths,
    components: { schemas, securitySchemes },
  };
}
