// Language models for whoever trains, checks or writes them: parameters and graphs by configuration. A parameter is a state of the
// graph under its GGUF name, so a graph that trains and one that generates share it on a device.
import { invariant } from '../lib/errors.ts';
import { cast, matmul, state } from '../tensor/ops.ts';
import type { Graph, Tensor } from '../tensor/tensor.ts';
import type { Architecture, ArchitectureName, ModelConfig, ParameterSpec } from './config.ts';
import { type DecoderInputs, type DecoderOptions, decoderHiddenStates, decoderParameters } from './decoder.ts';
import { llama } from './llama.ts';
import { qwen3 } from './qwen3.ts';

export type {
  Architecture,
  ArchitectureName,
  Initialisation,
  ModelConfig,
  ParameterRole,
  ParameterSpec,
} from './config.ts';

export const architectures: Readonly<Record<ArchitectureName, Architecture>> = { qwen3, llama };

export type HiddenStatesOptions = DecoderInputs & DecoderOptions;

/** Every parameter of a model, in the order in which its GGUF holds them. */
export function parametersOf(config: ModelConfig): ParameterSpec[] {
  return decoderParameters(architectures[config.architecture], config);
}

/**
 * The model up to its head.
 * @param options.tokens (B·T) i32, each below `config.vocab`: nobody checks them later
 * @param options.positions (T) i32
 * @param options.mask (B or 1, 1, T, T) f32, see `causalMask`; default causal
 * @returns (B·T, D) f32
 */
export function hiddenStates(config: ModelConfig, graph: Graph, options: HiddenStatesOptions): Tensor {
  const parameter = (name: string) => parameterOf(config, graph, name);
  return decoderHiddenStates(architectures[config.architecture], config, parameter, options, options);
}

/** The map from hidden states to the vocabulary, (V, D): a parameter of its own, or the embedding where they are tied. */
export function headOf(config: ModelConfig, graph: Graph): Tensor {
  return parameterOf(config, graph, config.tied ? 'token_embd.weight' : 'output.weight');
}

/**
 * The model with its head. For training on many tokens at once take `crossEntropy` of hidden states and head: it keeps less.
 * @returns (B·T, V) f32
 */
export function logits(config: ModelConfig, graph: Graph, options: HiddenStatesOptions): Tensor {
  return matmul(hiddenStates(config, graph, options), cast(headOf(config, graph), options.computeType ?? 'f32'));
}

/** A parameter's tensor in a graph, the same one whenever it is asked for. */
export function parameterOf(config: ModelConfig, graph: Graph, name: string): Tensor {
  const known = graph.leaf(name);
  if (known) return known;
  const spec = specsByName(config).get(name);
  invariant(spec, `${config.architecture} has a parameter ${name}`);
  return state(graph, name, spec.shape, { trainable: true });
}

const remembered = new WeakMap<ModelConfig, ReadonlyMap<string, ParameterSpec>>();

function specsByName(config: ModelConfig): ReadonlyMap<string, ParameterSpec> {
  const specs = remembered.get(config) ?? new Map(parametersOf(config).map((spec) => [spec.name, spec]));
  remembered.set(config, specs);
  return specs;
}
