// Rewrites a GGUF with its matrices in a quantised type, by libllama's own quantiser: what it writes is what it reads.
import { FreeholdError } from '../lib/errors.ts';
import { availableThreads, callAsync, defaultParams, loadNative, passParams } from './ffi.ts';
import { tensorFunctions } from './tensor-functions.ts';

/** Numbers of `llama_ftype`. */
const fileTypes = { f32: 0, f16: 1, q4_0: 2, q8_0: 7, q4_K_M: 15, bf16: 32 } as const;

/** What matrices become; norms stay f32. `q4_K_M` gives some matrices, and rows that are no multiple of 256, more bits. */
export type QuantizedType = keyof typeof fileTypes;

/** Fields of `llama_model_quantize_params` by byte offset, for the pinned build, with their defaults there. */
const quantizeParams = {
  nthread: { at: 0, initially: 0 },
  ftype: { at: 4, initially: fileTypes.q8_0 },
  /** `GGML_TYPE_COUNT`: as the file type says. */
  output_tensor_type: { at: 8, initially: 43 },
  token_embedding_type: { at: 12, initially: 43 },
  /** Bytes: allow_requantize, quantize_output_tensor, only_copy, pure. */
  flags: { at: 16, initially: 0x0100 },
} as const;

export interface QuantizeOptions {
  /** A GGUF with f32, f16 or bf16 tensors, which `readGguf` accepts. */
  from: string;
  /** Written anew. */
  to: string;
  type: QuantizedType;
  libDir?: string;
}

/**
 * Runs on other threads; with any number of them the file is the same.
 * @throws FreeholdError model_failed when libllama refuses the file or cannot write; native_library_missing,
 * native_library_untrusted
 */
export async function quantise({ from, to, type, libDir }: QuantizeOptions): Promise<void> {
  const native = loadNative({ device: 'cpu', ...(libDir ? { libDir } : {}) });
  const functions = tensorFunctions(native);
  const params = defaultParams(functions.llama_model_quantize_default_params);
  for (const [field, { at, initially }] of Object.entries(quantizeParams)) {
    const found = params.readInt32LE(at);
    if (found === initially) continue;
    throw new FreeholdError(
      'native_library_untrusted',
      `The libllama in ${native.libraries.dir} lays out its parameters differently (${field} is ${found}, expected ${initially}).`,
      { hint: 'Freehold needs a libllama of the version it pins; see docs/decisions/native-libraries.md.' },
    );
  }
  params.writeInt32LE(availableThreads(), quantizeParams.nthread.at);
  params.writeInt32LE(fileTypes[type], quantizeParams.ftype.at);
  const status = await callAsync(functions.llama_model_quantize, from, to, passParams(params));
  if (status !== 0) {
    throw new FreeholdError('model_failed', `The native library could not write ${to} as ${type}.`, {
      hint: 'The lines above say why: its architecture may be unknown, or the disk full.',
    });
  }
}
