// What is supported of Bedrock's API.
import { anyObject, get, post, type Row, row } from './row.ts';

const hello = [{ role: 'user', content: [{ text: 'hi' }] }];
const c = post('/model/default/converse', { messages: hello });
const block = (content: object, status = 200) => c({ messages: [{ role: 'user', content: [content] }] }, status);
const messages = [{ role: 'user', content: 'hi' }];
const anthropic = { anthropic_version: 'bedrock-2023-05-31', max_tokens: 10, messages };
const toolConfig = { tools: [{ toolSpec: { name: 'a', inputSchema: { json: anyObject } } }] };
const format = {
  type: 'json_schema',
  structure: { jsonSchema: { name: 'a', schema: JSON.stringify(anyObject) } },
};

export const bedrockRows: Row[] = [
  row('Converse', 'yes', '', c()),
  row(
    'ConverseStream',
    'yes',
    'frames of the event stream, as the SDKs decode them',
    post('/model/default/converse-stream', { messages: hello })(),
  ),
  row(
    'a model by its ARN',
    'yes',
    'its last part is the name; in the path it is one segment, encoded (`%2F`)',
    post('/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Ffake/converse', { messages: hello })(),
  ),
  row('inferenceConfig, system', 'yes', '', c({ system: [{ text: 'x' }], inferenceConfig: { maxTokens: 5 } })),
  row(
    'additionalModelRequestFields: top_k and other sampling, tool_choice.disable_parallel_tool_use',
    'yes',
    'fields of other models are ignored',
    c({ additionalModelRequestFields: { top_k: 5 } }),
  ),
  row(
    'thinking: thinking, reasoning_config, reasoningConfig, reasoning_effort, reasoning',
    'yes',
    'as the vendors of models call it; shown as reasoningContent where asked for, and not done otherwise',
    c({ additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } } }),
  ),
  row(
    'additionalModelResponseFieldPaths',
    'partly',
    '`/stop_sequence`',
    c({ additionalModelResponseFieldPaths: ['/stop_sequence'] }),
  ),
  row(
    'performanceConfig, serviceTier, requestMetadata, fields of later releases',
    'ignored',
    'accepted without effect',
    c({ performanceConfig: { latency: 'optimized' }, requestMetadata: { a: 'b' } }),
  ),
  row(
    'toolConfig',
    'yes',
    'arguments satisfy all of the schema that can be enforced; with `strict` what cannot is a 400',
    c({ toolConfig }),
  ),
  row(
    'systemTool, toolAddition, toolRemoval',
    'no',
    'nothing here runs the vendor’s tools',
    c({ toolConfig: { tools: [{ systemTool: { name: 'nova_grounding' } }] } }, 400),
  ),
  row(
    'outputConfig.textFormat',
    'yes',
    'held to the schema token by token',
    c({ outputConfig: { textFormat: format } }),
  ),
  row(
    'documents of text',
    'yes',
    '',
    c({
      messages: [
        {
          role: 'user',
          content: [{ text: 'hi' }, { document: { format: 'txt', name: 'a', source: { text: 'x' } } }],
        },
      ],
    }),
  ),
  row(
    'documents pdf, doc, docx, xls, xlsx; of S3; citations',
    'no',
    'not taken apart, and nothing is fetched',
    block({ document: { format: 'pdf', name: 'a', source: { bytes: 'AAAA' } } }, 400),
  ),
  row('video, audio', 'no', 'local models cannot see or hear', block({ video: {} }, 400)),
  row(
    'guardrails, stored prompts',
    'no',
    'there are none',
    c({ guardrailConfig: { guardrailIdentifier: 'a', guardrailVersion: '1' } }, 400),
  ),
  row(
    'images',
    'no',
    'local models cannot see; the message names models that could',
    block({ image: { format: 'png', source: { bytes: 'aGk=' } } }, 400),
  ),
  row(
    'cachePoint',
    'yes',
    'changes nothing: every prompt is cached unasked',
    c({ system: [{ text: 'x' }, { cachePoint: { type: 'default' } }] }),
  ),
  row('InvokeModel, Anthropic’s body', 'yes', '', post('/model/default/invoke', anthropic)()),
  row('InvokeModel, OpenAI’s body', 'yes', '', post('/model/default/invoke', { messages, max_tokens: 5 })()),
  row(
    'InvokeModel, Nova’s body',
    'yes',
    '',
    post('/model/default/invoke', { schemaVersion: 'messages-v1', messages: hello })(),
  ),
  row(
    'InvokeModel, prompts in a model’s own template',
    'no',
    'send messages',
    post('/model/default/invoke', {})({ prompt: '[INST] hi' }, 400),
  ),
  row('InvokeModel, Titan’s and Cohere’s embeddings', 'yes', '', post('/model/vectors/invoke', { inputText: 'hi' })()),
  row('InvokeModelWithResponseStream', 'yes', '', post('/model/default/invoke-with-response-stream', anthropic)()),
  row('CountTokens', 'yes', '', post('/model/default/count-tokens', { input: { converse: { messages: hello } } })()),
  row('ListFoundationModels, GetFoundationModel', 'yes', '', get('/foundation-models')),
  row('key as a bearer token', 'yes', '', get('/foundation-models')),
  row(
    'a signature that is wrong',
    'no',
    'signatures of credentials that were made here are verified',
    get('/foundation-models', 403, {
      'x-api-key': '',
      authorization:
        'AWS4-HMAC-SHA256 Credential=AKIAWRONG/20261122/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00',
    }),
  ),
];
