// A response in the making: from the events of a generation to the object that is answered and kept, and to the vendor's
// own events, numbered and in the vendor's order. The ids of its items follow from its own id, so that the same answer told
// again is told in the same words. Pure.
import { FreeholdError, invariant } from '../../../lib/errors.ts';
import type { GeneratedToken, GenerateEvent, StopReason, Usage } from '../../../lib/text-model.ts';
import type { AnswerMeta, Completion } from '../../completion.ts';
import { errorText } from '../../errors.ts';
import { callArguments, tokenLogprobs } from '../answer.ts';
import type { StoredItem } from './items.ts';
import type { Given } from './request.ts';

export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** The object of the API. */
export type ResponseObject = Record<string, unknown> & { id: string; status: ResponseStatus; output: StoredItem[] };

/** One of the vendor's events, as its data line has it. */
export type ResponseEvent = Record<string, unknown> & { type: string; sequence_number: number };

/** What the object tells of the request. */
export type Described = Pick<AnswerMeta, 'id' | 'model' | 'createdSeconds'> & { given: Given };

export interface ResponseMaking {
  /** What is told of it before its generation begins; `take` tells it, too, where nobody asked before. */
  begin(): ResponseEvent[];
  /** Takes the next event of the generation; the last, `stop`, makes the response what it is at its end. */
  take(event: GenerateEvent): ResponseEvent[];
  /** The event that ends the stream, once whoever keeps responses has kept this one. */
  end(): ResponseEvent[];
  /** Ends it before its time. */
  fail(error: FreeholdError): ResponseEvent[];
  /** As it is now. */
  response(): ResponseObject;
}

/** The object before anything is known of its answer. */
export function emptyResponse({ id, model, createdSeconds, given }: Described, status: ResponseStatus): ResponseObject {
  return {
    id,
    object: 'response',
    created_at: createdSeconds,
    completed_at: null,
    status,
    background: given.background ?? false,
    error: null,
    incomplete_details: null,
    instructions: given.instructions ?? null,
    max_output_tokens: given.max_output_tokens ?? null,
    max_tool_calls: given.max_tool_calls ?? null,
    model,
    output: [],
    parallel_tool_calls: given.parallel_tool_calls ?? true,
    previous_response_id: given.previous_response_id ?? null,
    prompt_cache_key: given.prompt_cache_key ?? null,
    reasoning: { effort: given.reasoning?.effort ?? null, summary: given.reasoning?.summary ?? null },
    safety_identifier: given.safety_identifier ?? null,
    service_tier: 'default',
    store: given.store ?? true,
    temperature: given.temperature ?? null,
    text: { format: given.text?.format ?? { type: 'text' }, verbosity: given.text?.verbosity ?? 'medium' },
    tool_choice: given.tool_choice ?? 'auto',
    tools: (given.tools ?? []).map((tool) => ({ description: null, parameters: null, strict: false, ...tool })),
    top_logprobs: given.top_logprobs ?? 0,
    top_p: given.top_p ?? null,
    truncation: given.truncation ?? 'disabled',
    usage: null,
    user: given.user ?? null,
    metadata: given.metadata ?? {},
  };
}

/** The item that is being written. */
interface OpenItem {
  kind: 'message' | 'reasoning' | 'call';
  /** Place among the items of the output. */
  index: number;
  item: StoredItem;
  parts: string[];
  logprobs: GeneratedToken[];
}

/**
 * @param base the response before its answer, from `emptyResponse` or `blank`
 * @param seconds the time, asked once, at the end
 * @param details our addition to the object, asked once, at the end
 */
export function startResponse(
  base: ResponseObject,
  seconds: () => number,
  details: (outputTokens: number) => object = () => ({}),
): ResponseMaking {
  const suffix = base.id.replace(/^[^_]*_/, '');
  const { summary } = base.reasoning as { summary: string | null };
  const summarised = (summary ?? 'none') !== 'none';
  const response: ResponseObject = { ...base, status: 'in_progress', output: [] };
  const { output } = response;
  let number = 0;
  let begun = false;
  let proceeding = false;
  let open: OpenItem | undefined;

  const current = (): OpenItem => {
    invariant(open, 'a delta belongs to an item');
    return open;
  };
  const event = (type: string, data: object): ResponseEvent => ({ type, sequence_number: number++, ...data });
  const about = (type: string): ResponseEvent => event(`response.${type}`, { response: structuredClone(response) });

  function begin(): ResponseEvent[] {
    if (begun) return [];
    begun = true;
    if (!response.background) return [about('created')];
    response.status = 'queued';
    return [about('created'), about('queued')];
  }

  /** The generation has begun, or will not any more. */
  function proceed(): ResponseEvent[] {
    if (proceeding) return [];
    proceeding = true;
    const before = begin();
    response.status = 'in_progress';
    return [...before, about('in_progress')];
  }

  /** Ids are as unique as the response's own. */
  function start(
    kind: OpenItem['kind'],
    prefix: string,
    item: Record<string, unknown> & { type: string },
  ): ResponseEvent[] {
    const index = output.length;
    open = {
      kind,
      index,
      item: { id: `${prefix}_${suffix}o${index}`, status: 'in_progress', ...item },
      parts: [],
      logprobs: [],
    };
    output.push(open.item);
    return [event('response.output_item.added', { output_index: index, item: structuredClone(open.item) })];
  }

  /** The place of a part, as events name it. */
  const place = ({ index, item, kind }: OpenItem) => ({
    item_id: item.id,
    output_index: index,
    ...(kind === 'call' ? {} : kind === 'reasoning' && summarised ? { summary_index: 0 } : { content_index: 0 }),
  });
  const textPart = (text: string, logprobs: readonly GeneratedToken[]) => ({
    type: 'output_text',
    annotations: [],
    logprobs: tokenLogprobs(logprobs),
    text,
  });

  function startText(kind: 'message' | 'reasoning'): ResponseEvent[] {
    if (open?.kind === kind) return [];
    const closed = close('completed');
    if (kind === 'message') {
      const added = start('message', 'msg', { type: 'message', role: 'assistant', content: [] });
      const part = textPart('', []);
      return [...closed, ...added, event('response.content_part.added', { ...place(current()), part })];
    }
    const added = start('reasoning', 'rs', { type: 'reasoning', summary: [], ...(summarised ? {} : { content: [] }) });
    const at = place(current());
    const part = summarised
      ? event('response.reasoning_summary_part.added', { ...at, part: { type: 'summary_text', text: '' } })
      : event('response.content_part.added', { ...at, part: { type: 'reasoning_text', text: '' } });
    return [...closed, ...added, part];
  }

  /** @param status of the item: incomplete where the answer was cut off in it */
  function close(status: 'completed' | 'incomplete'): ResponseEvent[] {
    if (!open) return [];
    const { kind, item, index, parts, logprobs } = open;
    const at = place(open);
    const text = parts.join('');
    open = undefined;
    item.status = status;
    const done = () => event('response.output_item.done', { output_index: index, item: structuredClone(item) });
    if (kind === 'call') {
      item.arguments = text === '' && status === 'completed' ? '{}' : text;
      const whole = { ...at, name: item.name, arguments: item.arguments };
      return [event('response.function_call_arguments.done', whole), done()];
    }
    if (kind === 'message') {
      const part = textPart(text, logprobs);
      item.content = [part];
      return [
        event('response.output_text.done', { ...at, text, logprobs: part.logprobs }),
        event('response.content_part.done', { ...at, part }),
        done(),
      ];
    }
    const part = { type: summarised ? 'summary_text' : 'reasoning_text', text };
    item[summarised ? 'summary' : 'content'] = [part];
    const [textDone, partDone] = summarised
      ? ['response.reasoning_summary_text.done', 'response.reasoning_summary_part.done']
      : ['response.reasoning_text.done', 'response.content_part.done'];
    return [event(textDone as string, { ...at, text }), event(partDone as string, { ...at, part }), done()];
  }

  function finish(status: ResponseStatus): void {
    response.status = status;
    // the vendor tells it of those that came to their end
    response.completed_at = status === 'completed' ? seconds() : null;
  }

  return {
    begin,
    take(given) {
      switch (given.type) {
        case 'start':
          response.usage = usageOf({ ...given, outputTokens: 0 });
          return proceed();
        case 'thinking-delta': {
          const before = [...proceed(), ...startText('reasoning')];
          current().parts.push(given.text);
          const type = summarised ? 'response.reasoning_summary_text.delta' : 'response.reasoning_text.delta';
          return [...before, event(type, { ...place(current()), delta: given.text })];
        }
        case 'text-delta': {
          const before = [...proceed(), ...startText('message')];
          const { logprobs = [], text } = given;
          current().parts.push(text);
          current().logprobs.push(...logprobs);
          const delta = { ...place(current()), delta: text, logprobs: tokenLogprobs(logprobs) };
          return [...before, event('response.output_text.delta', delta)];
        }
        case 'tool-use-start': {
          const before = [...proceed(), ...close('completed')];
          const call = { type: 'function_call', call_id: given.id, name: given.name, arguments: '' };
          return [...before, ...start('call', 'fc', call)];
        }
        case 'tool-use-delta':
          current().parts.push(given.json);
          return [event('response.function_call_arguments.delta', { ...place(current()), delta: given.json })];
        case 'tool-use-stop':
          return close('completed');
        case 'usage':
          response.usage = usageOf(given);
          Object.assign(response, details(given.outputTokens));
          return [];
        case 'stop': {
          const reason = incompleteReason(given.reason);
          const closed = [...proceed(), ...close(reason === undefined ? 'completed' : 'incomplete')];
          if (reason !== undefined) response.incomplete_details = { reason };
          finish(reason === undefined ? 'completed' : 'incomplete');
          return closed;
        }
        default:
          return given satisfies never;
      }
    },
    end: () => [about(response.status)],
    fail(error) {
      const before = [...proceed(), ...close('incomplete')];
      finish(error.code === 'cancelled' ? 'cancelled' : 'failed');
      if (response.status === 'failed') response.error = responseError(error);
      // it has no event of its own
      return [...before, about('failed')];
    },
    response: () => structuredClone(response),
  };
}

function incompleteReason(reason: StopReason): string | undefined {
  switch (reason) {
    case 'max-tokens':
    case 'context-full':
      return 'max_output_tokens';
    case 'refusal':
      return 'content_filter';
    default:
      return undefined;
  }
}

/** Of the vendor's codes those that can be meant here. */
export function responseError(error: FreeholdError): { code: string; message: string } {
  const code =
    error.code === 'rate_limited' ? 'rate_limit_exceeded' : error.status < 500 ? 'invalid_prompt' : 'server_error';
  return { code, message: errorText(error) };
}

function usageOf({ inputTokens, cachedTokens, outputTokens, thinkingTokens = 0 }: Usage) {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: thinkingTokens },
    total_tokens: inputTokens + outputTokens,
  };
}

/** The events a whole answer could have come in. */
export function eventsOfCompletion(completion: Completion): GenerateEvent[] {
  const { blocks, usage, stopReason } = completion;
  let logprobs = completion.logprobs;
  const deltas = blocks.flatMap((block): GenerateEvent[] => {
    switch (block.type) {
      case 'text': {
        const delta: GenerateEvent = { type: 'text-delta', text: block.text, ...(logprobs && { logprobs }) };
        logprobs = undefined;
        return [delta];
      }
      case 'thinking':
        return [{ type: 'thinking-delta', text: block.text }];
      case 'tool-use':
        return callEvents(block.id, block.name, callArguments(completion, block));
      default:
        return [];
    }
  });
  return [
    { type: 'start', inputTokens: usage.inputTokens, cachedTokens: usage.cachedTokens },
    ...cutOff(deltas, stopReason),
    { type: 'usage', ...usage },
    { type: 'stop', reason: stopReason },
  ];
}

/** A call that the answer broke off in has no end. */
function cutOff(deltas: GenerateEvent[], reason: StopReason): GenerateEvent[] {
  const json = deltas.at(-2);
  if (incompleteReason(reason) === undefined || json?.type !== 'tool-use-delta') return deltas;
  if (deltas.at(-1)?.type !== 'tool-use-stop' || isJson(json.json)) return deltas;
  return deltas.slice(0, -1);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const callEvents = (id: string, name: string, json: string): GenerateEvent[] => [
  { type: 'tool-use-start', id, name },
  { type: 'tool-use-delta', json },
  { type: 'tool-use-stop' },
];

/**
 * The events of a response that was kept, told again.
 * @param recorded the events of its generation; without them each of its texts comes in one piece
 */
export function replayed(kept: ResponseObject, recorded?: readonly GenerateEvent[]): ResponseEvent[] {
  const blank = { ...kept, completed_at: null, error: null, incomplete_details: null, usage: null };
  const making = startResponse(blank, () => Number(kept.completed_at));
  const events = (recorded ?? eventsOfOutput(kept)).flatMap((event) => making.take(event));
  const whole = kept.status === 'completed' || kept.status === 'incomplete';
  const rest = whole ? making.end() : making.fail(new FreeholdError('internal', 'told in the response itself'));
  const last = rest.pop();
  return [...events, ...rest, ...(last ? [{ ...last, response: kept }] : [])];
}

function eventsOfOutput({ output, status }: ResponseObject): GenerateEvent[] {
  const textOf = (parts: unknown) =>
    (Array.isArray(parts) ? parts : []).map(({ text }: { text?: string }) => text ?? '').join('');
  const deltas = output.flatMap((item): GenerateEvent[] => {
    if (item.type === 'message') return [{ type: 'text-delta', text: textOf(item.content) }];
    if (item.type === 'reasoning') {
      return [{ type: 'thinking-delta', text: textOf(item.content) || textOf(item.summary) }];
    }
    const call = callEvents(String(item.call_id), String(item.name), String(item.arguments));
    return item.status === 'incomplete' ? call.slice(0, -1) : call;
  });
  const start: GenerateEvent = { type: 'start', inputTokens: 0, cachedTokens: 0 };
  if (status === 'completed') return [start, ...deltas, { type: 'stop', reason: 'end-turn' }];
  return [
    start,
    ...deltas,
    ...(status === 'incomplete' ? [{ type: 'stop' as const, reason: 'max-tokens' as const }] : []),
  ];
}

/** An event as the stream has it. The SDKs look at the data, others at the name. */
export function encodeEvent(event: ResponseEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
