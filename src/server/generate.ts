// One generation, from a parsed request to the HTTP answer, whole or streamed, the same for every protocol. Ends the
// generation when the caller goes away, and keeps the times that answers and metrics show.
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { deferred } from '../lib/deferred.ts';
import { asFreeholdError, FreeholdError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { settledWithin } from '../lib/settled.ts';
import type { GenerateEvent, TextModel } from '../lib/text-model.ts';
import {
  type AnswerMeta,
  type Completion,
  type GenerationDurations,
  type GenerationTiming,
  type ParsedRequest,
  type StreamEncoder,
  startGathering,
} from '../wire/completion.ts';
import { inRequest } from '../wire/places.ts';
import { allowedModel } from './allowed-models.ts';
import { publicError } from './answer-error.ts';
import { generateAnswers, type OnAnswerEvent } from './answers.ts';
import { abortWithCaller } from './caller.ts';
import type { AppContext, Services } from './context.ts';
import { createEventStream } from './event-stream.ts';
import { report } from './guard.ts';

export interface Call {
  parsed: ParsedRequest;
  /** Prefix of the answer's id, e.g. `msg`. */
  idPrefix: string;
  /** Whole answers in the protocol's shape: as many as were asked for. May take its time, as to keep them. */
  body(completions: [Completion, ...Completion[]], meta: AnswerMeta): unknown;
  /** A streamed one. */
  encoder(meta: AnswerMeta): StreamEncoder<string | Uint8Array>;
}

/**
 * Answers a request with a generation. Until the first event, failures are thrown, so that they get their own status;
 * after it they end the stream with the protocol's error event.
 * @throws FreeholdError whatever the model or its loading throws
 */
export async function respond(c: AppContext, services: Services, call: Call): Promise<Response> {
  const { parsed } = call;
  const model = await allowedModel(c, services, parsed.model);
  const name = model.capabilities().model;
  const facts = c.get('facts');
  const arrivedMs = c.get('arrivedMs');
  facts.model = name;
  const release = services.models.hold(model);
  const { abort, done } = abortWithCaller(c, services);
  const stopwatch = createStopwatch(
    arrivedMs,
    services.metrics.gapsOf(name),
    (parsed.answers ?? 1) / (parsed.prompts ?? 1),
  );
  const meta: AnswerMeta = {
    id: newId(call.idPrefix),
    model: name,
    createdSeconds: Math.floor(Date.now() / 1000),
    timing: stopwatch.timing,
    durations: stopwatch.durations,
  };
  const finish = (error?: FreeholdError) => {
    release();
    done();
    const { timeToFirstTokenMs, tokensPerSecond } = stopwatch.timing(stopwatch.usage.outputTokens);
    Object.assign(facts, {
      inputTokens: stopwatch.usage.inputTokens,
      outputTokens: stopwatch.usage.outputTokens,
      ...(timeToFirstTokenMs === null ? {} : { timeToFirstTokenMs }),
      ...(error === undefined ? {} : { errorCode: error.code }),
    });
    services.metrics.generation({
      ...stopwatch.usage,
      model: name,
      operation: 'chat',
      durationMs: performance.now() - arrivedMs,
      errorCode: error?.code,
      timeToFirstTokenMs,
      tokensPerSecond,
    });
  };
  c.header('freehold-model', encodeURI(name));
  c.header('cache-control', 'no-store');
  try {
    const run = (onEvent: OnAnswerEvent) => generate(model, parsed, abort.signal, stopwatch, onEvent);
    if (parsed.stream) return await stream(c, services, call.encoder(meta), run, abort, finish);
    const gatherings = Array.from({ length: parsed.answers ?? 1 }, startGathering);
    await run((event, answer) => gatherings[answer]?.add(event));
    const completions = gatherings.map((gathering) => gathering.end()) as [Completion, ...Completion[]];
    const body = await call.body(completions, meta);
    finish();
    return c.json(body as object);
  } catch (thrown) {
    finish(asFreeholdError(thrown));
    throw thrown;
  }
}

async function generate(
  model: TextModel,
  parsed: ParsedRequest,
  signal: AbortSignal,
  stopwatch: Stopwatch,
  onEvent: OnAnswerEvent,
): Promise<void> {
  if (signal.aborted) throw new FreeholdError('cancelled', 'The caller went away.');
  try {
    await generateAnswers(model, parsed.requests ?? parsed.request, parsed.answers ?? 1, signal, (event, answer) => {
      stopwatch.see(event, answer);
      onEvent(event, answer);
    });
  } catch (error) {
    throw inRequest(error, parsed);
  }
}

async function stream(
  c: AppContext,
  services: Services,
  encoder: StreamEncoder<string | Uint8Array>,
  run: (onEvent: OnAnswerEvent) => Promise<void>,
  abort: AbortController,
  finish: (error?: FreeholdError) => void,
): Promise<Response> {
  const { undeliveredBytes = 4 << 20, stallMs = 120_000, keepAliveMs = 15_000 } = services.streams ?? {};
  const outgoing = c.env?.outgoing;
  const out = createEventStream({
    limitBytes: undeliveredBytes,
    stallMs,
    onCancel: () => abort.abort(),
    onStall: () => {
      services.logger.warn({ traceId: c.var.requestId }, 'the reader was too slow: stream ended');
      abort.abort();
      outgoing?.destroy();
    },
  });
  let keepAlive: NodeJS.Timeout | undefined;
  const begun = deferred();
  const generation = run((event, answer) => {
    begun.resolve();
    const piece = encoder.encode(event, answer);
    if (piece.length === 0) return;
    out.write(piece);
    keepAlive?.refresh();
  });
  await settledWithin(Promise.race([begun.promise, generation]), keepAliveMs);

  const timer = setTimeout(() => {
    out.write(encoder.keepAlive());
    timer.refresh();
  }, keepAliveMs).unref();
  keepAlive = timer;
  const ended = encoder.end
    ? generation.then(async () => {
        out.write((await encoder.end?.()) ?? '');
      })
    : generation;
  ended
    .then(
      () => finish(),
      (thrown) => {
        const error = publicError(thrown, services);
        out.write(encoder.fail(error, c.var.requestId));
        finish(error);
      },
    )
    .finally(() => {
      keepAlive = undefined;
      clearTimeout(timer);
      out.end();
      report(c, services, abort.signal.aborted && !services.stopping?.aborted ? 499 : 200);
    })
    // nobody waits for it any more, and what nobody hears of ends the process
    .catch((error: unknown) =>
      services.logger.error({ err: error, traceId: c.get('requestId') }, 'a stream did not end as it should'),
    );
  c.get('facts').streaming = true;
  const contentType = encoder.contentType ?? 'text/event-stream; charset=utf-8';
  const headers = { 'content-type': contentType, 'x-accel-buffering': 'no' };
  if (!outgoing) return c.body(out.readable(), 200, headers);
  outgoing.writeHead(200, Object.fromEntries(c.body(null, 200, headers).headers));
  out.sendTo(outgoing);
  return RESPONSE_ALREADY_SENT;
}

interface Stopwatch {
  see(event: GenerateEvent, answer: number): void;
  timing(outputTokens: number): GenerationTiming;
  durations(): GenerationDurations;
  readonly usage: { inputTokens: number; cachedTokens: number; outputTokens: number };
}

/**
 * @param onGap is told the milliseconds between two pieces of the same answer
 * @param answersPerPrompt so many answers share a prompt, and those after them the next
 */
function createStopwatch(arrivedMs: number, onGap: (gapMs: number) => void, answersPerPrompt: number): Stopwatch {
  /** The model is there when the clock is made. */
  const loadedMs = performance.now();
  let firstMs: number | undefined;
  let lastMs: number | undefined;
  /** When the last piece of each answer came. */
  const pieceMs: number[] = [];
  /** Output tokens of each answer, as far as known. */
  const outputs: number[] = [];
  /** Prompts, as told last, by the first answer to each. */
  const inputs: { inputTokens: number; cachedTokens: number }[] = [];
  const usage = { inputTokens: 0, cachedTokens: 0, outputTokens: 0 };
  const rounded = (value: number) => Math.round(value * 10) / 10;
  const setOutput = (answer: number, tokens: number) => {
    usage.outputTokens += tokens - (outputs[answer] ?? 0);
    outputs[answer] = tokens;
  };
  return {
    usage,
    see(event, answer) {
      if (event.type === 'start' || event.type === 'usage') {
        // several answers share one prompt
        if (answer % answersPerPrompt === 0) {
          const before = inputs[answer];
          usage.inputTokens += event.inputTokens - (before?.inputTokens ?? 0);
          usage.cachedTokens += event.cachedTokens - (before?.cachedTokens ?? 0);
          inputs[answer] = event;
        }
        if (event.type === 'usage') setOutput(answer, event.outputTokens);
      } else if (event.type !== 'stop') {
        // until the engine tells, a piece counts as a token: what is known when a caller leaves early
        setOutput(answer, (outputs[answer] ?? 0) + 1);
        lastMs = performance.now();
        firstMs ??= lastMs;
        const before = pieceMs[answer];
        if (before !== undefined) onGap(lastMs - before);
        pieceMs[answer] = lastMs;
      }
    },
    timing(outputTokens) {
      const seconds = firstMs === undefined || lastMs === undefined ? 0 : (lastMs - firstMs) / 1000;
      return {
        timeToFirstTokenMs: firstMs === undefined ? null : rounded(firstMs - arrivedMs),
        tokensPerSecond: outputTokens < 2 || seconds <= 0 ? null : rounded((outputTokens - 1) / seconds),
      };
    },
    durations() {
      const nowMs = performance.now();
      return {
        totalMs: nowMs - arrivedMs,
        loadMs: loadedMs - arrivedMs,
        promptMs: (firstMs ?? nowMs) - loadedMs,
        answerMs: firstMs === undefined || lastMs === undefined ? 0 : lastMs - firstMs,
      };
    },
  };
}
