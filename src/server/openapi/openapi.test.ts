import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createTestApp, type TestApp } from '../../../test/support/app.ts';
import { apiRoutes, writtenPath } from '../api-paths.ts';
import { openApiDocument, templatedPath, toldMethods } from './document.ts';
import { operations } from './operations.ts';
import { componentsOf } from './schemas.ts';

interface Media {
  schema: object;
  example?: object;
}
interface DocumentedOperation {
  operationId: string;
  security: object[];
  parameters: { name: string; in: string; required?: boolean }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}
interface Document {
  info: { version: string };
  paths: Record<string, Record<string, DocumentedOperation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

let test: TestApp;
let document: Document;
beforeAll(async () => {
  test = await createTestApp();
  document = (await (await test.app.request('/openapi.json')).json()) as Document;
});
afterAll(() => test.stop());

const all = () =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );

/** What must hold of a document of OpenAPI 3.1, as far as this one goes. */
const media = {
  type: 'object',
  minProperties: 1,
  additionalProperties: {
    type: 'object',
    required: ['schema'],
    properties: { schema: { type: ['object', 'boolean'] }, example: {} },
    additionalProperties: false,
  },
};
const documentSchema = {
  type: 'object',
  required: ['openapi', 'info', 'paths', 'components'],
  properties: {
    openapi: { const: '3.1.0' },
    info: {
      type: 'object',
      required: ['title', 'version'],
      properties: {
        title: { type: 'string' },
        version: { type: 'string' },
        summary: { type: 'string' },
        license: { type: 'object', required: ['name'] },
      },
      additionalProperties: false,
    },
    servers: { type: 'array', items: { type: 'object', required: ['url'] } },
    tags: { type: 'array', items: { type: 'object', required: ['name'] } },
    paths: {
      type: 'object',
      propertyNames: { pattern: '^/' },
      additionalProperties: {
        type: 'object',
        propertyNames: { enum: ['get', 'put', 'post', 'delete', 'options', 'head', 'patch', 'trace'] },
        additionalProperties: {
          type: 'object',
          required: ['operationId', 'summary', 'tags', 'security', 'parameters', 'responses'],
          properties: {
            operationId: { type: 'string', pattern: '^[A-Za-z0-9]+$' },
            summary: { type: 'string', minLength: 1 },
            description: { type: 'string', minLength: 1 },
            tags: { type: 'array', items: { type: 'string' } },
            security: { type: 'array', items: { type: 'object', additionalProperties: { type: 'array' } } },
            parameters: {
              type: 'array',
              items: {
                type: 'object',
                required: ['name', 'in', 'schema'],
                properties: {
                  name: { type: 'string' },
                  in: { enum: ['path', 'query', 'header', 'cookie'] },
                  required: { type: 'boolean' },
                  description: { type: 'string' },
                  schema: { type: 'object' },
                },
                additionalProperties: false,
              },
            },
            requestBody: {
              type: 'object',
              required: ['content'],
              properties: { required: { type: 'boolean' }, content: media },
              additionalProperties: false,
            },
            responses: {
              type: 'object',
              required: ['default'],
              propertyNames: { pattern: '^(?:[1-5][0-9][0-9]|default)$' },
              additionalProperties: {
                type: 'object',
                required: ['description'],
                properties: { description: { type: 'string', minLength: 1 }, content: media },
                additionalProperties: false,
              },
            },
          },
          additionalProperties: false,
        },
      },
    },
    components: {
      type: 'object',
      properties: {
        schemas: {
          type: 'object',
          propertyNames: { pattern: '^[A-Za-z0-9._-]+$' },
          additionalProperties: { type: 'object' },
        },
        securitySchemes: { type: 'object', additionalProperties: { type: 'object', required: ['type'] } },
      },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

describe('/openapi.json', () => {
  it('is there without a key, and is a document of OpenAPI 3.1', async () => {
    const answer = await test.app.request('/openapi.json');
    expect(answer.headers.get('content-type')).toBe('application/json');
    const validate = new Ajv2020({ strict: false }).compile(documentSchema);
    validate(await answer.json());
    expect(validate.errors).toBeNull();
  });

  it('holds every route of the table with each of its methods, and no other', () => {
    const told = all().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    const table = apiRoutes.flatMap((route) => toldMethods(route).map((method) => `${method} ${templatedPath(route)}`));
    expect(told.sort()).toEqual(table.sort());
  });

  it('describes every route: operations.ts has a row for each, and none for a route that is gone', () => {
    const table = apiRoutes.flatMap((route) => toldMethods(route).map((method) => `${method} ${writtenPath(route)}`));
    expect(Object.keys(operations).sort()).toEqual(table.sort());
  });

  it('names the parameters of each path, and every operation once', () => {
    for (const { path, operation } of all()) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const told = operation.parameters.filter((parameter) => parameter.in === 'path');
      expect(told.map(({ name }) => name)).toEqual(inPath);
      expect(told.every(({ required }) => required)).toBe(true);
    }
    const ids = all().map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('says how to authenticate, except where nobody need', () => {
    const known = Object.keys(document.components.securitySchemes);
    for (const { operation } of all()) {
      expect(known).toEqual(expect.arrayContaining(operation.security.flatMap(Object.keys)));
    }
    const open = all().flatMap(({ path, operation }) => (operation.security.length === 0 ? [path] : []));
    expect([...new Set(open)].sort()).toEqual(['/api/session', '/health', '/openapi.json']);
  });

  it('leads nowhere: every reference is to something in it', () => {
    const references = new Set<string>();
    JSON.stringify(document, (key, value) => {
      if (key === '$ref') references.add(value);
      return value;
    });
    const there = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect([...references].filter((reference) => !there.includes(reference))).toEqual([]);
    expect(references.size).toBeGreaterThan(10);
  });

  it('gives each request a sample that satisfies its schema', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema(document, 'document');
    let samples = 0;
    for (const [path, item] of Object.entries(document.paths)) {
      for (const [method, { requestBody }] of Object.entries(item)) {
        const json = requestBody?.content['application/json'];
        if (!json) continue;
        const reference = (json.schema as { $ref: string }).$ref;
        const validate = ajv.compile({ $ref: `document${reference}` });
        expect([path, method, validate(json.example), validate.errors]).toEqual([path, method, true, null]);
        expect(validate('text')).toBe(false);
        samples += 1;
      }
    }
    expect(samples).toBeGreaterThan(10);
  });

  it('tells of errors in the shape they really have', async () => {
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema(document, 'document');
    for (const [path, protocol] of [
      ['/v1/messages', 'Anthropic'],
      ['/v1/chat/completions', 'OpenAI'],
      ['/api/chat', 'Ollama'],
    ]) {
      const answer = await test.send('POST', path as string, {});
      expect(answer.status).toBe(400);
      const validate = ajv.compile({ $ref: `document#/components/schemas/${protocol}Error` });
      expect([validate(await answer.json()), validate.errors]).toEqual([true, null]);
    }
  });
});

describe('a schema in the document', () => {
  it('that refers to itself still leads to itself', () => {
    const tree: z.ZodType = z.lazy(() => z.object({ children: z.array(tree) }));
    const leaf = z.object({ next: z.lazy(() => leaf).optional() }) as z.ZodType;
    const components = { ...componentsOf(tree, 'Tree'), ...componentsOf(z.object({ leaf }), 'Holder') };
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema({ components: { schemas: components } }, 'document');
    const fits = (name: string, value: unknown) => ajv.compile({ $ref: `document#/components/schemas/${name}` })(value);
    expect(fits('Tree', { children: [{ children: [] }] })).toBe(true);
    expect(fits('Tree', { children: [{ children: [4] }] })).toBe(false);
    expect(fits('Holder', { leaf: { next: { next: {} } } })).toBe(true);
    expect(fits('Holder', { leaf: { next: { next: 4 } } })).toBe(false);
  });
});

it('a document says which release it is of', () => {
  expect(openApiDocument('1.2.3')).toMatchObject({ info: { version: '1.2.3' } });
});
