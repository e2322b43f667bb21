// The content blocks a message of the Anthropic API may hold, as zod schemas. What they become is `blocks.ts`. Fields
// that no schema names are accepted, as new SDK releases add some; `cache_control` is taken everywhere and changes
// nothing, since every prompt is cached.
import { z } from 'zod';

const cacheControl = z.looseObject({ type: z.literal('ephemeral') }).nullish();
const citations = z.looseObject({ enabled: z.boolean().nullish() }).nullish();

/** Ids of tool calls and names of files, as the vendor limits them. */
const id = z.string().regex(/^[a-zA-Z0-9_-]{1,200}$/, "Input should match '^[a-zA-Z0-9_-]{1,200}$'");

export const textBlock = z.looseObject({
  type: z.literal('text'),
  text: z.string(),
  cache_control: cacheControl,
});

const imageSource = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('base64'),
    media_type: z.enum(['image/jpeg', 'image/png', 'image/gif', 'image/webp']),
    data: z.string().min(1),
  }),
  z.looseObject({ type: z.literal('url'), url: z.string().min(1) }),
  z.looseObject({ type: z.literal('file'), file_id: id }),
]);

const imageBlock = z.looseObject({ type: z.literal('image'), source: imageSource, cache_control: cacheControl });

const documentSource = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('text'), media_type: z.literal('text/plain').nullish(), data: z.string() }),
  z.looseObject({
    type: z.literal('content'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [textBlock, imageBlock]))]),
  }),
  z.looseObject({ type: z.literal('base64'), media_type: z.literal('application/pdf'), data: z.string() }),
  z.looseObject({ type: z.literal('url'), url: z.string().min(1) }),
  z.looseObject({ type: z.literal('file'), file_id: id }),
]);

const documentBlock = z.looseObject({
  type: z.literal('document'),
  source: documentSource,
  title: z.string().max(500).nullish(),
  context: z.string().nullish(),
  citations,
  cache_control: cacheControl,
});

const searchResultBlock = z.looseObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: z.string(),
  content: z.array(textBlock),
  citations,
  cache_control: cacheControl,
});

const toolUseBlock = z.looseObject({
  type: z.literal('tool_use'),
  id,
  name: z.string().min(1).max(200),
  input: z.record(z.string(), z.unknown()),
  cache_control: cacheControl,
});

const toolReferenceBlock = z.looseObject({ type: z.literal('tool_reference'), tool_name: z.string() });

const toolResultBlock = z.looseObject({
  type: z.literal('tool_result'),
  tool_use_id: id,
  content: z
    .union([
      z.string(),
      z.array(
        z.discriminatedUnion('type', [textBlock, imageBlock, documentBlock, searchResultBlock, toolReferenceBlock]),
      ),
    ])
    .nullish(),
  is_error: z.boolean().nullish(),
  cache_control: cacheControl,
});

/** What servers of the vendor leave in a conversation: known, and refused by name. */
export const serverBlocks = [
  'server_tool_use',
  'web_search_tool_result',
  'web_fetch_tool_result',
  'code_execution_tool_result',
  'bash_code_execution_tool_result',
  'text_editor_code_execution_tool_result',
  'tool_search_tool_result',
  'mcp_tool_use',
  'mcp_tool_result',
  'container_upload',
  'compaction',
] as const;

const [firstServerBlock, ...otherServerBlocks] = serverBlocks.map((type) => z.looseObject({ type: z.literal(type) }));

export const contentBlock = z.discriminatedUnion('type', [
  textBlock,
  imageBlock,
  documentBlock,
  searchResultBlock,
  z.looseObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string().nullish() }),
  z.looseObject({ type: z.literal('redacted_thinking') }),
  toolUseBlock,
  toolResultBlock,
  firstServerBlock as NonNullable<typeof firstServerBlock>,
  ...otherServerBlocks,
]);

export type GivenBlock = z.output<typeof contentBlock>;
export type GivenDocument = z.output<typeof documentBlock>;
export type GivenSearchResult = z.output<typeof searchResultBlock>;
export type GivenToolResult = z.output<typeof toolResultBlock>;
