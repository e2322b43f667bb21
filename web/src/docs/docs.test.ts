import { describe, expect, it } from 'vitest';
import { curlOf, type Filled, headersOf, problemOf, urlOf } from './request.ts';
import { matching, type OpenApi, type Route, routesOf } from './routes.ts';

const document: OpenApi = {
  info: { version: '1' },
  tags: [{ name: 'B' }, { name: 'A' }],
  paths: {
    '/a/{id}': {
      get: {
        summary: 'Show a thing',
        tags: ['A'],
        security: [{ apiKey: [] }],
        parameters: [
          { name: 'id', in: 'path' },
          { name: 'limit', in: 'query' },
          { name: 'version', in: 'header' },
        ],
        responses: { 200: { description: 'The thing.' }, default: { description: 'Why not.' } },
      },
    },
    '/b': {
      post: {
        summary: 'Make a thing',
        tags: ['B'],
        security: [],
        parameters: [],
        requestBody: { content: { 'application/json': { example: { name: 'x' }, schema: {} } } },
        responses: { 201: { description: 'Made.' } },
      },
      put: {
        summary: 'Upload',
        tags: ['B'],
        security: [],
        parameters: [],
        requestBody: {
          content: { 'multipart/form-data': { schema: { properties: { file: { format: 'binary' }, purpose: {} } } } },
        },
        responses: {},
      },
    },
  },
};
const routes = routesOf(document);
const route = (id: string) => routes.find((each) => each.id === id) as Route;
const filled = (id: string, rest: Partial<Filled> = {}): Filled => ({
  route: route(id),
  parameters: {},
  body: route(id).sample ?? '',
  fields: {},
  ...rest,
});

describe('routes of a document', () => {
  it('come by tag, with what can be filled in', () => {
    expect(routes.map(({ id }) => id)).toEqual(['POST /b', 'PUT /b', 'GET /a/{id}']);
    expect(route('POST /b')).toMatchObject({ sample: '{\n  "name": "x"\n}', needsKey: false, answer: 'Made.' });
    expect(route('GET /a/{id}')).toMatchObject({ sample: undefined, needsKey: true, answer: 'The thing.' });
    expect(route('PUT /b').form).toEqual([
      { name: 'file', file: true },
      { name: 'purpose', file: false },
    ]);
  });

  it('are found by words', () => {
    expect(matching(routes, 'thing get').map(({ id }) => id)).toEqual(['GET /a/{id}']);
    expect(matching(routes, ' ')).toHaveLength(3);
    expect(matching(routes, 'nothing')).toEqual([]);
  });
});

describe('a request', () => {
  it('has its parameters in their places', () => {
    const request = filled('GET /a/{id}', { parameters: { id: 'a/b c', limit: '5', version: '2' } });
    expect(urlOf(request)).toBe('/a/a%2Fb%20c?limit=5');
    expect(headersOf(request)).toEqual({ version: '2' });
  });

  it('says what is missing', () => {
    expect(problemOf(filled('GET /a/{id}'))).toBe('Fill in id.');
    expect(problemOf(filled('GET /a/{id}', { parameters: { id: '1' } }))).toBeUndefined();
    expect(problemOf(filled('POST /b', { body: '{' }))).toMatch(/^The body is not JSON/);
    expect(problemOf(filled('POST /b'))).toBeUndefined();
    expect(problemOf(filled('PUT /b'))).toBe('Choose a file for file.');
  });

  it('is the same as a command that holds no key', () => {
    const request = filled('GET /a/{id}', { parameters: { id: '1', version: '2' } });
    expect(curlOf(request, 'http://h')).toBe(
      `curl 'http://h/a/1' -N \\\n  -H "x-api-key: $FREEHOLD_KEY" \\\n  -H 'version: 2'`,
    );
  });

  it('keeps quotes together in a command', () => {
    const command = curlOf(filled('POST /b', { body: `{"it":"isn't"}` }), 'http://h');
    expect(command).toContain(`-d '{"it":"isn'\\''t"}'`);
    expect(command).toContain(`-X POST 'http://h/b' -N`);
  });
});
