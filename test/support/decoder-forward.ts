// A decoder computed token by token in plain loops and f64, from the papers and not from our graphs: what models are tested against.
// And tiny models to test with, whose every weight says something.
import { createRandom } from '../../src/lib/random.ts';
import type { ModelConfig } from '../../src/models/model.ts';
import { parametersOf } from '../../src/models/model.ts';

export const tinyConfig: ModelConfig = {
  architecture: 'qwen3',
  vocab: 13,
  context: 6,
  layers: 2,
  width: 12,
  heads: 4,
  kvHeads: 2,
  headSize: 4,
  feedForward: 10,
  ropeBase: 100,
  epsilon: 1e-5,
  tied: false,
};

/** Values for every parameter, none of them zero or one by rule, as f32. */
export function randomWeights(config: ModelConfig, seed: number): Map<string, Float32Array> {
  const random = createRandom(seed);
  return new Map(
    parametersOf(config).map(({ name, shape, role }) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
      const spread = role === 'norm' ? 0.5 : role === 'matrix' ? (shape[1] as number) ** -0.5 : 0.7;
      return [name, values.map(() => (role === 'norm' ? 1 : 0) + spread * (random.next() * 2 - 1) * 1.7)];
    }),
  );
}

/**
 * Logits of every position of one sequence.
 * @param sees whether the token at `position` sees the one at `earlier`; default all that came before
 */
export function decoderForward(
  config: ModelConfig,
  weights: ReadonlyMap<string, Float32Array>,
  tokens: readonly number[],
  sees: (position: number, earlier: number) => boolean = () => true,
): number[][] {
  const { width, heads, kvHeads, headSize } = config;
  const weight = (name: string) => weights.get(`${name}.weight`) as Float32Array;
  let stream = tokens.map((token) => [...weight('token_embd').slice(token * width, (token + 1) * width)]);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const w = (part: string) => weight(`blk.${layer}.${part}`);
    const read = stream.map((x) => norm(x, w('attn_norm'), config.epsilon));
    const headsOf = (part: string, count: number) =>
      read.map((x) => {
        const all = times(w(part), x);
        return Array.from({ length: count }, (_, head) => all.slice(head * headSize, (head + 1) * headSize));
      });
    const turned = (part: string, count: number) =>
      headsOf(part, count).map((states, position) =>
        states.map((state) => {
          const scaled = config.architecture === 'qwen3' ? norm(state, w(`${part}_norm`), config.epsilon) : state;
          return rotate(scaled, position, config);
        }),
      );
    const q = turned('attn_q', heads);
    const k = turned('attn_k', kvHeads);
    const v = headsOf('attn_v', kvHeads);
    stream = stream.map((x, position) => {
      const mixed = Array.from({ length: heads }, (_, head) => {
        const shared = Math.floor(head / (heads / kvHeads));
        const visible = tokens.map((_, i) => i).filter((i) => i <= position && (i === position || sees(position, i)));
        const scores = visible.map((i) => dot(q[position]![head]!, k[i]![shared]!) / Math.sqrt(headSize));
        const exps = scores.map((score) => Math.exp(score - Math.max(...scores)));
        const sum = exps.reduce((a, b) => a + b, 0);
        return Array.from({ length: headSize }, (_, d) =>
          visible.reduce((total, i, at) => total + ((exps[at] as number) / sum) * v[i]![shared]![d]!, 0),
        );
      });
      return plus(x, times(w('attn_output'), mixed.flat()));
    });
    stream = stream.map((x) => {
      const y = norm(x, w('ffn_norm'), config.epsilon);
      const up = times(w('ffn_up'), y);
      const gated = times(w('ffn_gate'), y).map((g, i) => (g / (1 + Math.exp(-g))) * (up[i] as number));
      return plus(x, times(w('ffn_down'), gated));
    });
  }
  const head = config.tied ? weight('token_embd') : weight('output');
  return stream.map((x) => times(head, norm(x, weight('output_norm'), config.epsilon)));
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
const plus = (a: readonly number[], b: readonly number[]) => a.map((x, i) => x + (b[i] as number));

function times(matrix: Float32Array, x: readonly number[]): number[] {
  return Array.from({ length: matrix.length / x.length }, (_, row) =>
    x.reduce((sum, value, i) => sum + value * (matrix[row * x.length + i] as number), 0),
  );
}

function norm(x: readonly number[], weight: Float32Array, epsilon: number): number[] {
  const size = Math.sqrt(dot(x, x) / x.length + epsilon);
  return x.map((value, i) => (value / size) * (weight[i] as number));
}

function rotate(x: readonly number[], position: number, { architecture, headSize, ropeBase }: ModelConfig): number[] {
  const turned = [...x];
  for (let pair = 0; pair < headSize / 2; pair += 1) {
    const [a, b] = architecture === 'llama' ? [2 * pair, 2 * pair + 1] : [pair, pair + headSize / 2];
    const angle = position * ropeBase ** ((-2 * pair) / headSize);
    turned[a] = x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle);
    turned[b] = x[a]! * Math.sin(angle) + x[b]! * Math.cos(angle);
  }
  return turned;
}
