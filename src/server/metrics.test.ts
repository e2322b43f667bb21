import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFakeModel } from '../../test/support/fake-model.ts';
import { createMetrics } from './metrics.ts';

/** Metrics with one of everything in them. */
function filled() {
  const metrics = createMetrics();
  metrics.request({ method: 'POST', route: '/v1/messages', status: 200, durationMs: 20 });
  metrics.generation({
    model: 'fake',
    operation: 'chat',
    durationMs: 500,
    errorCode: undefined,
    inputTokens: 30,
    cachedTokens: 10,
    outputTokens: 20,
    timeToFirstTokenMs: 60,
    tokensPerSecond: 100,
  });
  metrics.gapsOf('fake')(12);
  return metrics;
}

const lines = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));

describe('metrics', () => {
  it('of a model are what its engine counts, in the units of their names', async () => {
    const { text } = await filled().render([createFakeModel('fake')]);
    const values = Object.fromEntries(
      [...text.matchAll(/^freehold_model_(\w+)\{model="fake"\} (\S+)$/gm)].map(([, name, value]) => [
        name,
        Number(value),
      ]),
    );
    expect(values).toEqual({
      queued_requests: 1,
      active_sequences: 0,
      kv_used_ratio: 0.5,
      prefix_cache_bytes: 1024,
      steps_total: 3,
      step_tokens_total: 12,
      step_seconds_total: 0.011,
      prefill_seconds_total: 0.003,
      prefill_tokens_total: 5,
      output_tokens_total: 7,
      prompt_tokens_total: 6,
      cached_tokens_total: 1,
      drafted_tokens_total: 4,
      accepted_tokens_total: 2,
      ready: 1,
    });
  });

  it('do not add up from one look to the next, and forget a model that was unloaded', async () => {
    const metrics = createMetrics();
    const model = createFakeModel('fake');
    await metrics.render([model]);
    const again = (await metrics.render([model])).text;
    expect(lines(again, 'freehold_model_output_tokens_total')).toEqual([
      'freehold_model_output_tokens_total{model="fake"} 7',
    ]);
    const without = (await metrics.render([])).text;
    expect(without).not.toContain('model="fake"');
  });

  it('of a model that is started again are there, and say so', async () => {
    const model = createFakeModel('fake');
    model.state = 'restarting';
    const { text } = await createMetrics().render([model]);
    expect(lines(text, 'freehold_model_ready')).toEqual(['freehold_model_ready{model="fake"} 0']);
  });

  it('count times in buckets, in seconds', async () => {
    const { text } = await filled().render([]);
    expect(text).toContain('freehold_inter_token_latency_seconds_bucket{le="0.01",model="fake"} 0');
    expect(text).toContain('freehold_inter_token_latency_seconds_bucket{le="0.015",model="fake"} 1');
    expect(text).toContain('freehold_inter_token_latency_seconds_sum{model="fake"} 0.012');
    expect(text).toMatch(/gen_ai_server_time_to_first_token_seconds_sum\{[^}]*\} 0\.06$/m);
    expect(text).toMatch(/gen_ai_server_time_per_output_token_seconds_sum\{[^}]*\} 0\.01$/m);
  });

  it('are named as Prometheus asks: counters end in _total, and times and sizes say their unit', async () => {
    const { text } = await filled().render([]);
    for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm) as Iterable<[string, string, string]>) {
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter']);
      expect(name).not.toMatch(/_(ms|milliseconds|mb|percent)(_|$)/);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });
});

// to write it anew: npx vitest run src/server/metrics.test.ts -u
it('docs/guide/metrics.md lists exactly the metrics', async () => {
  const model = { ...createFakeModel('fake'), pid: process.pid };
  const { text } = await filled().render([model]);
  const rows = [...text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \S+ (\S+)$/gm)].map(([, name, help, type]) => {
    const sample = new RegExp(`^${name}(?:_bucket)?\\{([^}]*)\\}`, 'm').exec(text)?.[1] ?? '';
    const labels = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label).filter((label) => label !== 'le');
    return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
  });
  expect(rows.length).toBeGreaterThan(20);
  const page = [...intro, '| metric | type | labels | |', '|---|---|---|---|', ...rows, ''].join('\n');
  await expect(page).toMatchFileSnapshot(path.join(import.meta.dirname, '../../docs/guide/metrics.md'));
});

const intro = [
  '# Metrics',
  '',
  "`GET /metrics` answers in Prometheus' text format; it asks for a key with the role `admin` or `service`. Names follow OpenTelemetry where it has one",
  '(`http_server_…`, `gen_ai_…`). Times are seconds, sizes bytes, ratios 0 to 1. Labels hold the names of models and routes, never what a caller sent.',
  'Counters of a model begin at 0 when it is loaded, and again when its process was started anew.',
  '',
  '| to see | ask |',
  '|---|---|',
  '| tokens generated a second | `rate(freehold_model_output_tokens_total[1m])` |',
  '| how quick prompts are computed | `rate(freehold_model_prefill_tokens_total[1m]) / rate(freehold_model_prefill_seconds_total[1m])` |',
  '| how full a batch is, in tokens | `rate(freehold_model_step_tokens_total[1m]) / rate(freehold_model_steps_total[1m])` |',
  '| how busy a model is, 0 to 1 | `rate(freehold_model_step_seconds_total[1m])` |',
  '| share of prompts that the cache saves | `rate(freehold_model_cached_tokens_total[5m]) / rate(freehold_model_prompt_tokens_total[5m])` |',
  '| share of guessed tokens that were right | `rate(freehold_model_accepted_tokens_total[5m]) / rate(freehold_model_drafted_tokens_total[5m])` |',
  '| p95 of the time to first token | `histogram_quantile(0.95, sum by (le) (rate(gen_ai_server_time_to_first_token_seconds_bucket[5m])))` |',
  '| p99 of the time between tokens | `histogram_quantile(0.99, sum by (le) (rate(freehold_inter_token_latency_seconds_bucket[5m])))` |',
  '',
];
