// What is supported of OpenAI's API, and of reranking, which has no vendor of its own.
import { anyObject, get, hello, post, type Row, row } from './row.ts';

const c = post('/v1/chat/completions', { model: 'default', messages: hello });
const r = post('/v1/responses', { model: 'default', input: 'hi' });
const p = post('/v1/completions', { model: 'default', prompt: 'hi' });
const e = post('/v1/embeddings', { model: 'vectors', input: 'hi' });
const tools = [{ type: 'function', function: { name: 'a' } }];
const part = (content: object, status: number) => c({ messages: [{ role: 'user', content: [content] }] }, status);

export const openaiRows: Row[] = [
  row('chat completions, whole', 'yes', '', c()),
  row(
    'chat completions, streamed',
    'yes',
    'ends with `[DONE]`; errors in mid-stream',
    c({ stream: true, stream_options: { include_usage: true } }),
  ),
  row('several answers, seed, stop, logit_bias, penalties', 'yes', '`n` up to 32', c({ n: 2, seed: 1, stop: ['x'] })),
  row('logprobs, top_logprobs', 'yes', "the model's own", c({ logprobs: true, top_logprobs: 2 })),
  row(
    'function tools, strict or not',
    'yes',
    'arguments satisfy all of the schema that can be enforced; with `strict` what cannot is a 400',
    c({ tools }),
  ),
  row(
    'tool_choice, parallel_tool_calls',
    'yes',
    'allowed_tools, too: the others are not shown to the model',
    c({ tools, tool_choice: 'required', parallel_tool_calls: false }),
  ),
  row('functions, function_call', 'yes', 'the older way, answered in kind', c({ functions: [{ name: 'a' }] })),
  row(
    'custom tools',
    'no',
    'declare a function with one string parameter',
    c({ tools: [{ type: 'custom', custom: { name: 'a' } }] }, 400),
  ),
  row(
    'response_format: json_schema, json_object',
    'yes',
    'held to it token by token',
    c({ response_format: { type: 'json_schema', json_schema: { name: 'a', schema: anyObject } } }),
  ),
  row(
    'reasoning_effort',
    'yes',
    'none and minimal: no thoughts; low 1,024, medium 4,096, high 16,384 tokens at most; thoughts are `reasoning_content`',
    c({ reasoning_effort: 'low' }),
  ),
  row(
    'developer and system messages',
    'yes',
    'joined, wherever they stand',
    c({ messages: [{ role: 'developer', content: 'x' }, ...hello] }),
  ),
  row(
    'files that are no text (PDF)',
    'no',
    'not taken apart; send their text',
    part({ type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0x' } }, 400),
  ),
  row(
    'images',
    'no',
    'local models cannot see; the message names models that could',
    part({ type: 'image_url', image_url: { url: 'http://example.com/' } }, 400),
  ),
  row('audio in and out', 'no', 'with a later release', c({ modalities: ['text', 'audio'] }, 400)),
  row('web_search_options', 'no', 'nothing here searches', c({ web_search_options: {} }, 400)),
  row('store, metadata, service_tier, user, prediction', 'ignored', '', c({ store: true, metadata: { a: 'b' } })),
  row('stored chat completions', 'no', 'use responses', get('/v1/chat/completions', 405)),
  row('completions: echo, n, stop, stream', 'yes', 'raw text, no chat template', p({ echo: true, n: 2 })),
  row('completions: suffix, best_of, prompts of tokens', 'no', '', p({ suffix: 'x' }, 400)),
  row('responses, whole', 'yes', 'kept 30 days', r()),
  row('responses, streamed', 'yes', 'every event numbered', r({ stream: true })),
  row('responses: store false', 'yes', 'nothing is written', r({ store: false })),
  row(
    'responses: previous_response_id',
    'yes',
    'an id that is not there, or is of another key, is refused alike',
    r({ previous_response_id: 'resp_none' }, 400),
  ),
  row('responses: retrieve, delete, cancel, input_items', 'yes', '', get('/v1/responses/resp_none', 404)),
  row('responses: background', 'yes', 'does not survive the end of the server', r({ background: true })),
  row('responses: function tools', 'yes', '', r({ tools: [{ type: 'function', name: 'a' }] })),
  row(
    'responses: web_search, file_search, mcp, …',
    'no',
    'nothing here runs them',
    r({ tools: [{ type: 'web_search' }] }, 400),
  ),
  row('responses: text.format', 'yes', '', r({ text: { format: { type: 'json_object' } } })),
  row(
    'responses: reasoning',
    'yes',
    'with a summary asked for, thoughts are told as one; without, as reasoning_text',
    r({ reasoning: { effort: 'low', summary: 'auto' } }),
  ),
  row('responses: truncation auto', 'yes', 'the oldest turns are left out', r({ truncation: 'auto' })),
  row(
    'responses: conversation, prompt',
    'no',
    'answers are kept, conversations are not',
    r({ conversation: 'x' }, 400),
  ),
  row('embeddings: texts, dimensions, float, base64', 'yes', '', e({ input: ['a', 'b'], encoding_format: 'base64' })),
  row('embeddings: inputs of tokens', 'no', "tokens are another model's", e({ input: [1, 2] }, 400)),
  row(
    'rerank, in the shape of Jina and Cohere',
    'yes',
    '',
    post('/v1/rerank', { model: 'scores', query: 'a', documents: ['a', 'b'] })(),
  ),
  row('models: list, one', 'yes', '', get('/v1/models')),
  row('files: upload, list, content, delete', 'yes', "in both vendors' shapes", get('/v1/files?limit=1')),
  row('uploads in parts', 'no', '', { method: 'POST', path: '/v1/uploads', body: {}, status: 404 }),
];
