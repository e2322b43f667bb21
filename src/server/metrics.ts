// What /metrics shows, in Prometheus' text format; names follow OpenTelemetry's GenAI conventions where they have one.
// Labels hold only names the operator chose (models, routes), never what a caller invents.
import { readFileSync } from 'node:fs';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LocalTextModel } from '../infer/client.ts';
import type { EngineStats } from '../infer/protocol.ts';

export interface RequestSample {
  method: string;
  /** The route's pattern. */
  route: string;
  status: number;
  durationMs: number;
}

export interface GenerationSample {
  model: string;
  /** `chat`; later also `embeddings` and others. */
  operation: string;
  durationMs: number;
  /** Code of the error it ended with, if it did. */
  errorCode: string | undefined;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  timeToFirstTokenMs: number | null;
  tokensPerSecond: number | null;
}

export interface Metrics {
  request(sample: RequestSample): void;
  generation(sample: GenerationSample): void;
  /** @returns what is told the milliseconds between two pieces of one answer */
  gapsOf(model: string): (gapMs: number) => void;
  /** The page for a scraper. */
  render(running: readonly LocalTextModel[]): Promise<{ contentType: string; text: string }>;
}

/** What is shown of each model that runs: name, kind, help, and where its value comes from. */
const modelMetrics: [
  name: string,
  kind: typeof Counter | typeof Gauge,
  help: string,
  of: (stats: EngineStats) => number,
][] = [
  ['queued_requests', Gauge, 'Requests that wait for a free sequence.', ({ queued }) => queued],
  ['active_sequences', Gauge, 'Sequences whose prompt or answer is being computed.', ({ active }) => active],
  ['kv_used_ratio', Gauge, 'Share of the key-value cells in use, 0 to 1.', ({ kvUsed }) => kvUsed],
  ['prefix_cache_bytes', Gauge, 'Host memory that kept prompts take.', (stats) => stats.prefixCacheBytes],
  ['steps_total', Counter, 'Steps: one pass over the model for all sequences together.', ({ steps }) => steps],
  ['step_tokens_total', Counter, 'Tokens of all steps: by steps, how full a batch is.', (stats) => stats.stepTokens],
  ['step_seconds_total', Counter, 'Time spent in steps.', ({ decodeMs }) => decodeMs / 1000],
  ['prefill_seconds_total', Counter, 'Time of the steps that computed prompts.', ({ prefillMs }) => prefillMs / 1000],
  ['prefill_tokens_total', Counter, 'Prompt tokens computed.', ({ prefillTokens }) => prefillTokens],
  ['output_tokens_total', Counter, 'Tokens generated.', ({ outputTokens }) => outputTokens],
  ['prompt_tokens_total', Counter, 'Prompt tokens of all requests, cached ones too.', (stats) => stats.promptTokens],
  ['cached_tokens_total', Counter, 'Prompt tokens that were in the cache.', ({ cachedTokens }) => cachedTokens],
  ['drafted_tokens_total', Counter, 'Tokens guessed ahead.', ({ draftedTokens }) => draftedTokens],
  ['accepted_tokens_total', Counter, 'Guessed tokens that were right.', ({ acceptedTokens }) => acceptedTokens],
];

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
const gapBuckets = [0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'http_server_requests_total',
    help: 'Requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const requestSeconds = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'From the arrival of a request to the end of its answer.',
    labelNames: ['method', 'route'],
    buckets: durationBuckets,
    registers,
  });
  const labelNames = ['gen_ai_request_model', 'gen_ai_operation_name'];
  const generationSeconds = new Histogram({
    name: 'gen_ai_server_request_duration_seconds',
    help: 'Time a generation took, waiting included.',
    labelNames: [...labelNames, 'error_type'],
    buckets: durationBuckets,
    registers,
  });
  const firstTokenSeconds = new Histogram({
    name: 'gen_ai_server_time_to_first_token_seconds',
    help: 'From the arrival of a request to the first piece of its answer, loading and waiting included.',
    labelNames,
    buckets: durationBuckets,
    registers,
  });
  const perTokenSeconds = new Histogram({
    name: 'gen_ai_server_time_per_output_token_seconds',
    help: 'Mean time for each token after the first, of each answer.',
    labelNames,
    buckets: durationBuckets,
    registers,
  });
  const tokens = new Counter({
    name: 'gen_ai_server_tokens_total',
    help: 'Tokens by type: input (cached ones included), cached, output.',
    labelNames: ['gen_ai_request_model', 'gen_ai_token_type'],
    registers,
  });
  const gapSeconds = new Histogram({
    name: 'freehold_inter_token_latency_seconds',
    help: 'Between two pieces of an answer; a piece is a token, or the few that a character or a stop string waits for.',
    labelNames: ['model'],
    buckets: gapBuckets,
    registers,
  });
  const gauge = (name: string, help: string, labels: string[] = ['model']) =>
    new Gauge({ name, help, labelNames: labels, registers });
  const perModel = modelMetrics.map(([name, Kind, help, of]) => ({
    metric: new Kind({ name: `freehold_model_${name}`, help, labelNames: ['model'], registers }),
    of,
  }));
  const ready = gauge('freehold_model_ready', '1 when the model answers, 0 while it loads or is started again.');
  const modelMemory = gauge('freehold_model_process_resident_memory_bytes', 'Resident memory of the model process.');
  const memory = gauge('process_resident_memory_bytes', 'Resident memory of the server process.', []);
  const started = gauge('process_start_time_seconds', 'When the server process started, seconds since 1970.', []);
  started.set(Math.round(Date.now() / 1000 - process.uptime()));

  return {
    request({ method, route, status, durationMs }) {
      requests.inc({ method, route, status });
      requestSeconds.observe({ method, route }, durationMs / 1000);
    },
    generation(sample) {
      const labels = { gen_ai_request_model: sample.model, gen_ai_operation_name: sample.operation };
      generationSeconds.observe({ ...labels, error_type: sample.errorCode ?? '' }, sample.durationMs / 1000);
      if (sample.timeToFirstTokenMs !== null) firstTokenSeconds.observe(labels, sample.timeToFirstTokenMs / 1000);
      if (sample.tokensPerSecond !== null) perTokenSeconds.observe(labels, 1 / sample.tokensPerSecond);
      const count = (type: string, value: number) =>
        tokens.inc({ gen_ai_request_model: sample.model, gen_ai_token_type: type }, value);
      count('input', sample.inputTokens);
      count('cached', sample.cachedTokens);
      count('output', sample.outputTokens);
    },
    gapsOf(model) {
      const histogram = gapSeconds.labels(model);
      return (gapMs) => histogram.observe(gapMs / 1000);
    },
    async render(running) {
      for (const each of [...perModel.map(({ metric }) => metric), ready, modelMemory]) each.reset();
      for (const model of running) {
        const labels = { model: model.name };
        const stats = model.stats();
        for (const { metric, of } of perModel) metric.inc(labels, of(stats));
        ready.set(labels, model.state === 'ready' ? 1 : 0);
        const resident = model.pid === undefined ? undefined : residentBytes(model.pid);
        if (resident !== undefined) modelMemory.set(labels, resident);
      }
      memory.set(process.memoryUsage.rss());
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Resident memory of another process, where the system tells (Linux). */
function residentBytes(pid: number): number | undefined {
  try {
    const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
