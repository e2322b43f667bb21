// `POST /model/:id/invoke` and `invoke-with-response-stream`: bodies in the models' own shapes. Each is recognised, read by
// the parser of its protocol, and answered in the same shape: Anthropic's Messages, OpenAI's chat completions, Nova's
// messages, which are Converse's. Bodies for embeddings are `embed.ts`. Pure.
import { z } from 'zod';
import { FreeholdError } from '../../lib/errors.ts';
import type { GenerateEvent, GenerateRequest } from '../../lib/text-model.ts';
import { messageBody } from '../anthropic/answer.ts';
import { parseCountTokens, parseMessages } from '../anthropic/request.ts';
import { messageStream } from '../anthropic/stream.ts';
import type { AnswerMeta, Completion, ParsedRequest, RequestContext, StreamEncoder } from '../completion.ts';
import { chatBody, chatStream } from '../openai/answer.ts';
import { parseChat } from '../openai/request.ts';
import { validate } from '../validate.ts';
import { converseBody, converseEvents } from './answer.ts';
import { parseConverse, parseConversePrompt } from './converse.ts';
import { exceptionFrame } from './errors.ts';
import { eventFrame, eventStreamType, keepAliveFrame } from './frames.ts';

/** What the path of a request says. */
export interface InvokeRoute {
  model: string;
  stream: boolean;
}

/** A request, and how to answer it in its own shape. */
export interface ParsedInvoke {
  parsed: ParsedRequest;
  /** Prefix of the answer's id. */
  idPrefix: string;
  body(completions: [Completion, ...Completion[]], meta: AnswerMeta): unknown;
  encoder(meta: AnswerMeta): StreamEncoder<Uint8Array>;
}

/** The body of an invocation: one of several shapes, told by what it holds. */
export const invokeSchema = z.looseObject({
  anthropic_version: z.string().nullish(),
  messages: z.array(z.looseObject({ role: z.string() })).nullish(),
  inputText: z.string().nullish(),
  texts: z.array(z.string()).nullish(),
});

type Shape = 'anthropic' | 'openai' | 'nova';

/**
 * @param body the parsed JSON of the request
 * @throws FreeholdError invalid_request or unsupported, naming the field
 */
export function parseInvoke(body: unknown, route: InvokeRoute, context: RequestContext): ParsedInvoke {
  const shape = shapeOf(body);
  switch (shape) {
    case 'anthropic': {
      const parsed = parseMessages({ ...(body as object), ...route }, context);
      return {
        parsed,
        idPrefix: 'msg',
        body: ([completion], meta) => messageBody(completion, meta, parsed.thoughts),
        encoder: (meta) => chunks(fromText(messageStream(meta, parsed.thoughts)), meta),
      };
    }
    case 'openai': {
      const parsed = parseChat({ ...(body as object), ...route }, context);
      return {
        parsed,
        idPrefix: 'chatcmpl',
        body: (completions, meta) => chatBody(completions, meta, parsed),
        encoder: (meta) => chunks(fromText(chatStream(meta, parsed)), meta),
      };
    }
    case 'nova': {
      const parsed = parseConverse(body, route, context);
      return {
        parsed,
        idPrefix: 'msg',
        body: ([completion], meta) => converseBody(completion, meta, parsed),
        encoder: (meta) => {
          const eventsOf = converseEvents(meta, parsed);
          return chunks((event) => eventsOf(event).map(([type, json]) => `{"${type}":${json}}`), meta);
        },
      };
    }
    default:
      return shape satisfies never;
  }
}

/** The prompt of an invocation whose tokens are to be counted. */
export function parseInvokePrompt(body: unknown, model: string, context: RequestContext): GenerateRequest {
  const shape = shapeOf(body);
  switch (shape) {
    case 'anthropic':
      return parseCountTokens({ ...(body as object), model }, context).request;
    case 'openai':
      return parseChat({ ...(body as object), model }, context).request;
    case 'nova':
      return parseConversePrompt(body, context);
    default:
      return shape satisfies never;
  }
}

function shapeOf(body: unknown): Shape {
  const given = validate(invokeSchema, body, 'dots');
  if (typeof given.anthropic_version === 'string') return 'anthropic';
  if (given.messages) {
    const parts = given.messages.flatMap(({ content }) => (Array.isArray(content) ? (content as unknown[]) : []));
    const isNova = ['schemaVersion', 'inferenceConfig', 'toolConfig'].some((field) => Object.hasOwn(given, field));
    // parts of all other shapes have a type
    return isNova || parts.some((part) => typeof part === 'object' && part !== null && !('type' in part))
      ? 'nova'
      : 'openai';
  }
  throw new FreeholdError('unsupported', 'The body has no shape that is known here.', {
    hint: 'Known are: Anthropic Messages (with anthropic_version), OpenAI chat completions and Nova (with messages), and for embeddings Titan (inputText) and Cohere (texts). Prompts in a model’s own template are not read: send messages, or use Converse.',
  });
}

/** The JSON of each event in a text of server-sent events, pings and the end mark left out. */
function fromText(encoder: StreamEncoder): (event: GenerateEvent, answer?: number) => string[] {
  return (event, answer) =>
    encoder
      .encode(event, answer)
      // by the line break alone: JSON may hold other ends of lines as they are
      .split('\n')
      .flatMap((line) => (line.startsWith('data: {') ? [line.slice('data: '.length)] : []))
      .filter((json) => json !== '{"type":"ping"}');
}

/** Encodes events as frames that each hold one of them, in base64. */
function chunks(
  jsonOf: (event: GenerateEvent, answer?: number) => string[],
  meta: AnswerMeta,
): StreamEncoder<Uint8Array> {
  let usage = { inputTokens: 0, outputTokens: 0 };
  /** The vendor's addition to the last chunk. */
  const withMetrics = (json: string) => {
    const { totalMs = 0, loadMs = 0, promptMs = 0 } = meta.durations?.() ?? {};
    const metrics = {
      inputTokenCount: usage.inputTokens,
      outputTokenCount: usage.outputTokens,
      invocationLatency: Math.round(totalMs),
      firstByteLatency: Math.round(loadMs + promptMs),
    };
    return `${json.slice(0, -1)},"amazon-bedrock-invocationMetrics":${JSON.stringify(metrics)}}`;
  };
  return {
    contentType: eventStreamType,
    encode(event, answer) {
      if (event.type === 'usage') usage = event;
      const all = jsonOf(event, answer);
      const frames = all.map((json, index) => {
        const whole = event.type === 'stop' && index === all.length - 1 ? withMetrics(json) : json;
        return eventFrame('chunk', `{"bytes":"${Buffer.from(whole).toString('base64')}"}`);
      });
      return frames.length === 1 ? (frames[0] as Uint8Array) : Buffer.concat(frames);
    },
    fail: (error) => exceptionFrame(error),
    keepAlive: keepAliveFrame,
  };
}
