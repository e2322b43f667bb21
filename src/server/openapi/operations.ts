// What each route of the table is for, what it takes and what it answers: everything /openapi.json says beyond the table
// itself. Request bodies are the zod schemas that the routes check with; answers are told in a sentence, since their shape
// is their vendor's. A test asks for a row here for every row of the table.
import { z } from 'zod';
import { countTokensSchema as anthropicCountSchema, messagesSchema } from '../../wire/anthropic/schema.ts';
import { invokeSchema } from '../../wire/bedrock/invoke.ts';
import { countTokensSchema as bedrockCountSchema, converseSchema } from '../../wire/bedrock/schema.ts';
import { ollamaChatSchema } from '../../wire/ollama/chat.ts';
import { ollamaEmbeddingsSchema, ollamaEmbedSchema } from '../../wire/ollama/embed.ts';
import { ollamaGenerateSchema } from '../../wire/ollama/generate.ts';
import { ollamaShowSchema } from '../../wire/ollama/models.ts';
import { ollamaDeleteSchema, ollamaPullSchema } from '../../wire/ollama/pull.ts';
import { completionsSchema } from '../../wire/openai/completions.ts';
import { embeddingsSchema } from '../../wire/openai/embeddings.ts';
import { chatSchema } from '../../wire/openai/request.ts';
import { responsesSchema } from '../../wire/openai/responses/request.ts';
import { filePurposes } from '../../wire/openai/stored-files.ts';
import { rerankSchema } from '../../wire/rerank.ts';

export interface Operation {
  /** A few words, for lists. */
  summary: string;
  /** What it does and how it answers, for people. */
  description?: string;
  /** The JSON body of a request; absent where it has none. */
  body?: z.ZodType;
  /** The name of the body's schema in the document. */
  bodyName?: string;
  /** A body that works as it stands. */
  sample?: Record<string, unknown>;
  /** Fields of a `multipart/form-data` body, in place of a JSON one. */
  form?: Record<string, object>;
  /** Parameters of the query, as JSON schemas. */
  query?: Record<string, object>;
  /** What an answer holds, in a sentence. */
  answer: string;
  /** Media type of an answer. Default: application/json. */
  answerType?: string;
  /** Media type of an answer that is a stream, where one can be asked for. */
  streamType?: string;
  /** Status of an answer. Default 200. */
  status?: number;
}

const sse = 'text/event-stream';
const ndjson = 'application/x-ndjson';
const eventStream = 'application/vnd.amazon.eventstream';
const id = { type: 'string' };
const converseHello = [{ role: 'user', content: [{ text: 'Say hello in five words.' }] }];
const hello = [{ role: 'user', content: 'Say hello in five words.' }];

/** By method and path, as people write it: `GET /v1/models/:id`. */
export const operations: Record<string, Operation> = {
  'POST /v1/messages': {
    summary: 'Answer a conversation',
    description: 'Anthropic Messages. With `stream: true` the answer is a stream of named events.',
    body: messagesSchema,
    bodyName: 'MessagesRequest',
    sample: { model: 'default', max_tokens: 200, messages: hello },
    answer: 'A message with its content blocks, stop reason and usage.',
    streamType: sse,
  },
  'POST /v1/messages/count_tokens': {
    summary: 'Count the tokens of a conversation',
    description: 'The tokens that the prompt of a message would take, the chat template included.',
    body: anthropicCountSchema,
    bodyName: 'CountTokensRequest',
    sample: { model: 'default', messages: hello },
    answer: '`{"input_tokens": N}`',
  },
  'POST /v1/chat/completions': {
    summary: 'Answer a conversation',
    description:
      'OpenAI Chat Completions. With `stream: true` the answer is a stream of chunks that ends with `[DONE]`.',
    body: chatSchema,
    bodyName: 'ChatCompletionsRequest',
    sample: { model: 'default', messages: hello },
    answer: 'A chat completion with its choices and usage.',
    streamType: sse,
  },
  'POST /v1/completions': {
    summary: 'Go on from a text',
    description: 'OpenAI Completions: the prompt is taken as it stands, without a chat template.',
    body: completionsSchema,
    bodyName: 'CompletionsRequest',
    sample: { model: 'default', prompt: 'Once upon a time', max_tokens: 40 },
    answer: 'A text completion with its choices and usage.',
    streamType: sse,
  },
  'POST /v1/responses': {
    summary: 'Answer, and keep the answer',
    description:
      'OpenAI Responses. `previous_response_id` goes on from an earlier answer. With `stream: true` the answer is a stream of named events.',
    body: responsesSchema,
    bodyName: 'ResponsesRequest',
    sample: { model: 'default', input: 'Say hello in five words.' },
    answer: 'A response with its output items and usage.',
    streamType: sse,
  },
  'POST /v1/responses/input_tokens': {
    summary: 'Count the tokens of a request',
    body: responsesSchema,
    bodyName: 'ResponsesRequest',
    sample: { model: 'default', input: 'Say hello in five words.' },
    answer: '`{"object": "response.input_tokens", "input_tokens": N}`',
  },
  'GET /v1/responses/:id': {
    summary: 'Show a kept answer',
    answer: 'The response. With `stream=true` in the query, its events.',
    streamType: sse,
  },
  'DELETE /v1/responses/:id': { summary: 'Delete a kept answer', answer: 'Its id, and `"deleted": true`.' },
  'POST /v1/responses/:id/cancel': {
    summary: 'Cancel an answer in the background',
    answer: 'The response as far as it came.',
  },
  'GET /v1/responses/:id/input_items': {
    summary: 'List what an answer was given',
    query: { limit: { type: 'integer', minimum: 1, maximum: 100 }, order: { enum: ['asc', 'desc'] }, after: id },
    answer: 'The input items, page by page.',
  },
  'POST /v1/embeddings': {
    summary: 'Turn texts into vectors',
    body: embeddingsSchema,
    bodyName: 'EmbeddingsRequest',
    sample: { model: 'qwen3-embedding-0.6b', input: ['a text', 'another'] },
    answer: 'A list of vectors, in the order of the inputs.',
  },
  'POST /v1/rerank': {
    summary: 'Sort documents by relevance',
    description: 'The shape that Jina and Cohere share.',
    body: rerankSchema,
    bodyName: 'RerankRequest',
    sample: {
      model: 'qwen3-reranker-0.6b',
      query: 'What is the capital of France?',
      documents: ['Paris is the capital of France.', 'Bread is baked.'],
    },
    answer: 'Results with `index` and `relevance_score`, the most relevant first.',
  },
  'GET /v1/models': {
    summary: 'List the models',
    description: 'In the shape of the protocol that the `anthropic-version` header selects.',
    query: {
      limit: { type: 'integer', minimum: 1, maximum: 1000 },
      after_id: { type: 'string' },
      before_id: { type: 'string' },
    },
    answer: 'The models of this server; `default` first.',
  },
  'GET /v1/models/:id': {
    summary: 'Show a model',
    answer: 'The model, with what is known of it under `freehold`.',
  },
  'POST /api/chat': {
    summary: 'Answer a conversation',
    description: "Ollama's chat. A stream of JSON lines, unless `stream` is false.",
    body: ollamaChatSchema,
    bodyName: 'OllamaChatRequest',
    sample: { model: 'default', messages: hello, stream: false },
    answer: 'An answer with its message and figures.',
    streamType: ndjson,
  },
  'POST /api/generate': {
    summary: 'Answer a prompt',
    description: "Ollama's generate. A stream of JSON lines, unless `stream` is false.",
    body: ollamaGenerateSchema,
    bodyName: 'OllamaGenerateRequest',
    sample: { model: 'default', prompt: 'Say hello in five words.', stream: false },
    answer: 'An answer with its text and figures.',
    streamType: ndjson,
  },
  'POST /api/embed': {
    summary: 'Turn texts into vectors',
    body: ollamaEmbedSchema,
    bodyName: 'OllamaEmbedRequest',
    sample: { model: 'qwen3-embedding-0.6b', input: ['a text', 'another'] },
    answer: 'Vectors of length 1, in the order of the inputs.',
  },
  'POST /api/embeddings': {
    summary: 'Turn a text into a vector',
    description: 'The older form of `/api/embed`; the vector is not normalised.',
    body: ollamaEmbeddingsSchema,
    bodyName: 'OllamaEmbeddingsRequest',
    sample: { model: 'qwen3-embedding-0.6b', prompt: 'a text' },
    answer: 'One vector.',
  },
  'GET /api/tags': { summary: 'List the models', answer: 'The models of this server, each name with a tag.' },
  'POST /api/show': {
    summary: 'Show a model',
    body: ollamaShowSchema,
    bodyName: 'OllamaShowRequest',
    sample: { model: 'default' },
    answer: 'Family, size, context and capabilities of the model.',
  },
  'GET /api/ps': { summary: 'List the models that run', answer: 'The models that are loaded.' },
  'GET /api/version': { summary: 'Tell the version', answer: "The release of Ollama's API that is spoken here." },
  'POST /api/pull': {
    summary: 'Fetch a model',
    description: 'For admins, one at a time. A stream of JSON lines with the progress, unless `stream` is false.',
    body: ollamaPullSchema,
    bodyName: 'OllamaPullRequest',
    sample: { model: 'qwen3-0.6b', stream: false },
    answer: '`{"status": "success"}`',
    streamType: ndjson,
  },
  'DELETE /api/delete': {
    summary: 'Remove a model',
    description: 'For admins.',
    body: ollamaDeleteSchema,
    bodyName: 'OllamaDeleteRequest',
    sample: { model: 'qwen3-0.6b' },
    answer: 'Nothing.',
  },
  'GET /v1/files': {
    summary: 'List your files',
    query: { limit: { type: 'integer', minimum: 1, maximum: 1000 } },
    answer: 'The files of this key, page by page.',
  },
  'POST /v1/files': {
    summary: 'Upload a file',
    form: { purpose: { type: 'string', enum: [...filePurposes] }, file: { type: 'string', format: 'binary' } },
    answer: 'The file, with its id.',
  },
  'GET /v1/files/:id': { summary: 'Show a file', answer: 'Name, size and type of the file.' },
  'DELETE /v1/files/:id': { summary: 'Delete a file', answer: 'Its id, and that it is gone.' },
  'GET /v1/files/:id/content': {
    summary: 'Read a file',
    answer: 'The bytes of the file.',
    answerType: 'application/octet-stream',
  },
  'POST /model/:modelId/converse': {
    summary: 'Answer a conversation',
    description: 'Bedrock Converse. The model is a name or an ARN that ends with one.',
    body: converseSchema,
    bodyName: 'ConverseRequest',
    sample: { messages: converseHello, inferenceConfig: { maxTokens: 200 } },
    answer: 'A message with its content blocks, stop reason, usage and metrics.',
  },
  'POST /model/:modelId/converse-stream': {
    summary: 'Answer a conversation as a stream',
    body: converseSchema,
    bodyName: 'ConverseRequest',
    sample: { messages: converseHello, inferenceConfig: { maxTokens: 200 } },
    answer: 'Frames of the event stream: messageStart, contentBlockDelta …, metadata.',
    answerType: eventStream,
  },
  'POST /model/:modelId/invoke': {
    summary: "Answer a body in a model's own shape",
    description: "Anthropic's Messages, OpenAI's chat completions, Nova's messages, or a body for vectors.",
    body: invokeSchema,
    bodyName: 'InvokeRequest',
    sample: { anthropic_version: 'bedrock-2023-05-31', max_tokens: 200, messages: hello },
    answer: 'An answer in the same shape.',
  },
  'POST /model/:modelId/invoke-with-response-stream': {
    summary: "Answer a body in a model's own shape as a stream",
    body: invokeSchema,
    bodyName: 'InvokeRequest',
    sample: { anthropic_version: 'bedrock-2023-05-31', max_tokens: 200, messages: hello },
    answer: 'Frames of the event stream, each with a chunk.',
    answerType: eventStream,
  },
  'POST /model/:modelId/count-tokens': {
    summary: 'Count the tokens of a request',
    body: bedrockCountSchema,
    bodyName: 'BedrockCountTokensRequest',
    sample: { input: { converse: { messages: converseHello } } },
    answer: '`{"inputTokens": N}`',
  },
  'GET /foundation-models': {
    summary: 'List the models',
    answer: '`modelSummaries`, as the control plane lists them.',
  },
  'GET /foundation-models/:modelId': { summary: 'Show a model', answer: '`modelDetails`.' },
  'GET /inference-profiles': { summary: 'List inference profiles', answer: 'None: models answer by their own names.' },
  'GET /api/session': { summary: 'Tell who is signed in', answer: 'Name and role of whoever the cookie belongs to.' },
  'POST /api/session': {
    summary: 'Sign in to the page',
    description: 'With a key, or with the token of the link that `freehold up` prints.',
    body: z.union([z.object({ token: z.string() }), z.object({ key: z.string() })]),
    bodyName: 'SignInRequest',
    sample: { key: 'fh_…' },
    answer: 'Name and role; the session is a cookie.',
  },
  'DELETE /api/session': { summary: 'Sign out of the page', answer: 'Nothing.', status: 204 },
  'GET /health': { summary: 'Tell whether the server is well', answer: 'How many models are in which state.' },
  'GET /metrics': {
    summary: 'Read the metrics',
    answer: "Figures in Prometheus' text format.",
    answerType: 'text/plain',
  },
  'GET /openapi.json': { summary: 'Read this document', answer: 'OpenAPI 3.1.' },
};
