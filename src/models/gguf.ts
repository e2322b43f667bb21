// A model of ours as a GGUF file, and a GGUF's header as a model of ours. The metadata is what libllama asks for and what fit checks
// read; names and shapes of tensors are those of the parameters. Knows no tokenizer: its entries are handed in.
import { encodeFloats, type FloatTypeName, floatBytes } from '../formats/gguf/floats.ts';
import { metadataNumber, metadataString } from '../formats/gguf/metadata.ts';
import type { GgufEntry, GgufFile } from '../formats/gguf/types.ts';
import type { GgufContent, TensorToWrite } from '../formats/gguf/write.ts';
import { FreeholdError } from '../lib/errors.ts';
import type { ParameterSpec } from './config.ts';
import { type ArchitectureName, architectureNames, checkModelConfig, type ModelConfig } from './config.ts';
import { parametersOf } from './model.ts';

export type MetadataEntries = Iterable<readonly [key: string, entry: GgufEntry]>;

/** llama.cpp's `llama_ftype` of files whose matrices are of one plain type. */
const fileTypes: Readonly<Record<FloatTypeName, number>> = { f32: 0, f16: 1, bf16: 32 };

/** Numbers converted at a time. */
const piece = 1 << 20;

const u32 = (value: number): GgufEntry => ({ type: 'u32', value });
const f32 = (value: number): GgufEntry => ({ type: 'f32', value: Math.fround(value) });
const text = (value: string): GgufEntry => ({ type: 'string', value });

/**
 * Continues a text: what people wrote and what the model wrote stand one after the other, with nothing between. For models that
 * never saw a conversation.
 */
export const continuationTemplate = `{% for message in messages %}{{ message['content'] }}{% if message['role'] == 'system' %}{{ '\\n\\n' }}{% endif %}{% endfor %}`;

export interface ModelGgufOptions {
  /** `general.name` */
  name: string;
  /** Type of matrices; vectors stay f32. Default f32 */
  type?: FloatTypeName;
  /** `tokenizer.*`, with as many tokens as the model has. A template among them is kept. */
  tokenizer: MetadataEntries;
  /** Default: the tokenizer's own, else `continuationTemplate`. */
  chatTemplate?: string;
}

/** The entries that say what a model is, without its tokenizer. */
export function modelMetadata(config: ModelConfig, name: string, type: FloatTypeName = 'f32'): [string, GgufEntry][] {
  const { architecture } = config;
  const own: Record<string, GgufEntry> = {
    vocab_size: u32(config.vocab),
    context_length: u32(config.context),
    embedding_length: u32(config.width),
    block_count: u32(config.layers),
    feed_forward_length: u32(config.feedForward),
    'attention.head_count': u32(config.heads),
    'attention.head_count_kv': u32(config.kvHeads),
    'attention.key_length': u32(config.headSize),
    'attention.value_length': u32(config.headSize),
    'attention.layer_norm_rms_epsilon': f32(config.epsilon),
    'rope.dimension_count': u32(config.headSize),
    'rope.freq_base': f32(config.ropeBase),
  };
  return [
    ['general.architecture', text(architecture)],
    ['general.type', text('model')],
    ['general.name', text(name)],
    ['general.file_type', u32(fileTypes[type])],
    ['general.quantization_version', u32(2)],
    ...Object.entries(own).map(([key, entry]): [string, GgufEntry] => [`${architecture}.${key}`, entry]),
  ];
}

/**
 * A whole model, to be written with `writeGguf`.
 * @param valuesOf a parameter's values, row-major; asked for one at a time, in the order of the file
 */
export function modelGguf(
  config: ModelConfig,
  options: ModelGgufOptions,
  valuesOf: (name: string) => Float32Array | Promise<Float32Array>,
): GgufContent {
  const { type = 'f32' } = options;
  const metadata = new Map<string, GgufEntry>([...modelMetadata(config, options.name, type), ...options.tokenizer]);
  if (options.chatTemplate !== undefined || !metadata.has(templateKey))
    metadata.set(templateKey, text(options.chatTemplate ?? continuationTemplate));
  const tokens = metadata.get('tokenizer.ggml.tokens');
  if (tokens?.type !== 'array' || tokens.length !== config.vocab) {
    const found = tokens?.type === 'array' ? `${tokens.length} tokens` : 'no tokens';
    throw new FreeholdError('gguf_invalid', `The tokenizer has ${found}, the model ${config.vocab}.`);
  }
  return { metadata, tensors: parametersOf(config).map((spec) => parameterTensor(spec, type, valuesOf)) };
}

const templateKey = 'tokenizer.chat_template';

function parameterTensor(
  { name, shape }: ParameterSpec,
  wanted: FloatTypeName,
  valuesOf: (name: string) => Float32Array | Promise<Float32Array>,
): TensorToWrite {
  const type = shape.length > 1 ? wanted : 'f32';
  return {
    name,
    shape: shape.toReversed(),
    type,
    async *data() {
      const values = await valuesOf(name);
      for (let start = 0; start < values.length; start += piece)
        yield encodeFloats(values.subarray(start, start + piece), type);
    },
  };
}

/** Bytes that the tensors of a model take in a file of a plain type, without the header. */
export function tensorBytes(config: ModelConfig, type: FloatTypeName): number {
  return parametersOf(config).reduce(
    (total, { shape }) => total + shape.reduce((a, b) => a * b, shape.length > 1 ? floatBytes[type] : 4),
    0,
  );
}

/**
 * The model that a GGUF holds.
 * @throws FreeholdError unsupported for architectures we do not have and for what ours do not do; gguf_invalid when values or
 * tensors are missing or do not go together
 */
export function readModelConfig(gguf: Pick<GgufFile, 'metadata' | 'tensors'>): ModelConfig {
  const architecture = architectureOf(gguf);
  const key = (name: string) => `${architecture}.${name}`;
  const number = (name: string, otherwise?: number): number => {
    const value = metadataNumber(gguf, key(name)) ?? otherwise;
    if (value === undefined) throw new FreeholdError('gguf_invalid', `The file says nothing of "${key(name)}".`);
    return value;
  };
  const width = number('embedding_length');
  const heads = number('attention.head_count');
  const headSize = number('attention.key_length', width / heads);
  if (number('attention.value_length', headSize) !== headSize || number('rope.dimension_count', headSize) !== headSize)
    throw unsupported('heads whose keys, values and RoPE differ in size');
  const scaling = metadataString(gguf, key('rope.scaling.type')) ?? 'none';
  const isScaled = scaling !== 'none' && number('rope.scaling.factor', 1) !== 1;
  if (isScaled || gguf.tensors.some(({ name }) => /\.bias$|_exps\.|^rope_freqs/.test(name)))
    throw unsupported('biases, experts or scaled RoPE');
  const config: ModelConfig = {
    architecture,
    vocab: shapeOf(gguf, 'token_embd.weight')?.[1] ?? number('vocab_size'),
    context: number('context_length'),
    layers: number('block_count'),
    width,
    heads,
    kvHeads: number('attention.head_count_kv', heads),
    headSize,
    feedForward: number('feed_forward_length'),
    ropeBase: number('rope.freq_base', 10_000),
    epsilon: number('attention.layer_norm_rms_epsilon'),
    tied: !shapeOf(gguf, 'output.weight'),
  };
  checkModelConfig(config);
  for (const { name, shape } of parametersOf(config)) checkShape(name, shape, shapeOf(gguf, name));
  return config;
}

function architectureOf(gguf: Pick<GgufFile, 'metadata'>): ArchitectureName {
  const name = metadataString(gguf, 'general.architecture');
  const known = architectureNames.find((one) => one === name);
  if (known) return known;
  throw unsupported(name === undefined ? 'a file without an architecture' : `models of the architecture ${name}`);
}

function shapeOf(gguf: Pick<GgufFile, 'tensors'>, name: string): readonly number[] | undefined {
  return gguf.tensors.find((tensor) => tensor.name === name)?.shape;
}

function checkShape(name: string, wanted: readonly number[], found: readonly number[] | undefined): void {
  if (!found) throw new FreeholdError('gguf_invalid', `The file has no tensor "${name}".`);
  const rowMajor = found.toReversed();
  if (rowMajor.length === wanted.length && rowMajor.every((size, i) => size === wanted[i])) return;
  throw new FreeholdError(
    'gguf_invalid',
    `Tensor "${name}" is (${rowMajor.join(', ')}), the metadata wants (${wanted.join(', ')}).`,
  );
}

function unsupported(what: string): FreeholdError {
  return new FreeholdError(
    'unsupported',
    `Training knows the architectures ${architectureNames.join(' and ')}, not ${what}.`,
  );
}
