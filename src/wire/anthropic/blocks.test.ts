import { describe, expect, it } from 'vitest';
import type { RequestContext } from '../completion.ts';
import { serverBlocks } from './blocks-schema.ts';
import { parseMessages } from './request.ts';

const files: RequestContext['files'] = new Map([
  ['file_text', { name: 'notes.txt', mediaType: 'text/plain', text: 'From a file.' }],
  ['file_pdf', { name: 'a.pdf', mediaType: 'application/pdf' }],
]);
const context = { tenant: 't', traceId: 'trace', files };
const cache = { cache_control: { type: 'ephemeral' } };
const parse = (messages: object[], more: object = {}) =>
  parseMessages({ model: 'm', max_tokens: 10, messages, ...more }, context).request;
const blockOf = (block: object) => parse([{ role: 'user', content: [block] }]).messages[0]?.content[0];
const toolResult = (...content: object[]) => [
  { role: 'user', content: 'hi' },
  { role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'x', input: {} }] },
  { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'a', content }] },
];

describe('documents', () => {
  const plain = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'The text.' } };

  it('of text are read', () => {
    expect(blockOf({ ...plain, ...cache })).toEqual({ type: 'document', text: 'The text.' });
    expect(blockOf({ ...plain, title: 'A', context: 'Of 1920.', citations: { enabled: false } })).toEqual({
      type: 'document',
      title: 'A',
      text: 'Of 1920.\n\nThe text.',
    });
  });

  it('of content are read', () => {
    const document = (content: unknown) => ({ type: 'document', source: { type: 'content', content } });
    expect(blockOf(document('One.'))).toEqual({ type: 'document', text: 'One.' });
    const parts = [
      { type: 'text', text: 'One.' },
      { type: 'text', text: 'Two.', ...cache },
    ];
    expect(blockOf(document(parts))).toEqual({ type: 'document', text: 'One.\n\nTwo.' });
  });

  it('of uploaded files are read where they are text', () => {
    const document = (id: string) => ({ type: 'document', source: { type: 'file', file_id: id } });
    expect(blockOf(document('file_text'))).toEqual({ type: 'document', title: 'notes.txt', text: 'From a file.' });
    const at = 'messages.0.content.0.source.file_id';
    expect(() => blockOf(document('file_pdf'))).toThrow(expect.objectContaining({ code: 'unsupported', field: at }));
    expect(() => blockOf(document('file_other'))).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: at, message: expect.stringContaining('file_other') }),
    );
  });

  it.each<[string, object, string]>([
    ['PDFs', { source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' } }, 'source.media_type'],
    ['addresses', { source: { type: 'url', url: 'http://169.254.169.254/' } }, 'source.url'],
    ['citations', { source: plain.source, citations: { enabled: true } }, 'citations'],
    [
      'images',
      {
        source: {
          type: 'content',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } }],
        },
      },
      'source.content.0',
    ],
  ])('with %s are refused by name', (_, parts, field) => {
    expect(() => blockOf({ type: 'document', ...parts })).toThrow(
      expect.objectContaining({ code: 'unsupported', status: 400, field: `messages.0.content.0.${field}` }),
    );
  });

  it.each<[string, unknown, string]>([
    ['no source', undefined, 'source'],
    ['an unknown source', { type: 'ftp' }, 'source.type'],
    ['a source without data', { type: 'text', media_type: 'text/plain' }, 'source.data'],
    ['another media type', { type: 'base64', media_type: 'text/html', data: '' }, 'source.media_type'],
  ])('with %s are at fault', (_, source, field) => {
    expect(() => blockOf({ type: 'document', source })).toThrow(
      expect.objectContaining({ code: 'invalid_request', field: `messages.0.content.0.${field}` }),
    );
  });
});

describe('search results', () => {
  const found = {
    type: 'search_result',
    source: 'https://example.com/a',
    title: 'A page',
    content: [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
    ],
  };
  const text = 'one\n\ntwo';

  it('are read as documents, also in the result of a tool', () => {
    expect(blockOf(found)).toEqual({ type: 'document', title: 'A page (https://example.com/a)', text });
    expect(parse(toolResult(found)).messages[2]?.content).toEqual([
      {
        type: 'tool-result',
        toolUseId: 'a',
        content: [{ type: 'text', text: `A page (https://example.com/a)\n\n${text}` }],
      },
    ]);
  });

  it('to be cited are refused', () => {
    expect(() => blockOf({ ...found, citations: { enabled: true } })).toThrow(
      expect.objectContaining({ code: 'unsupported', field: 'messages.0.content.0.citations' }),
    );
  });
});

describe('what cannot be read is refused by name', () => {
  it.each([
    ['base64', { type: 'base64', media_type: 'image/png', data: 'AAAA' }],
    ['url', { type: 'url', url: 'http://[::ffff:169.254.169.254]/' }],
    ['file', { type: 'file', file_id: 'file_text' }],
  ])('images by %s, with a model that could', (_, source) => {
    const image = { type: 'image', source };
    const refused = (field: string) =>
      expect.objectContaining({ code: 'unsupported', status: 400, field, message: expect.stringContaining('VL') });
    expect(() => blockOf(image)).toThrow(refused('messages.0.content.0'));
    expect(() => parse(toolResult({ type: 'text', text: 'see' }, image))).toThrow(
      refused('messages.2.content.0.content.1'),
    );
  });

  it.each(serverBlocks)('%s', (type) => {
    const messages = [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: [{ type, id: 'x' }] },
    ];
    expect(() => parse(messages)).toThrow(
      expect.objectContaining({
        code: 'unsupported',
        field: 'messages.1.content.0',
        message: expect.stringContaining(type),
      }),
    );
  });

  it('references to tools', () => {
    expect(() => parse(toolResult({ type: 'tool_reference', tool_name: 'x' }))).toThrow(
      expect.objectContaining({ code: 'unsupported', field: 'messages.2.content.0.content.0' }),
    );
  });
});

describe('system text', () => {
  const user = { role: 'user', content: 'hi' };
  const system = (messages: object[], more: object = {}) => parse(messages, more).system?.[0]?.text;

  it('of messages follows that of the request', () => {
    const messages = [user, { role: 'system', content: [{ type: 'text', text: 'two', ...cache }] }, user];
    expect(system(messages, { system: 'one' })).toBe('one\n\ntwo');
    expect(parse(messages).messages).toHaveLength(2);
  });

  it('is shown until the next user message where it says so', () => {
    const once = { role: 'system', content: 'once', clear_at: 'next_user_message' };
    expect(system([user, once])).toBe('once');
    expect(system([user, once, user])).toBeUndefined();
  });

  it('loses the accounting that would keep the prefix cache from being of use', () => {
    const blocks = ['x-anthropic-billing-header: cc_version=2.1.37.0d9; cch=fa690;', 'You write code.'].map((text) => ({
      type: 'text',
      text,
    }));
    expect(system([user], { system: blocks })).toBe('You write code.');
    // only where it is a block of its own
    const [first, second] = blocks;
    const joined = `${first?.text}\n${second?.text}`;
    expect(system([user], { system: [{ type: 'text', text: joined }] })).toBe(joined);
  });

  it('holds text only', () => {
    const messages = [user, { role: 'system', content: [{ type: 'redacted_thinking', data: 'x' }] }];
    expect(() => parse(messages)).toThrow(expect.objectContaining({ field: 'messages.1.content.0' }));
  });
});

it.each([
  ['mcp_servers', [{ type: 'url', url: 'http://x', name: 'x' }]],
  ['container', { skills: [] }],
  ['thread', { type: 'create' }],
])('%s is refused', (field, value) => {
  expect(() => parse([{ role: 'user', content: 'hi' }], { [field]: value })).toThrow(
    expect.objectContaining({ code: 'unsupported', field }),
  );
});
