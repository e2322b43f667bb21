// What is supported of Ollama's API.
import { anyObject, get, hello, post, type Row, row } from './row.ts';

const c = post('/api/chat', { model: 'default', messages: hello, stream: false });
const g = post('/api/generate', { model: 'default', prompt: 'hi', stream: false });
const tools = [{ type: 'function', function: { name: 'a', parameters: anyObject } }];
const call = { role: 'assistant', content: '', tool_calls: [{ function: { name: 'a', arguments: {} } }] };

export const ollamaRows: Row[] = [
  row('chat, streamed unless `stream` is false', 'yes', 'lines of JSON', c({ stream: true })),
  row('names with `:latest`', 'yes', 'the same as without', c({ model: 'fake:latest' })),
  row(
    'tools',
    'yes',
    'arguments satisfy all of the schema that can be enforced; a call comes whole, in one line',
    c({ tools }),
  ),
  row(
    'results of tools',
    'yes',
    'matched by `tool_call_id`, by `tool_name`, or by their order',
    c({ messages: [...hello, call, { role: 'tool', content: 'x' }] }),
  ),
  row('format: json, or a schema', 'yes', 'held to it token by token', c({ format: anyObject })),
  row(
    'think: true, false, low, medium, high, max',
    'yes',
    'low 1,024, medium 4,096, high 16,384 tokens of thoughts at most; thoughts are told unless `think` is false',
    c({ think: 'low' }),
  ),
  row(
    'options: num_predict, seed, temperature, top_k, top_p, min_p, typical_p, repeat_penalty, repeat_last_n, presence_penalty, frequency_penalty, stop',
    'yes',
    "what is left out is Freehold's default, not Ollama's",
    c({ options: { num_predict: 5, seed: 1, temperature: 0, top_k: 10, repeat_penalty: 1.1, stop: ['x'] } }),
  ),
  row(
    'options: num_ctx, num_gpu, num_thread, …',
    'ignored',
    'how a model is loaded is the operator’s to say',
    c({ options: { num_ctx: 4096, num_gpu: 1 } }),
  ),
  row('options: mirostat, tfs_z', 'no', '', c({ options: { mirostat: 2 } }, 400)),
  row('logprobs, top_logprobs', 'yes', '', c({ logprobs: true, top_logprobs: 2 })),
  row('keep_alive', 'ignored', 'models stay until others need the room', c({ keep_alive: '5m' })),
  row('unloading a model by keep_alive 0', 'no', '', g({ prompt: '', keep_alive: 0 }, 400)),
  row('truncate, shift', 'ignored', 'a prompt that is too long is a 400, never cut off', c({ truncate: true })),
  row(
    'images',
    'no',
    'local models cannot see; the message names models that could',
    c({ messages: [{ role: 'user', content: 'hi', images: ['aGk='] }] }, 400),
  ),
  row('generate, with system text', 'yes', '', g({ system: 'x' })),
  row('generate: raw', 'yes', 'the prompt as it stands, without a template', g({ raw: true })),
  row('generate: an empty prompt', 'yes', 'loads the model', g({ prompt: '' })),
  row('generate: template', 'no', "the template is the model's own", g({ template: '{{ .Prompt }}' }, 400)),
  row('generate: suffix', 'no', '', g({ suffix: 'x' }, 400)),
  row('generate: context', 'no', 'send the conversation to /api/chat', g({ context: [1] }, 400)),
  row('embed', 'yes', '', post('/api/embed', { model: 'vectors', input: ['a', 'b'] })()),
  row('embeddings, the older form', 'yes', '', post('/api/embeddings', { model: 'vectors', prompt: 'a' })()),
  row('tags', 'yes', 'names come with a tag', get('/api/tags')),
  row(
    'show',
    'yes',
    'the context is the one that is served; template and licence are not told',
    post('/api/show', { model: 'fake' })(),
  ),
  row('ps', 'yes', '', get('/api/ps')),
  row('version', 'yes', "the release of Ollama's API that is spoken", get('/api/version')),
  row(
    'pull',
    'yes',
    'for admins, one at a time: names of the catalogue and `hf.co/OWNER/REPOSITORY`',
    post('/api/pull', { model: 'qwen3-0.6b', stream: false })(),
  ),
  row(
    'pull of paths and addresses',
    'no',
    'the operator’s to give',
    post('/api/pull', { model: '/etc/passwd' })({}, 400),
  ),
  row('delete', 'yes', 'for admins', { method: 'DELETE', path: '/api/delete', body: { model: 'fake' }, status: 200 }),
  row('create, copy, push, blobs', 'no', 'models are made by training and tuning', {
    method: 'POST',
    path: '/api/create',
    body: { model: 'a', from: 'fake' },
    status: 404,
  }),
];
