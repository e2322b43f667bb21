import { describe, expect, it } from 'vitest';
import { decoderForward, randomWeights, tinyConfig } from '../../test/support/decoder-forward.ts';
import { createRandom } from '../lib/random.ts';
import { causalMask } from '../tensor/attention.ts';
import { crossEntropy, flatTargets } from '../tensor/cross-entropy.ts';
import { gradients } from '../tensor/gradients.ts';
import { input } from '../tensor/ops.ts';
import { createReferenceDevice } from '../tensor/reference/reference-device.ts';
import { Graph, type Tensor } from '../tensor/tensor.ts';
import {
  type HiddenStatesOptions,
  headOf,
  hiddenStates,
  logits,
  type ModelConfig,
  parameterOf,
  parametersOf,
} from './model.ts';

const batch = 2;
const length = 6;
const chunk = 5;
const tokens = Int32Array.from([3, 1, 4, 1, 5, 9, 2, 6, 5, 12, 0, 8]);
/** Documents of the second sequence: two of them. */
const documents = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2];

const variants: ModelConfig[] = (['qwen3', 'llama'] as const).flatMap((architecture) =>
  [false, true].map((tied) => ({ ...tinyConfig, architecture, tied })),
);
const named = variants.map((config) => ({
  name: `${config.architecture}, ${config.tied ? 'tied' : 'untied'}`,
  config,
}));

function inputs(graph: Graph): HiddenStatesOptions {
  return {
    tokens: input(graph, 'tokens', [batch * length], 'i32'),
    positions: input(graph, 'positions', [length], 'i32'),
    mask: input(graph, 'mask', [batch, 1, length, length]),
    batch,
    length,
  };
}

/** A device that holds the weights, and a program on it with its inputs set. */
function prepare(
  config: ModelConfig,
  build: (graph: Graph, options: HiddenStatesOptions) => Record<string, Tensor>,
  more: Partial<HiddenStatesOptions> = {},
) {
  const device = createReferenceDevice();
  const graph = new Graph();
  const outputs = build(graph, { ...inputs(graph), ...more });
  const executable = device.compile({ graph, outputs, updates: [] });
  const weights = randomWeights(config, 7);
  for (const [name, values] of weights) device.write(name, values);
  executable.set('tokens', tokens);
  executable.set(
    'positions',
    Int32Array.from({ length }, (_, i) => i),
  );
  executable.set('mask', causalMask(length, documents));
  return { device, executable, weights };
}

const relative = (a: number, b: number) => Math.abs(a - b) / Math.max(Math.abs(a), Math.abs(b), 1e-3);

describe.each(named)('a model ($name)', ({ config }) => {
  it('computes what its paper says, documents kept apart', async () => {
    const { executable, weights } = prepare(config, (graph, options) => ({ logits: logits(config, graph, options) }));
    await executable.run();
    const found = executable.getExact('logits');
    const expected = [0, 1].flatMap((row) =>
      decoderForward(config, weights, [...tokens.slice(row * length, (row + 1) * length)], (position, earlier) => {
        return documents[row * length + position] === documents[row * length + earlier];
      }),
    );
    expect(found).toHaveLength(batch * length * config.vocab);
    const worst = Math.max(...expected.flat().map((value, i) => relative(value, found[i] as number)));
    expect(worst).toBeLessThan(1e-9);
  });

  it.each([{}, { recompute: true }, { keepAttention: true, attentionChunk: 4 }])(
    'has the gradients that finite differences find (%o)',
    async (options) => {
      const { device, executable } = prepare(config, (graph, given) => lossOf(config, graph, given), options);
      executable.set('targets', flatTargets([...tokens.slice(1), -1], config.vocab, chunk));
      executable.set(
        'weights',
        Float32Array.from(tokens, (_, i) => (i === tokens.length - 1 ? 0 : 0.1 + i / 20)),
      );
      await executable.run();
      const lossAt = async () => {
        await executable.run();
        return executable.getExact('loss')[0] as number;
      };
      const random = createRandom(11);
      for (const { name } of parametersOf(config)) {
        await executable.run();
        const gradient = executable.getExact(`gradient ${name}`);
        const before = device.readExact(name);
        const direction = before.map(() => random.next() * 2 - 1);
        const slope = direction.reduce((sum, d, i) => sum + d * (gradient[i] as number), 0);
        const step = 1e-4;
        const move = (factor: number) =>
          device.writeExact(
            name,
            before.map((x, i) => x + factor * step * (direction[i] as number)),
          );
        const difference: number[] = [];
        for (const factor of [1, -1, 2, -2]) {
          move(factor);
          difference.push(await lossAt());
        }
        device.writeExact(name, before);
        const [near, nearBack, far, farBack] = difference as [number, number, number, number];
        const measured = (8 * (near - nearBack) - (far - farBack)) / (12 * step);
        expect(relative(slope, measured), name).toBeLessThan(1e-5);
      }
    },
  );
});

function lossOf(config: ModelConfig, graph: Graph, options: HiddenStatesOptions): Record<string, Tensor> {
  const hidden = hiddenStates(config, graph, options);
  const targets = input(graph, 'targets', [batch * length], 'i32');
  const weights = input(graph, 'weights', [batch * length]);
  const loss = crossEntropy({ hidden, head: headOf(config, graph), targets, weights, chunk });
  const names = parametersOf(config).map(({ name }) => name);
  const found = gradients(
    loss,
    names.map((name) => parameterOf(config, graph, name)),
  );
  return { loss, ...Object.fromEntries(names.map((name, i) => [`gradient ${name}`, found[i] as Tensor])) };
}

describe('a model', () => {
  it.each(['f16', 'bf16'] as const)(
    'in %s differs by what the type rounds, and has master weights in f32',
    async (computeType) => {
      const build = (graph: Graph, options: HiddenStatesOptions) => ({ logits: logits(tinyConfig, graph, options) });
      const whole = prepare(tinyConfig, build);
      const half = prepare(tinyConfig, build, { computeType });
      await whole.executable.run();
      await half.executable.run();
      const a = whole.executable.getExact('logits');
      const b = half.executable.getExact('logits');
      const worst = Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number))));
      expect(worst).toBeGreaterThan(0);
      expect(worst).toBeLessThan(computeType === 'f16' ? 0.01 : 0.1);
      expect([...half.device.states().values()].every(({ dtype }) => dtype === 'f32')).toBe(true);
    },
  );

  it('names every parameter once, in the order in which GGUF files hold them', () => {
    const names = parametersOf(tinyConfig).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names[0]).toBe('token_embd.weight');
    expect(names.slice(-2)).toEqual(['output_norm.weight', 'output.weight']);
    expect(names).toContain('blk.1.attn_k_norm.weight');
    expect(parametersOf({ ...tinyConfig, architecture: 'llama' }).some(({ name }) => name.includes('_q_norm'))).toBe(
      false,
    );
    expect(parametersOf({ ...tinyConfig, tied: true }).some(({ role }) => role === 'head')).toBe(false);
  });
});
