// Tools as MCP servers, OpenAPI converters and schema libraries publish them: with what validators know and grammars do
// not, and with slips. Written for tests, after the habits of such servers; none is a copy.
import type { Tool } from '../../src/lib/text-model.ts';

const draft7 = 'http://json-schema.org/draft-07/schema#';
const draft2020 = 'https://json-schema.org/draft/2020-12/schema';
const string = { type: 'string' } as const;
const tool = (name: string, inputSchema: Record<string, unknown>): Tool => ({
  name,
  description: `Does ${name.replaceAll('_', ' ')}.`,
  inputSchema,
});
const object = (properties: object, required: string[] = [], more: object = {}) => ({
  type: 'object',
  properties,
  ...(required.length > 0 && { required }),
  ...more,
});

export const serverTools: Tool[] = [
  tool(
    'read_files',
    object(
      { paths: { type: 'array', items: { ...string, format: 'path' }, minItems: 1, uniqueItems: true } },
      ['paths'],
      {
        $schema: draft7,
        additionalProperties: false,
      },
    ),
  ),
  tool(
    'edit_file',
    object(
      {
        path: { ...string, format: 'file-path', pattern: '^(?!/etc/)(?<!x)[^\\0]+$' },
        edits: { type: 'array', items: object({ old: string, new: string }, ['old', 'new']), maxItems: 2 },
        dryRun: { type: 'boolean', default: false },
      },
      ['path'],
    ),
  ),
  tool(
    'search_code',
    object({ query: { ...string, format: 'regex' }, limit: { type: 'integer', multipleOf: 10 } }, ['query']),
  ),
  tool(
    'create_issue',
    object(
      {
        title: { ...string, minLength: 1, maxLength: 20 },
        labels: { type: 'array', items: string, uniqueItems: true },
      },
      ['title'],
      { $schema: draft2020, $id: 'https://example.com/tools/create_issue', title: 'create_issueArguments' },
    ),
  ),
  tool(
    'query_database',
    object({ sql: { ...string, not: { pattern: 'drop' } }, parameters: { type: 'array' } }, ['sql']),
  ),
  tool(
    'update_page',
    object(
      { page_id: { ...string, format: 'uuid' }, properties: { type: 'object', additionalProperties: true } },
      ['page_id'],
      {
        minProperties: 2,
      },
    ),
  ),
  tool(
    'append_blocks',
    object(
      { blocks: { type: 'array', items: { $ref: '#/$defs/block' }, maxItems: 2, uniqueItems: true } },
      ['blocks'],
      {
        $defs: {
          block: object(
            { text: string, children: { type: 'array', items: { $ref: '#/$defs/block' }, maxItems: 1 } },
            [],
            {
              minProperties: 1,
            },
          ),
        },
      },
    ),
  ),
  tool(
    'set_environment',
    object(
      {
        name: string,
        values: { type: 'object', patternProperties: { '^[A-Z_]+$': string }, additionalProperties: false },
      },
      ['name'],
    ),
  ),
  tool('schedule', {
    ...object({ kind: { enum: ['once', 'cron'] }, at: { ...string, format: 'date-time' }, cron: string }, ['kind']),
    if: { properties: { kind: { const: 'cron' } } },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { required: ['cron'] },
    else: { required: ['at'] },
  }),
  tool(
    'send_message',
    object({ channel: { ...string, pattern: '(?i)^[cg][a-z0-9]{8}$' }, thread_ts: string, text: string }, ['text'], {
      dependentRequired: { thread_ts: ['channel'] },
    }),
  ),
  tool('list_pods', {
    type: 'object',
    properties: { namespace: { anyOf: [string, { type: 'null' }], default: null, title: 'Namespace' } },
    title: 'list_podsArguments',
  }),
  tool(
    'browser_click',
    object(
      {
        element: string,
        ref: string,
        modifiers: { type: 'array', items: { enum: ['Alt', 'Shift'] }, uniqueItems: true },
      },
      ['element'],
    ),
  ),
  tool('call_endpoint', {
    ...object({ body: { $ref: '#/components/schemas/Order' } }, ['body']),
    components: {
      schemas: {
        Order: object({ id: { type: 'integer', format: 'int64' }, note: { ...string, nullable: true } }, ['id']),
      },
    },
  }),
  tool(
    'convert',
    object({ body: { $ref: 'https://example.com/schemas/body.json' }, target: { $ref: '#/definitions/lost' } }, [
      'body',
    ]),
  ),
  tool(
    'set_price',
    object(
      { amount: { type: 'number', minimum: 0, exclusiveMinimum: true, multipleOf: 0.01 }, currency: { const: 'EUR' } },
      ['amount'],
    ),
  ),
  tool(
    'pick_one',
    object({ id: string, name: string }, [], {
      oneOf: [{ required: ['id'] }, { required: ['name'] }],
      maxProperties: 1,
    }),
  ),
  tool(
    'tag_items',
    object({ tags: { type: 'array', items: string, contains: { const: 'main' }, minContains: 1, maxItems: 3 } }, [
      'tags',
    ]),
  ),
  tool(
    'render',
    object({ color: { ...string, format: 'color', 'ui:widget': 'picker' }, width: { type: 'integer', unit: 'px' } }, [
      'color',
    ]),
  ),
  tool('remember', {
    ...object({ entity: object({ name: string }, ['name'], { unevaluatedProperties: false }) }, ['entity']),
    $dynamicAnchor: 'node',
  }),
  tool('get_time', { type: 'object' }),
];
