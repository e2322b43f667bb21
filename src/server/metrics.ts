// What /metrics shows, in Prometheus' text format; names follow OpenTelemetry's GenAI conventions where they have one.
// Labels hold only names the operator chose (models, routes), never what a caller invents.
import { readFileSync } from 'node:fs';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { LocalTextModel } from '../infer/client.ts';

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
  /** The page for a scraper. */
  render(running: readonly LocalTextModel[]): Promise<{ contentType: string; text: string }>;
}

const durationBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

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
    help: 'From arrival to the end of the answer.',
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
    help: 'From arrival to the first piece of the answer.',
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
    help: 'Tokens: input (cached ones included), cached, output.',
    labelNames: ['gen_ai_request_model', 'gen_ai_token_type'],
    registers,
  });
  const gauge = (name: string, help: string, labels: string[] = ['model']) =>
    new Gauge({ name, help, labelNames: labels, registers });
  const perModel = {
    queued: gauge('freehold_model_queued_requests', 'Requests that wait for a free sequence.'),
    active: gauge('freehold_model_active_sequences', 'Sequences being computed.'),
    kvUsed: gauge('freehold_model_kv_used_ratio', 'Share of the key-value cells in use.'),
    steps: gauge('freehold_model_steps', 'Decode calls since the load.'),
    prefillTokens: gauge('freehold_model_prefill_tokens', 'Prompt tokens computed since the load.'),
    outputTokens: gauge('freehold_model_output_tokens', 'Tokens generated since the load.'),
    decodeSeconds: gauge('freehold_model_decode_seconds', 'Time spent in decode calls since the load.'),
    ready: gauge('freehold_model_ready', '1 when the model answers.'),
    memory: gauge('freehold_model_process_resident_memory_bytes', 'Resident memory of the model process.'),
  };
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
    async render(running) {
      for (const each of Object.values(perModel)) each.reset();
      for (const model of running) {
        const labels = { model: model.name };
        const stats = model.stats();
        perModel.queued.set(labels, stats.queued);
        perModel.active.set(labels, stats.active);
        perModel.kvUsed.set(labels, stats.kvUsed);
        perModel.steps.set(labels, stats.steps);
        perModel.prefillTokens.set(labels, stats.prefillTokens);
        perModel.outputTokens.set(labels, stats.outputTokens);
        perModel.decodeSeconds.set(labels, stats.decodeMs / 1000);
        perModel.ready.set(labels, model.state === 'ready' ? 1 : 0);
        const resident = model.pid === undefined ? undefined : residentBytes(model.pid);
        if (resident !== undefined) perModel.memory.set(labels, resident);
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
