// The decoder that Llama and its descendants share, written down once: its parameters under their GGUF names, and its graph as a
// pure function over the operations of `tensor/`. Trainer, reference executor and GGUF writer use these same lines.
// Knows no loss, no optimizer and no cache.
//
// A layer: x += output(attention(rope(q), rope(k), v)) of norm(x), then x += down(silu(gate) · up) of norm(x).
import { attention } from '../tensor/attention.ts';
import { add, cast, matmul, mul, permute, reshape, rmsNorm, rope, rows, swiglu } from '../tensor/ops.ts';
import { recompute } from '../tensor/recompute.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Architecture, Initialisation, ModelConfig, ParameterSpec } from './config.ts';

export interface DecoderInputs {
  /** (B·T) i32, one sequence after the other. */
  tokens: Tensor;
  /** (T) i32, the same for every sequence. */
  positions: Tensor;
  /** (B, 1, T, T) or (1, 1, T, T) f32: what each token sees, as `causalMask` writes it down. Default: all before it. */
  mask?: Tensor;
  /** B */
  batch: number;
  /** T */
  length: number;
}

export interface DecoderOptions {
  /** Keeps only what goes into each layer and computes the layer again for its gradient. Default false. */
  recompute?: boolean;
  /** Type that matrices are multiplied in; the parameters themselves stay f32. Default f32. */
  computeType?: 'f32' | 'f16' | 'bf16';
  /** Queries whose attention scores exist at the same time. Default: that of `attention`. */
  attentionChunk?: number;
  /** Keeps attention's probabilities for the gradient in place of computing them again. Default false. */
  keepAttention?: boolean;
}

/** Parameters of a layer by the part of their name behind `blk.0.`, in the order of the file. */
type LayerPart =
  | 'attn_norm'
  | 'attn_q'
  | 'attn_k'
  | 'attn_v'
  | 'attn_q_norm'
  | 'attn_k_norm'
  | 'attn_output'
  | 'ffn_norm'
  | 'ffn_gate'
  | 'ffn_up'
  | 'ffn_down';

/** Every parameter, in the order of the file. How they are initialised: docs/decisions/training-models.md. */
export function decoderParameters(architecture: Architecture, config: ModelConfig): ParameterSpec[] {
  const { vocab, layers, width, tied } = config;
  const embedding: Initialisation = { kind: 'normal', deviation: tied ? Math.min(0.02, 2.56 / width) : 1 };
  const specs: ParameterSpec[] = [
    { name: 'token_embd.weight', shape: [vocab, width], init: embedding, role: 'embedding' },
  ];
  for (let layer = 0; layer < layers; layer += 1) {
    for (const [part, spec] of layerParameters(architecture, config))
      specs.push({ name: layerName(layer, part), ...spec });
  }
  specs.push({ name: 'output_norm.weight', shape: [width], init: { kind: 'ones' }, role: 'norm' });
  const small: Initialisation = { kind: 'normal', deviation: 0.001 };
  if (!tied) specs.push({ name: 'output.weight', shape: [vocab, width], init: small, role: 'head' });
  return specs;
}

const layerName = (layer: number, part: LayerPart) => `blk.${layer}.${part}.weight`;

function layerParameters(
  { queryKeyNorm }: Architecture,
  { width, heads, kvHeads, headSize, feedForward }: ModelConfig,
): [LayerPart, Omit<ParameterSpec, 'name'>][] {
  const norm = (size: number) => ({ shape: [size], init: { kind: 'ones' }, role: 'norm' }) as const;
  // all of these take `width` numbers, so that what they give has a deviation of 1
  const reading = { kind: 'normal', deviation: width ** -0.5 } as const;
  const matrix = (out: number) => ({ shape: [out, width], init: reading, role: 'matrix' }) as const;
  // what adds to the residual stream begins with nothing: at first every layer passes on what it gets
  const adding = (from: number) => ({ shape: [width, from], init: { kind: 'zeros' }, role: 'matrix' }) as const;
  const headNorms: [LayerPart, Omit<ParameterSpec, 'name'>][] = queryKeyNorm
    ? [
        ['attn_q_norm', norm(headSize)],
        ['attn_k_norm', norm(headSize)],
      ]
    : [];
  return [
    ['attn_norm', norm(width)],
    ['attn_q', matrix(heads * headSize)],
    ['attn_k', matrix(kvHeads * headSize)],
    ['attn_v', matrix(kvHeads * headSize)],
    ...headNorms,
    ['attn_output', adding(heads * headSize)],
    ['ffn_norm', norm(width)],
    ['ffn_gate', matrix(feedForward)],
    ['ffn_up', matrix(feedForward)],
    ['ffn_down', adding(feedForward)],
  ];
}

/**
 * What the head reads: the residual stream after the last layer, normalised.
 * @param parameter the tensor of a parameter by name
 * @returns (B·T, D) f32
 */
export function decoderHiddenStates(
  architecture: Architecture,
  config: ModelConfig,
  parameter: (name: string) => Tensor,
  inputs: DecoderInputs,
  options: DecoderOptions = {},
): Tensor {
  let x = rows(parameter('token_embd.weight'), inputs.tokens);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const weight = (part: LayerPart) => parameter(layerName(layer, part));
    const run = (from: Tensor) => decoderLayer(architecture, config, from, weight, inputs, options);
    x = options.recompute ? recompute(run, x) : run(x);
  }
  return normalised(config, x, parameter('output_norm.weight'));
}

/** @param x (B·T, D) @returns (B·T, D) */
function decoderLayer(
  architecture: Architecture,
  config: ModelConfig,
  x: Tensor,
  weight: (part: LayerPart) => Tensor,
  inputs: DecoderInputs,
  options: DecoderOptions,
): Tensor {
  const project = (from: Tensor, part: LayerPart) => matmul(from, cast(weight(part), options.computeType ?? 'f32'));
  const mixed = mixTokens(architecture, config, normalised(config, x, weight('attn_norm')), weight, inputs, options);
  const middle = add(x, project(mixed, 'attn_output'));
  const read = normalised(config, middle, weight('ffn_norm'));
  return add(middle, project(swiglu(project(read, 'ffn_gate'), project(read, 'ffn_up')), 'ffn_down'));
}

/** Attention without its output projection. @param x (B·T, D) @returns (B·T, H·Dh) */
function mixTokens(
  { pairing, queryKeyNorm }: Architecture,
  config: ModelConfig,
  x: Tensor,
  weight: (part: LayerPart) => Tensor,
  { positions, mask, batch, length }: DecoderInputs,
  options: DecoderOptions,
): Tensor {
  const { heads, kvHeads, headSize, ropeBase } = config;
  // (B, T, heads, Dh): norms and RoPE go by head, before attention wants the heads outside
  const split = (part: LayerPart, count: number) =>
    reshape(matmul(x, cast(weight(part), options.computeType ?? 'f32')), [batch, length, count, headSize]);
  const turned = (states: Tensor, norm: LayerPart) => {
    const scaled = queryKeyNorm ? normalised(config, states, weight(norm)) : states;
    return permute(rope(scaled, positions, { pairing, base: ropeBase }), [0, 2, 1, 3]);
  };
  const mixed = attention(
    turned(split('attn_q', heads), 'attn_q_norm'),
    turned(split('attn_k', kvHeads), 'attn_k_norm'),
    permute(split('attn_v', kvHeads), [0, 2, 1, 3]),
    {
      ...(mask && { mask }),
      keep: options.keepAttention ?? false,
      ...(options.attentionChunk !== undefined && { chunk: options.attentionChunk }),
    },
  );
  return reshape(permute(mixed, [0, 2, 1, 3]), [batch * length, heads * headSize]);
}

function normalised({ epsilon }: ModelConfig, x: Tensor, weight: Tensor): Tensor {
  return mul(rmsNorm(x, epsilon), weight);
}
