// Schemas as people write them for answers and tools, each with values that fit and values that do not. Values that fit
// have their properties in the schema's order and none that it does not list: that is how answers are written.

export interface SchemaCase {
  name: string;
  schema: unknown;
  /** Values that validate and that the grammar takes. */
  fits: unknown[];
  /** Values that do not validate and that the grammar does not take. */
  fails: unknown[];
  /** What validators refuse to read, though the meaning is clear (OpenAPI's nullable without a type). */
  notForAjv?: boolean;
}

const object = (properties: Record<string, unknown>, required = Object.keys(properties), more: object = {}) => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
  ...more,
});
const string = { type: 'string' };
const integer = { type: 'integer' };
const number = { type: 'number' };
const boolean = { type: 'boolean' };

const answers: SchemaCase[] = [
  {
    name: 'calendar event',
    schema: object({
      name: string,
      date: { type: 'string', format: 'date' },
      participants: { type: 'array', items: string },
    }),
    fits: [
      { name: 'Fair', date: '2026-11-22', participants: ['Ann', 'Bo'] },
      { name: '', date: '2024-02-29', participants: [] },
    ],
    fails: [
      { name: 'Fair', date: '2026-11-22' },
      { name: 'Fair', date: 'soon', participants: [] },
    ],
  },
  {
    name: 'steps of a solution',
    schema: {
      ...object({ steps: { type: 'array', items: { $ref: '#/$defs/step' } }, answer: string }),
      $defs: { step: object({ explanation: string, output: string }) },
    },
    fits: [{ steps: [{ explanation: 'Add 1', output: 'x = 2' }], answer: 'x = 2' }],
    fails: [{ steps: [{ explanation: 'Add 1' }], answer: '' }, { answer: 'x' }],
  },
  {
    name: 'paper extraction',
    schema: object({
      title: string,
      authors: { type: 'array', items: string, minItems: 1 },
      year: { type: 'integer', minimum: 1500, maximum: 2100 },
      keywords: { type: 'array', items: { type: 'string', minLength: 2, maxLength: 20 }, maxItems: 4 },
    }),
    fits: [{ title: 'On Trees', authors: ['A. B.'], year: 1999, keywords: ['trees', 'ab'] }],
    fails: [
      { title: 'On Trees', authors: [], year: 1999, keywords: [] },
      { title: 'On Trees', authors: ['A'], year: 1499, keywords: [] },
      { title: 'On Trees', authors: ['A'], year: 1500, keywords: ['a'] },
      { title: 'On Trees', authors: ['A'], year: 1500, keywords: ['aa', 'bb', 'cc', 'dd', 'ee'] },
    ],
  },
  {
    name: 'moderation verdict',
    schema: object({
      violates: boolean,
      category: { type: ['string', 'null'], enum: ['violence', 'spam', null] },
      explanation: { type: ['string', 'null'] },
    }),
    fits: [
      { violates: false, category: null, explanation: null },
      { violates: true, category: 'spam', explanation: 'x' },
    ],
    fails: [
      { violates: 'no', category: null, explanation: null },
      { violates: true, category: 'other', explanation: null },
    ],
  },
  {
    name: 'page elements, recursive',
    schema: object({
      type: { enum: ['div', 'button', 'field'] },
      label: string,
      children: { type: 'array', items: { $ref: '#' } },
      attributes: { type: 'array', items: object({ name: string, value: string }) },
    }),
    fits: [
      {
        type: 'div',
        label: '',
        children: [{ type: 'field', label: 'Name', children: [], attributes: [] }],
        attributes: [],
      },
      { type: 'button', label: 'Go', children: [], attributes: [{ name: 'id', value: 'go' }] },
    ],
    fails: [
      { type: 'span', label: '', children: [], attributes: [] },
      { type: 'div', label: '', children: [{}], attributes: [] },
    ],
  },
  {
    name: 'linked list',
    schema: {
      ...object({ head: { $ref: '#/$defs/node' } }),
      $defs: { node: object({ value: number, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } }) },
    },
    fits: [{ head: { value: 1, next: { value: -2.5, next: null } } }],
    fails: [{ head: { value: 1 } }, { head: null }],
  },
  {
    name: 'sentiment with a score',
    schema: object({
      label: { enum: ['positive', 'neutral', 'negative'] },
      score: { type: 'number', minimum: 0, maximum: 1 },
    }),
    fits: [
      { label: 'neutral', score: 0 },
      { label: 'positive', score: 0.97 },
      { label: 'negative', score: 1 },
    ],
    fails: [
      { label: 'neutral', score: 1.01 },
      { label: 'neutral', score: -0.1 },
      { label: 'good', score: 0.5 },
    ],
  },
  {
    name: 'invoice',
    schema: object({
      number: { type: 'string', pattern: '^INV-\\d{4,8}$' },
      currency: { type: 'string', pattern: '^[A-Z]{3}$' },
      lines: {
        type: 'array',
        minItems: 1,
        items: object({
          text: string,
          quantity: { type: 'integer', exclusiveMinimum: 0 },
          price: { type: 'number', minimum: 0 },
        }),
      },
      paid: boolean,
    }),
    fits: [{ number: 'INV-0042', currency: 'EUR', lines: [{ text: 'Tea', quantity: 2, price: 3.5 }], paid: true }],
    fails: [
      { number: 'INV-42', currency: 'EUR', lines: [{ text: 'Tea', quantity: 2, price: 3.5 }], paid: true },
      { number: 'INV-0042', currency: 'EUR', lines: [{ text: 'Tea', quantity: 0, price: 3.5 }], paid: true },
    ],
  },
  {
    name: 'person with contact',
    schema: object(
      {
        name: { type: 'string', minLength: 1, maxLength: 40 },
        email: { type: 'string', format: 'email' },
        phone: { type: 'string', pattern: '^\\+?[0-9]{7,15}$' },
        site: { type: 'string', format: 'uri' },
        born: { type: 'string', format: 'date' },
      },
      ['name'],
    ),
    fits: [
      { name: 'Zoë' },
      { name: 'Bo', email: 'bo@example.org', born: '2001-05-06' },
      { name: 'Bo', phone: '+4912345678', site: 'https://example.org/~bo' },
    ],
    fails: [{ name: '' }, { email: 'bo@example.org' }, { name: 'Bo', email: 'bo' }, { name: 'Bo', phone: '12' }],
  },
  {
    name: 'yes or no',
    schema: boolean,
    fits: [true, false],
    fails: [null, 'true', 0],
  },
  {
    name: 'one label',
    schema: { enum: ['bug', 'feature', 'question', 'feature request', 42, null, { kind: 'other' }] },
    fits: ['bug', 'feature', 'feature request', 42, null, { kind: 'other' }],
    fails: ['other', 4, 420, {}],
  },
  {
    name: 'multiple choice',
    schema: { type: 'string', pattern: '^[A-D]$' },
    fits: ['A', 'D'],
    fails: ['E', 'AB', ''],
  },
  {
    name: 'ranking',
    schema: { type: 'array', items: { type: 'integer', minimum: 1, maximum: 10 }, minItems: 3, maxItems: 3 },
    fits: [[1, 2, 10]],
    fails: [
      [1, 2],
      [1, 2, 3, 4],
      [0, 1, 2],
      [1, 2, 11],
    ],
  },
  {
    name: 'weather report',
    schema: object({
      place: string,
      celsius: { type: 'number', minimum: -90, maximum: 60 },
      humidity: { type: 'integer', minimum: 0, maximum: 100 },
      at: { type: 'string', format: 'date-time' },
      wind: {
        anyOf: [
          { type: 'null' },
          object({ speed: number, direction: { enum: ['N', 'E', 'S', 'W', 'NE', 'SE', 'SW', 'NW'] } }),
        ],
      },
    }),
    fits: [
      { place: 'Ulm', celsius: -3.25, humidity: 100, at: '2026-11-22T06:00:00Z', wind: null },
      {
        place: 'Ulm',
        celsius: 60,
        humidity: 0,
        at: '2026-11-22T06:00:00.5+01:00',
        wind: { speed: 3, direction: 'NE' },
      },
    ],
    fails: [
      { place: 'Ulm', celsius: -90.5, humidity: 100, at: '2026-11-22T06:00:00Z', wind: null },
      { place: 'Ulm', celsius: 1, humidity: 101, at: '2026-11-22T06:00:00Z', wind: null },
      { place: 'Ulm', celsius: 1, humidity: 1, at: '2026-11-22 06:00', wind: null },
    ],
  },
  {
    name: 'translation with alternatives',
    schema: object({ text: string, alternatives: { type: 'array', items: string, maxItems: 2 }, formal: boolean }, [
      'text',
    ]),
    fits: [{ text: 'Grüß dich — «ja»' }, { text: 'a "quoted" \\ word\n', alternatives: ['b', 'c'], formal: false }],
    fails: [{ alternatives: [] }, { text: 'a', alternatives: ['a', 'b', 'c'] }],
  },
  {
    name: 'expression tree',
    schema: {
      $ref: '#/$defs/expression',
      $defs: {
        expression: {
          anyOf: [
            object({ kind: { const: 'number' }, value: number }),
            object({
              kind: { const: 'sum' },
              left: { $ref: '#/$defs/expression' },
              right: { $ref: '#/$defs/expression' },
            }),
            object({ kind: { const: 'negate' }, of: { $ref: '#/$defs/expression' } }),
          ],
        },
      },
    },
    fits: [
      { kind: 'number', value: 1 },
      { kind: 'sum', left: { kind: 'number', value: 1 }, right: { kind: 'negate', of: { kind: 'number', value: 2 } } },
    ],
    fails: [{ kind: 'sum', left: { kind: 'number', value: 1 } }, { kind: 'number', of: 1 }, { kind: 'product' }],
  },
];

const tools: SchemaCase[] = [
  {
    name: 'no arguments',
    schema: { type: 'object', properties: {} },
    fits: [{}],
    fails: [[], null],
  },
  {
    name: 'get weather',
    schema: {
      type: 'object',
      properties: {
        location: { type: 'string', description: 'City and country' },
        unit: { type: 'string', enum: ['celsius', 'fahrenheit'], default: 'celsius' },
      },
      required: ['location'],
    },
    fits: [{ location: 'Oslo, NO' }, { location: 'Oslo', unit: 'celsius' }],
    fails: [{ unit: 'celsius' }, { location: 'Oslo', unit: 'kelvin' }],
  },
  {
    name: 'search orders',
    schema: object(
      {
        query: string,
        filters: object(
          {
            status: {
              type: 'array',
              items: { enum: ['open', 'shipped', 'delivered', 'returned'] },
              minItems: 1,
              maxItems: 4,
            },
            after: { type: 'string', format: 'date' },
            total: object({ min: { type: 'number', minimum: 0 }, max: { type: 'number', minimum: 0 } }, []),
          },
          [],
        ),
        limit: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
      },
      ['query'],
    ),
    fits: [
      { query: 'tea' },
      { query: 'tea', filters: { status: ['open'], total: { max: 12.5 } }, limit: 100 },
      { query: 'tea', filters: {} },
    ],
    fails: [
      { query: 'tea', limit: 0 },
      { query: 'tea', filters: { status: [] } },
    ],
  },
  {
    name: 'run a command',
    schema: object(
      {
        command: { type: 'string', minLength: 1, maxLength: 200 },
        timeout: { type: 'integer', minimum: 1, maximum: 600 },
        environment: { type: 'object', additionalProperties: { type: 'string' } },
      },
      ['command'],
    ),
    fits: [{ command: 'ls -la | wc -l' }, { command: 'env', timeout: 600, environment: { PATH: '/bin', 'a"b': '' } }],
    fails: [{ command: '' }, { command: 'ls', timeout: 601 }, { command: 'env', environment: { PATH: 1 } }],
  },
  {
    name: 'edit a file',
    schema: object({
      path: { type: 'string', pattern: '^/(?:[^/\\0]+/)*[^/\\0]+$' },
      edits: {
        type: 'array',
        minItems: 1,
        items: {
          oneOf: [
            object({ op: { const: 'insert' }, line: { type: 'integer', minimum: 0 }, text: string }),
            object({
              op: { const: 'delete' },
              from: { type: 'integer', minimum: 1 },
              to: { type: 'integer', minimum: 1 },
            }),
          ],
        },
      },
    }),
    fits: [
      {
        path: '/etc/hosts',
        edits: [
          { op: 'insert', line: 0, text: 'a\tb' },
          { op: 'delete', from: 1, to: 2 },
        ],
      },
    ],
    fails: [
      { path: 'etc/hosts', edits: [{ op: 'delete', from: 1, to: 2 }] },
      { path: '/a', edits: [{ op: 'insert', from: 1, to: 2 }] },
    ],
  },
  {
    name: 'send mail',
    schema: object(
      {
        to: { type: 'array', items: { type: 'string', format: 'email' }, minItems: 1, maxItems: 3 },
        subject: { type: 'string', maxLength: 78 },
        body: string,
        priority: { type: 'integer', enum: [1, 2, 3] },
      },
      ['to', 'subject', 'body'],
    ),
    fits: [
      { to: ['a@b.co'], subject: '', body: 'Hi' },
      { to: ['a@b.co', 'c@d.ef'], subject: 'x', body: '', priority: 3 },
    ],
    fails: [
      { to: [], subject: '', body: '' },
      { to: ['a'], subject: '', body: '' },
      { to: ['a@b.co'], subject: '', body: '', priority: 4 },
    ],
  },
  {
    name: 'database query by a model class',
    schema: {
      type: 'object',
      title: 'Query',
      properties: {
        table_name: { title: 'Table', enum: ['orders', 'customers', 'products'], type: 'string' },
        columns: { title: 'Columns', type: 'array', items: { $ref: '#/$defs/Column' } },
        conditions: { type: 'array', items: { $ref: '#/$defs/Condition' }, default: [] },
        order_by: { anyOf: [{ $ref: '#/$defs/OrderBy' }, { type: 'null' }], default: null },
      },
      required: ['table_name', 'columns'],
      $defs: {
        Column: { enum: ['id', 'status', 'expected_delivery_date', 'delivered_at'], title: 'Column', type: 'string' },
        OrderBy: { const: 'asc', title: 'OrderBy', type: 'string' },
        DynamicValue: object({ column_name: string }),
        Condition: {
          type: 'object',
          properties: {
            column: string,
            operator: { enum: ['=', '>', '<', '<=', '>=', '!='], type: 'string' },
            value: { anyOf: [{ type: 'string' }, { type: 'number' }, { $ref: '#/$defs/DynamicValue' }] },
          },
          required: ['column', 'operator', 'value'],
        },
      },
    },
    fits: [
      { table_name: 'orders', columns: ['id', 'status'] },
      {
        table_name: 'orders',
        columns: [],
        conditions: [
          { column: 'id', operator: '>=', value: 3 },
          { column: 'a', operator: '=', value: { column_name: 'b' } },
        ],
        order_by: null,
      },
    ],
    fails: [
      { table_name: 'users', columns: [] },
      { table_name: 'orders', columns: ['name'] },
    ],
  },
  {
    name: 'move in a grid',
    schema: object({ from: { $ref: '#/definitions/square' }, to: { $ref: '#/definitions/square' } }, ['from', 'to'], {
      definitions: { square: { type: 'string', pattern: '^[a-h][1-8]$' } },
    }),
    fits: [{ from: 'e2', to: 'e4' }],
    fails: [{ from: 'e9', to: 'e4' }],
  },
  {
    name: 'any of several tools',
    schema: {
      anyOf: [
        object({ name: { const: 'read' }, arguments: object({ path: string }) }),
        object({ name: { const: 'readAll' }, arguments: object({}, []) }),
        object({
          name: { const: 'write' },
          arguments: object({ path: string, text: string, append: boolean }, ['path', 'text']),
        }),
      ],
    },
    fits: [
      { name: 'read', arguments: { path: 'a' } },
      { name: 'readAll', arguments: {} },
      { name: 'write', arguments: { path: 'a', text: 'b', append: true } },
    ],
    fails: [
      { name: 'read', arguments: {} },
      { name: 'rm', arguments: {} },
    ],
  },
];

const keywords: SchemaCase[] = [
  { name: 'anything', schema: {}, fits: [null, 1, 'a', [1, [2]], { a: { b: [] } }], fails: [] },
  { name: 'true', schema: true, fits: [{ '': '' }], fails: [] },
  { name: 'an object of any kind', schema: { type: 'object' }, fits: [{}, { a: [1], 'b c': null }], fails: [[], 'a'] },
  { name: 'an array of any kind', schema: { type: 'array' }, fits: [[], [1, 'a', {}]], fails: [{}] },
  { name: 'types', schema: { type: ['integer', 'null', 'boolean'] }, fits: [0, -12, null, true], fails: ['', 1.5, []] },
  {
    name: 'const of an object',
    schema: { const: { a: [1, null, 'x"y'] } },
    fits: [{ a: [1, null, 'x"y'] }],
    fails: [{ a: [1, null] }, {}],
  },
  {
    name: 'enumeration that other keywords narrow',
    schema: { type: 'string', enum: ['a', 1, 'bcd', null], minLength: 2 },
    fits: ['bcd'],
    fails: ['a', 1, null],
  },
  {
    name: 'keys of any characters',
    schema: object(
      { 'a b': integer, '"quoted"': integer, 'back\\slash': integer, 'é日🙂\n': integer, '': integer, $ref: integer },
      [''],
    ),
    fits: [{ '': 1 }, { 'a b': 1, '"quoted"': 2, 'back\\slash': 3, 'é日🙂\n': 4, '': 5, $ref: 6 }],
    fails: [{ 'a b': 1 }],
  },
  {
    name: 'all properties optional',
    schema: object({ a: integer, b: integer, c: integer }, []),
    fits: [{}, { a: 1 }, { b: 1 }, { c: 1 }, { a: 1, c: 2 }, { b: 1, c: 2 }, { a: 1, b: 2, c: 3 }],
    fails: [{ d: 1 }, { a: 'x' }],
  },
  {
    name: 'required between optional ones',
    schema: object({ a: integer, b: integer, c: integer, d: integer, e: integer }, ['b', 'd']),
    fits: [
      { b: 1, d: 2 },
      { a: 0, b: 1, d: 2, e: 3 },
      { b: 1, c: 1, d: 2 },
    ],
    fails: [{ b: 1 }, { d: 1 }, { a: 1, c: 2, e: 3 }, {}],
  },
  {
    name: 'required but not described',
    schema: { type: 'object', properties: { a: integer }, required: ['b'], additionalProperties: integer },
    fits: [{ b: 1 }, { a: 1, b: 2, z: 3 }],
    fails: [{ a: 1 }, { b: 'x' }],
  },
  {
    name: 'additional properties of a type',
    schema: {
      type: 'object',
      properties: { name: string, names: string },
      required: ['name'],
      additionalProperties: integer,
    },
    fits: [{ name: 'a' }, { name: 'a', n: 1, nam: 2, namesake: 3, '"': 4 }, { name: 'a', names: 'b', x: 1 }],
    fails: [{ name: 'a', n: 'x' }, { n: 1 }],
  },
  {
    name: 'names from a list',
    schema: { type: 'object', propertyNames: { enum: ['en', 'de', 'fr'] }, additionalProperties: string },
    fits: [{}, { en: 'a' }, { de: 'b', fr: 'c' }],
    fails: [{ es: 'a' }, { en: 1 }],
  },
  {
    name: 'names by a pattern',
    schema: {
      type: 'object',
      propertyNames: { pattern: '^[a-z]{2}$', maxLength: 5 },
      additionalProperties: integer,
      properties: { id: string, size: string },
    },
    fits: [{ id: 'x', ab: 1 }, { zz: 2 }],
    fails: [{ size: 'x' }, { id: 1 }, { abc: 1 }],
  },
  {
    name: 'tuple',
    schema: { type: 'array', prefixItems: [string, integer, boolean], items: false, minItems: 2 },
    fits: [
      ['a', 1],
      ['a', 1, true],
    ],
    fails: [['a'], [1, 'a'], ['a', 1, true, 2]],
  },
  {
    name: 'tuple and more',
    schema: { type: 'array', prefixItems: [string], items: integer, maxItems: 4 },
    fits: [[], ['a'], ['a', 1, 2, 3]],
    fails: [['a', 'b'], ['a', 1, 2, 3, 4], [1]],
  },
  {
    name: 'tuple of draft 7',
    schema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'array',
      items: [string, integer],
      additionalItems: boolean,
      minItems: 3,
    },
    fits: [
      ['a', 1, true],
      ['a', 1, true, false],
    ],
    fails: [
      ['a', 1],
      ['a', 1, 2],
    ],
  },
  { name: 'no elements', schema: { type: 'array', items: false }, fits: [[]], fails: [[1]] },
  {
    name: 'arrays of arrays',
    schema: { type: 'array', items: { type: 'array', items: integer, minItems: 2, maxItems: 2 }, maxItems: 3 },
    fits: [
      [],
      [[1, 2]],
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
    ],
    fails: [
      [[1]],
      [
        [1, 2],
        [1, 2],
        [1, 2],
        [1, 2],
      ],
    ],
  },
  {
    name: 'allOf of objects',
    schema: {
      allOf: [
        { $ref: '#/$defs/base' },
        { type: 'object', properties: { b: integer, a: { minLength: 2 } }, required: ['b'] },
      ],
      $defs: { base: { type: 'object', properties: { a: string }, required: ['a'] } },
    },
    fits: [{ a: 'xy', b: 1 }],
    fails: [{ a: 'xy' }, { b: 1 }, { a: 'x', b: 1 }],
  },
  {
    name: 'allOf against additionalProperties',
    schema: {
      allOf: [
        { properties: { a: integer, b: integer }, additionalProperties: false },
        { properties: { b: { minimum: 3 }, c: integer } },
      ],
      type: 'object',
    },
    fits: [{}, { a: 1, b: 3 }],
    fails: [{ b: 2 }, { c: 1 }],
  },
  {
    name: 'bounds from several places',
    schema: { allOf: [{ type: 'integer', minimum: 3 }, { maximum: 9 }, { exclusiveMinimum: 3 }], type: 'number' },
    fits: [4, 9],
    fails: [3, 10, 4.5],
  },
  {
    name: 'at least one of two properties',
    schema: {
      type: 'object',
      properties: { id: integer, name: string },
      additionalProperties: false,
      anyOf: [{ required: ['id'] }, { required: ['name'] }],
    },
    fits: [{ id: 1 }, { name: 'a' }, { id: 1, name: 'a' }],
    fails: [{}],
  },
  {
    name: 'choice inside a choice',
    schema: {
      anyOf: [
        { anyOf: [{ const: 1 }, { const: 'a' }] },
        { type: 'array', items: { anyOf: [{ const: 2 }, { type: 'array', maxItems: 0 }] } },
      ],
    },
    fits: [1, 'a', [], [2, [], 2]],
    fails: [2, 'b', [1], [[2]]],
  },
  {
    name: 'union of types with keywords of each',
    schema: { type: ['string', 'integer', 'array'], maxLength: 2, maximum: 5, items: { enum: [1] } },
    fits: ['ab', 5, [1, 1]],
    fails: ['abc', 6, [2], 1.5],
  },
  {
    name: 'type from keywords',
    schema: { properties: { a: { minimum: 2 } }, required: ['a'] },
    fits: [{ a: 2.5 }],
    fails: [{}, { a: 1 }],
  },
  {
    name: 'reference with keywords beside it',
    schema: { $defs: { name: { type: 'string', maxLength: 5 } }, $ref: '#/$defs/name', minLength: 2 },
    fits: ['ab', 'abcde'],
    fails: ['a', 'abcdef'],
  },
  {
    name: 'references with escapes',
    schema: { type: 'array', items: { $ref: '#/$defs/a~1b%20c~0' }, $defs: { 'a/b c~': { enum: ['x'] } } },
    fits: [['x']],
    fails: [['y']],
  },
  {
    name: 'mutual recursion',
    schema: {
      $ref: '#/$defs/branch',
      $defs: {
        branch: object({ leaves: { type: 'array', items: { $ref: '#/$defs/leaf' } } }),
        leaf: { anyOf: [{ type: 'integer' }, { $ref: '#/$defs/branch' }] },
      },
    },
    fits: [{ leaves: [1, { leaves: [{ leaves: [] }, 2] }] }],
    fails: [{ leaves: ['a'] }, [{ leaves: [] }]],
  },
  { name: 'nullable', schema: { type: 'string', nullable: true, maxLength: 1 }, fits: [null, 'a'], fails: ['ab', 1] },
  {
    name: 'nullable reference',
    schema: object({ owner: { $ref: '#/$defs/owner', nullable: true } }, ['owner'], {
      $defs: { owner: object({ name: string }) },
    }),
    fits: [{ owner: null }, { owner: { name: 'a' } }],
    fails: [{ owner: 'a' }, {}],
    notForAjv: true,
  },
  {
    name: 'lengths in characters',
    schema: { type: 'string', minLength: 3, maxLength: 3 },
    fits: ['abc', '🙂🙂🙂', 'é\n"', '日本語'],
    fails: ['ab', '🙂🙂', 'abcd'],
  },
  {
    name: 'long strings',
    schema: { type: 'string', minLength: 60, maxLength: 5000 },
    fits: ['x'.repeat(60), 'y'.repeat(5000), '"'.repeat(4097)],
    fails: ['x'.repeat(59), 'y'.repeat(5001)],
  },
  {
    name: 'long arrays',
    schema: { type: 'array', items: { const: 1 }, minItems: 70, maxItems: 300 },
    fits: [Array(70).fill(1), Array(300).fill(1)],
    fails: [Array(69).fill(1), Array(301).fill(1)],
  },
  {
    name: 'pattern found anywhere',
    schema: { type: 'string', pattern: 'b+c', maxLength: 6 },
    fits: ['bc', 'aabbcc', '"bc"'],
    fails: ['b', 'cb', 'aaaabbc'],
  },
  {
    name: 'pattern and a least length',
    schema: { type: 'string', pattern: '^[ab]*$', minLength: 3 },
    fits: ['aba', 'bbbbbb'],
    fails: ['ab', '', 'abc'],
  },
  {
    name: 'password rules',
    schema: { type: 'string', pattern: '^(?=.*[A-Z])(?=.*\\d).{4,10}$' },
    fits: ['aB3d', '1234567ABC'],
    fails: ['aB3', 'ab34', 'ABCD', 'aB345678901'],
  },
  {
    name: 'pattern of escapes',
    schema: { type: 'string', pattern: '^["\\\\\\n\\u0001/]{2,4}$' },
    fits: ['""', '\\"', '\n\u0001/'],
    fails: ['"', 'a"'],
  },
  {
    name: 'formats',
    schema: {
      type: 'array',
      prefixItems: ['time', 'uuid', 'ipv4', 'hostname', 'duration'].map((format) => ({ type: 'string', format })),
      items: false,
    },
    fits: [['12:00:00Z', '123e4567-e89b-12d3-a456-426614174000', '10.0.0.1', 'a.example', 'P1D']],
    fails: [['12:00', '', '', '', '']],
  },
  {
    name: 'large integers',
    schema: { type: 'integer', format: 'int64', minimum: 1 },
    fits: [1, 9_007_199_254_740_991],
    fails: [0, -1],
  },
  {
    name: 'negative decimals',
    schema: { type: 'number', exclusiveMinimum: -1.5, maximum: -0.25 },
    fits: [-1.25, -0.25, -1],
    fails: [-1.5, -0.2, 0],
  },
  {
    name: 'draft 7 definitions',
    schema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      definitions: { n: { type: 'integer', minimum: 5 } },
      type: 'array',
      items: { $ref: '#/definitions/n' },
    },
    fits: [[], [5, 6]],
    fails: [[4]],
  },
  {
    name: 'property that can never be',
    schema: { type: 'object', properties: { a: integer, b: false } },
    fits: [{}, { a: 1 }],
    fails: [{ b: 1 }],
  },
  {
    name: 'annotations',
    schema: {
      title: 't',
      description: 'd',
      default: 3,
      examples: [1],
      deprecated: true,
      'x-order': 1,
      $comment: 'c',
      $id: 'urn:example:a',
      type: 'integer',
    },
    fits: [1],
    fails: ['a'],
  },
  {
    name: 'patterns under names of zod',
    notForAjv: true,
    schema: {
      type: 'object',
      properties: {
        id: { type: 'string', format: 'nanoid', pattern: '^[a-zA-Z0-9_-]{21}$' },
        phone: { type: 'string', format: 'e164', pattern: '^\\+[1-9]\\d{6,14}$' },
        key: { type: 'string', format: 'starts_with', pattern: '^sk_.*' },
      },
      required: ['id', 'phone', 'key'],
    },
    fits: [{ id: 'V1StGXR8_Z5jdHi6B-myT', phone: '+4915112345678', key: 'sk_1' }],
    fails: [
      { id: 'short', phone: '+4915112345678', key: 'sk_1' },
      { id: 'V1StGXR8_Z5jdHi6B-myT', phone: '015112345678', key: 'sk_1' },
      { id: 'V1StGXR8_Z5jdHi6B-myT', phone: '+4915112345678', key: 'pk_1' },
    ],
  },
];

export const schemaCorpus: readonly SchemaCase[] = [...answers, ...tools, ...keywords];
