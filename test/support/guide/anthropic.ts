// What is supported of Anthropic's API.
import { anyObject, get, hello, post, type Row, row } from './row.ts';

const m = post('/v1/messages', { model: 'default', max_tokens: 2000, messages: hello });
const block = (content: object, status = 200) => m({ messages: [{ role: 'user', content: [content] }] }, status);
const version = { 'anthropic-version': '2023-06-01' };
const tools = [{ name: 'a', input_schema: anyObject }];
const use = { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'a', input: {} }] };

export const anthropicRows: Row[] = [
  row('messages, whole', 'yes', '', m()),
  row('messages, streamed', 'yes', 'named events, pings, errors in mid-stream', m({ stream: true })),
  row(
    'count_tokens',
    'yes',
    'template, tools and thinking included',
    post('/v1/messages/count_tokens', { model: 'default', messages: hello })(),
  ),
  row('models: list, one', 'yes', 'by the `anthropic-version` header', get('/v1/models/fake', 200, version)),
  row(
    '`?beta=true`, any `anthropic-beta`',
    'yes',
    'taken without effect',
    post('/v1/messages?beta=true', { model: 'default', max_tokens: 10, messages: hello }, { 'anthropic-beta': 'x' })(),
  ),
  row(
    'system text; system messages amid the conversation',
    'yes',
    'the latter join the former',
    m({ system: 'x', messages: [...hello, { role: 'system', content: 'y' }] }),
  ),
  row(
    'tools with their own schema',
    'yes',
    'arguments satisfy all of the schema that can be enforced; with `strict` what cannot is a 400; examples are told with the description',
    m({ tools }),
  ),
  row('tool_choice auto, any, tool, none', 'yes', '', m({ tools, tool_choice: { type: 'any' } })),
  row(
    'disable_parallel_tool_use',
    'yes',
    '',
    m({ tools, tool_choice: { type: 'auto', disable_parallel_tool_use: true } }),
  ),
  row(
    'tool results: text, blocks, is_error',
    'yes',
    'each call is answered once, right after it, as at the vendor',
    m({
      tools,
      messages: [
        ...hello,
        use,
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'x' }] },
      ],
    }),
  ),
  row('a call that nothing answers', 'no', 'as at the vendor', m({ tools, messages: [...hello, use, ...hello] }, 400)),
  row(
    'bash, text_editor, memory: tools that the client runs',
    'yes',
    'the model is told their published schema',
    m({ tools: [{ type: 'bash_20250124', name: 'bash' }] }),
  ),
  row(
    'web_search, code_execution, …: tools that the vendor runs',
    'no',
    'nothing here runs them',
    m({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, 400),
  ),
  row(
    'computer and browser tools',
    'no',
    'they need a model that sees',
    m({ tools: [{ type: 'computer_20250124', name: 'computer' }] }, 400),
  ),
  row(
    'thinking: enabled with a budget, adaptive, disabled',
    'yes',
    'without it a model that can do otherwise does not think; signatures are no proof',
    m({ thinking: { type: 'enabled', budget_tokens: 1024 } }),
  ),
  row(
    'thoughts sent back',
    'partly',
    'those of the turn being answered go to the model, earlier and redacted ones are left out',
    m({
      messages: [
        ...hello,
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'x', signature: 'x' },
            { type: 'text', text: 'y' },
          ],
        },
        ...hello,
      ],
    }),
  ),
  row(
    'structured output',
    'yes',
    "`output_config.format`, or the beta's `output_format`",
    m({ output_config: { format: { type: 'json_schema', schema: anyObject } } }),
  ),
  row(
    'documents of text; search results',
    'yes',
    '',
    block({ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }),
  ),
  row(
    'documents by URL, PDFs',
    'no',
    'nothing is fetched, PDFs are not taken apart',
    block({ type: 'document', source: { type: 'url', url: 'http://example.com/' } }, 400),
  ),
  row(
    'citations',
    'no',
    'an answer that should cite and does not would mislead',
    block(
      {
        type: 'document',
        citations: { enabled: true },
        source: { type: 'text', media_type: 'text/plain', data: 'x' },
      },
      400,
    ),
  ),
  row(
    'images',
    'no',
    'local models cannot see; the message names models that could',
    block({ type: 'image', source: { type: 'url', url: 'http://example.com/' } }, 400),
  ),
  row(
    'cache_control',
    'yes',
    'changes nothing: every prompt is cached unasked, and `cache_read_input_tokens` is what was saved',
    m({ cache_control: { type: 'ephemeral' } }),
  ),
  row('metadata, service_tier', 'ignored', '', m({ metadata: { user_id: 'x' }, service_tier: 'auto' })),
  row('fields of later releases', 'ignored', '', m({ a_later_field: 1 })),
  row('container, mcp_servers', 'no', 'nothing here runs them', m({ container: 'x' }, 400)),
  row(
    'other sampling (min_p, seed, …)',
    'yes',
    'as clients of other local servers send it',
    m({ min_p: 0.1, seed: 1 }),
  ),
  row('batches', 'no', 'with a later release', { method: 'POST', path: '/v1/messages/batches', body: {}, status: 404 }),
];
