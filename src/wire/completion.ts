// What every protocol's answers share: the events of one generation gathered into one value, and the shape of an
// encoder that turns events into the text of a stream. Pure; knows no protocol and no clock.
import type { FreeholdError } from '../lib/errors.ts';
import type { Block, GeneratedToken, GenerateEvent, GenerateRequest, StopReason, Usage } from '../lib/text-model.ts';
import type { RequestPlaces } from './places.ts';

/** What the server knows about an answer and the model does not. */
export interface AnswerMeta {
  /** Id of the answer in the protocol's style, e.g. `msg_…`. */
  id: string;
  /** Name of the model that answers. */
  model: string;
  /** Seconds since 1970. */
  createdSeconds: number;
  /** Measured by whoever runs the generation; asked once, at its end. */
  timing(outputTokens: number): GenerationTiming;
  /** The same for protocols that tell how long each part took. Default: not known. */
  durations?(): GenerationDurations;
}

/** In milliseconds, from the request's arrival. */
export interface GenerationDurations {
  totalMs: number;
  /** Until the model was there. */
  loadMs: number;
  /** From then to the first delta: waiting in the queue, and the prompt. */
  promptMs: number;
  /** From the first delta to the last. */
  answerMs: number;
}

/** Our addition to the last event and to whole answers, under `freehold`. */
export interface GenerationTiming {
  /** From the request's arrival to the first delta; null when there was none. */
  timeToFirstTokenMs: number | null;
  /** Rate after the first token; null when fewer than two tokens came. */
  tokensPerSecond: number | null;
}

/** A parsed request: what to generate, with which model, and how to answer; and where its parts stand, for errors. */
export interface ParsedRequest extends RequestPlaces {
  model: string;
  stream: boolean;
  request: GenerateRequest;
  /** How many answers, each generated for itself. Default 1. */
  answers?: number;
  /** What each answer answers, where it is not always the same: as many for each of several prompts. */
  requests?: readonly GenerateRequest[];
  /** How many prompts those are. Default 1. */
  prompts?: number;
}

/** A file that the caller uploaded, as far as a request can use it. */
export interface RequestFile {
  name: string;
  mediaType: string;
  /** What it says, where it is text. */
  text?: string;
}

/** Who asks, for the canonical request. */
export interface RequestContext {
  tenant: string;
  traceId: string;
  /** The caller's own files that the request names (see `fileIdsIn`), by id. Default: none. */
  files?: ReadonlyMap<string, RequestFile>;
}

/** Every `file_id` that a request names, each once, wherever it stands. */
export function fileIdsIn(body: unknown): string[] {
  const ids = new Set<string>();
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'file_id' && typeof inner === 'string') ids.add(inner);
      else visit(inner);
    }
  };
  visit(body);
  return [...ids];
}

/** Turns the events of one request's answers, those of each in order, into the text, or the frames, of a stream. */
export interface StreamEncoder<Piece extends string | Uint8Array = string> {
  /** Default: `text/event-stream; charset=utf-8`. */
  contentType?: string;
  /**
   * The bytes-to-be of this event; empty when it has none.
   * @param answer which of several answers it belongs to, from 0. Default 0
   */
  encode(event: GenerateEvent, answer?: number): Piece;
  /**
   * What ends the stream after its last event, where something is to be done before the caller reads that it is over; a
   * failure of that ends the stream as any other. Default: nothing more.
   */
  end?(): Promise<Piece>;
  /** What ends a stream that already began, after a failure. */
  fail(error: FreeholdError, requestId: string): Piece;
  /** Something harmless that keeps the connection awake. */
  keepAlive(): Piece;
}

/** One whole answer. */
export interface Completion {
  /** text, thinking and tool-use blocks, in order. */
  blocks: Block[];
  /** The tokens of its text, where the request asked for their log probabilities. */
  logprobs?: GeneratedToken[];
  /** The arguments of each call as the model wrote them, by the call's id; not whole where the answer was cut off. */
  toolJson?: Record<string, string>;
  usage: Usage;
  stopReason: StopReason;
  stopSequence: string | undefined;
}

/** One whole answer in the making. */
export interface Gathering {
  /** Takes the next event. */
  add(event: GenerateEvent): void;
  /** What there is, after the last event. */
  end(): Completion;
}

/** Gathers the events of one generation as they come. */
export function startGathering(): Gathering {
  const completion: Completion = {
    blocks: [],
    usage: { inputTokens: 0, cachedTokens: 0, outputTokens: 0 },
    stopReason: 'end-turn',
    stopSequence: undefined,
  };
  const { blocks, usage } = completion;
  // pieces are joined once: adding to a string for each token of a long answer costs more than it looks
  let open: { type: 'text' | 'thinking'; parts: string[] } | undefined;
  let tool: { id: string; name: string; parts: string[] } | undefined;
  const close = () => {
    if (open) blocks.push({ type: open.type, text: open.parts.join('') });
    if (tool) {
      const json = tool.parts.join('');
      blocks.push({ type: 'tool-use', id: tool.id, name: tool.name, input: toolInput(json) });
      completion.toolJson ??= {};
      completion.toolJson[tool.id] = json;
    }
    open = undefined;
    tool = undefined;
  };
  const add = (event: GenerateEvent) => {
    switch (event.type) {
      case 'start':
        usage.inputTokens = event.inputTokens;
        usage.cachedTokens = event.cachedTokens;
        break;
      case 'text-delta':
      case 'thinking-delta': {
        const type = event.type === 'text-delta' ? 'text' : 'thinking';
        if (open?.type !== type) {
          close();
          open = { type, parts: [] };
        }
        open?.parts.push(event.text);
        if (event.type === 'text-delta' && event.logprobs) {
          completion.logprobs ??= [];
          completion.logprobs.push(...event.logprobs);
        }
        break;
      }
      case 'tool-use-start':
        close();
        tool = { id: event.id, name: event.name, parts: [] };
        break;
      case 'tool-use-delta':
        tool?.parts.push(event.json);
        break;
      case 'tool-use-stop':
        close();
        break;
      case 'usage':
        Object.assign(usage, {
          inputTokens: event.inputTokens,
          cachedTokens: event.cachedTokens,
          outputTokens: event.outputTokens,
          ...(event.thinkingTokens === undefined ? {} : { thinkingTokens: event.thinkingTokens }),
        });
        break;
      case 'stop':
        completion.stopReason = event.reason;
        completion.stopSequence = event.stopSequence;
        break;
      default:
        event satisfies never;
    }
  };
  return {
    add,
    end() {
      close();
      return completion;
    },
  };
}

function toolInput(json: string): unknown {
  if (json.trim() === '') return {};
  try {
    return JSON.parse(json);
  } catch {
    // an answer cut off by max_tokens: hand on what there is
    return { partial_json: json };
  }
}

/** Usage of several answers to one prompt, which counts once: the first computed it, the others share it. */
export function totalUsage(usages: readonly Usage[]): Usage {
  const { inputTokens, cachedTokens } = usages[0] ?? { inputTokens: 0, cachedTokens: 0 };
  const sum = (of: (usage: Usage) => number) => usages.reduce((total, usage) => total + of(usage), 0);
  const thinkingTokens = sum((usage) => usage.thinkingTokens ?? 0);
  return {
    inputTokens,
    cachedTokens,
    outputTokens: sum((usage) => usage.outputTokens),
    ...(thinkingTokens === 0 ? {} : { thinkingTokens }),
  };
}
