// Loads libggml and libllama through koffi, once per process, and declares the C functions Freehold calls.
// The layout of structs passed by value is that of the pinned build; `checkLayout` refuses any other.
import { availableParallelism } from 'node:os';
import koffi from 'koffi';
import { FreeholdError } from '../lib/errors.ts';
import { type LocateOptions, locateLibraries, type NativeLibraries, verifyLibraries } from './locate.ts';

export type CFunction = ((...args: any[]) => any) & { async: (...args: any[]) => void };
type Library = ReturnType<typeof koffi.load>;
type Declarations = Record<string, string>;
type Bound<D extends Declarations> = { [name in keyof D]: CFunction };

/** Bytes set aside for a params struct passed by value; at least as large as every one of them. */
const paramsBytes = 256;

/** Fields of `llama_context_params` by byte offset, for the pinned build. */
export const contextParams = {
  n_ctx: 0,
  n_batch: 4,
  n_ubatch: 8,
  n_seq_max: 12,
  n_threads: 28,
  n_threads_batch: 32,
  pooling_type: 44,
  flash_attn_type: 52,
  cb_eval: 88,
  type_k: 104,
  type_v: 108,
  embeddings: 128,
  no_perf: 130,
  kv_unified: 133,
} as const;

/** Fields of `llama_model_params` by byte offset, for the pinned build. */
export const modelParams = { n_gpu_layers: 16, split_mode: 20 } as const;

const baseFunctions = {
  ggml_init: 'void* ggml_init(ggml_init_params p)',
  ggml_free: 'void ggml_free(void* ctx)',
  ggml_version: 'str ggml_version()',
  ggml_new_tensor: 'void* ggml_new_tensor(void* ctx, int t, int n, int64* ne)',
  ggml_mul_mat: 'void* ggml_mul_mat(void* ctx, void* a, void* b)',
  ggml_new_graph: 'void* ggml_new_graph(void* ctx)',
  ggml_build_forward_expand: 'void ggml_build_forward_expand(void* graph, void* tensor)',
  ggml_backend_free: 'void ggml_backend_free(void* backend)',
  ggml_backend_dev_name: 'str ggml_backend_dev_name(void* dev)',
  ggml_backend_dev_description: 'str ggml_backend_dev_description(void* dev)',
  ggml_backend_dev_type: 'int ggml_backend_dev_type(void* dev)',
  ggml_backend_dev_memory: 'void ggml_backend_dev_memory(void* dev, _Out_ size_t* free, _Out_ size_t* total)',
  ggml_backend_dev_init: 'void* ggml_backend_dev_init(void* dev, str params)',
  ggml_backend_dev_backend_reg: 'void* ggml_backend_dev_backend_reg(void* dev)',
  ggml_backend_dev_supports_op: 'bool ggml_backend_dev_supports_op(void* dev, void* op)',
  ggml_backend_reg_get_proc_address: 'void* ggml_backend_reg_get_proc_address(void* reg, str name)',
  ggml_backend_alloc_ctx_tensors: 'void* ggml_backend_alloc_ctx_tensors(void* ctx, void* backend)',
  ggml_backend_buffer_free: 'void ggml_backend_buffer_free(void* buffer)',
  ggml_backend_buffer_clear: 'void ggml_backend_buffer_clear(void* buffer, uint8 value)',
  ggml_backend_graph_compute: 'int ggml_backend_graph_compute(void* backend, void* graph)',
  gguf_init_from_file: 'void* gguf_init_from_file(str path, gguf_init_params p)',
  gguf_free: 'void gguf_free(void* g)',
  gguf_get_version: 'uint32 gguf_get_version(void* g)',
  gguf_get_alignment: 'size_t gguf_get_alignment(void* g)',
  gguf_get_data_offset: 'size_t gguf_get_data_offset(void* g)',
  gguf_get_n_kv: 'int64 gguf_get_n_kv(void* g)',
  gguf_get_key: 'str gguf_get_key(void* g, int64 i)',
  gguf_get_kv_type: 'int gguf_get_kv_type(void* g, int64 i)',
  gguf_get_arr_type: 'int gguf_get_arr_type(void* g, int64 i)',
  gguf_get_arr_n: 'size_t gguf_get_arr_n(void* g, int64 i)',
  gguf_get_arr_data: 'void* gguf_get_arr_data(void* g, int64 i)',
  gguf_get_arr_str: 'str gguf_get_arr_str(void* g, int64 i, size_t j)',
  gguf_get_val_data: 'void* gguf_get_val_data(void* g, int64 i)',
  gguf_get_val_str: 'str gguf_get_val_str(void* g, int64 i)',
  gguf_get_n_tensors: 'int64 gguf_get_n_tensors(void* g)',
  gguf_get_tensor_name: 'str gguf_get_tensor_name(void* g, int64 i)',
  gguf_get_tensor_type: 'int gguf_get_tensor_type(void* g, int64 i)',
  gguf_get_tensor_offset: 'size_t gguf_get_tensor_offset(void* g, int64 i)',
  gguf_get_tensor_size: 'size_t gguf_get_tensor_size(void* g, int64 i)',
} satisfies Declarations;

const ggmlFunctions = {
  ggml_backend_load_all_from_path: 'void ggml_backend_load_all_from_path(str dir)',
  ggml_backend_dev_count: 'size_t ggml_backend_dev_count()',
  ggml_backend_dev_get: 'void* ggml_backend_dev_get(size_t i)',
} satisfies Declarations;

const llamaFunctions = {
  llama_version: 'str llama_version()',
  llama_backend_init: 'void llama_backend_init()',
  llama_model_default_params: 'freehold_params llama_model_default_params()',
  llama_context_default_params: 'freehold_params llama_context_default_params()',
  llama_model_load_from_file: 'void* llama_model_load_from_file(str path, freehold_params p)',
  llama_model_free: 'void llama_model_free(void* m)',
  llama_model_get_vocab: 'void* llama_model_get_vocab(void* m)',
  llama_model_chat_template: 'str llama_model_chat_template(void* m, str name)',
  llama_model_has_encoder: 'bool llama_model_has_encoder(void* m)',
  llama_model_has_decoder: 'bool llama_model_has_decoder(void* m)',
  llama_init_from_model: 'void* llama_init_from_model(void* m, freehold_params p)',
  llama_free: 'void llama_free(void* c)',
  llama_n_ctx_seq: 'uint32 llama_n_ctx_seq(void* c)',
  llama_n_batch: 'uint32 llama_n_batch(void* c)',
  llama_n_seq_max: 'uint32 llama_n_seq_max(void* c)',
  llama_set_n_threads: 'void llama_set_n_threads(void* c, int32 n, int32 n_batch)',
  llama_n_threads: 'int32 llama_n_threads(void* c)',
  llama_get_memory: 'void* llama_get_memory(void* c)',
  llama_memory_seq_rm: 'bool llama_memory_seq_rm(void* mem, int seq, int p0, int p1)',
  llama_state_seq_get_size: 'size_t llama_state_seq_get_size(void* c, int seq)',
  llama_state_seq_get_data: 'size_t llama_state_seq_get_data(void* c, uint8* data, size_t size, int seq)',
  llama_state_seq_set_data: 'size_t llama_state_seq_set_data(void* c, const uint8* data, size_t size, int seq)',
  llama_batch_init: 'llama_batch llama_batch_init(int n, int embd, int n_seq)',
  llama_batch_free: 'void llama_batch_free(llama_batch b)',
  llama_decode: 'int llama_decode(void* c, llama_batch b)',
  llama_encode: 'int llama_encode(void* c, llama_batch b)',
  llama_get_logits: 'void* llama_get_logits(void* c)',
  llama_get_embeddings_seq: 'void* llama_get_embeddings_seq(void* c, int seq)',
  llama_model_n_embd_out: 'int32 llama_model_n_embd_out(void* m)',
  llama_model_n_cls_out: 'uint32 llama_model_n_cls_out(void* m)',
  llama_adapter_lora_init: 'void* llama_adapter_lora_init(void* m, str path)',
  llama_adapter_lora_free: 'void llama_adapter_lora_free(void* a)',
  llama_set_adapters_lora: 'int llama_set_adapters_lora(void* c, void** adapters, size_t n, float* scales)',
  llama_attach_threadpool: 'void llama_attach_threadpool(void* c, void* tp, void* tp_batch)',
  llama_vocab_n_tokens: 'int llama_vocab_n_tokens(void* v)',
  llama_vocab_type: 'int llama_vocab_type(void* v)',
  llama_vocab_bos: 'int llama_vocab_bos(void* v)',
  llama_vocab_eos: 'int llama_vocab_eos(void* v)',
  llama_vocab_sep: 'int llama_vocab_sep(void* v)',
  llama_vocab_get_add_sep: 'bool llama_vocab_get_add_sep(void* v)',
  llama_vocab_get_add_bos: 'bool llama_vocab_get_add_bos(void* v)',
  llama_vocab_is_eog: 'bool llama_vocab_is_eog(void* v, int token)',
  llama_vocab_get_attr: 'int llama_vocab_get_attr(void* v, int token)',
  llama_vocab_get_text: 'str llama_vocab_get_text(void* v, int token)',
  llama_tokenize:
    'int llama_tokenize(void* v, const uint8* text, int len, _Out_ int32* tokens, int max, bool add_special, bool parse_special)',
  llama_token_to_piece:
    'int llama_token_to_piece(void* v, int token, _Out_ uint8* buf, int len, int lstrip, bool special)',
  llama_sampler_init_grammar: 'void* llama_sampler_init_grammar(void* vocab, str grammar, str root)',
  llama_sampler_apply: 'void llama_sampler_apply(void* sampler, void* candidates)',
  llama_sampler_accept: 'void llama_sampler_accept(void* sampler, int token)',
  llama_sampler_clone: 'void* llama_sampler_clone(void* sampler)',
  llama_sampler_free: 'void llama_sampler_free(void* sampler)',
} satisfies Declarations;

export interface Native {
  libraries: NativeLibraries;
  ggml: Bound<typeof baseFunctions> & Bound<typeof ggmlFunctions>;
  llama: Bound<typeof llamaFunctions>;
}

let loaded: Native | undefined;

/**
 * Loads the native libraries; the first call decides which, later calls return the same.
 * @throws FreeholdError native_library_missing, native_library_untrusted, config_invalid
 */
export function loadNative(options: LocateOptions = {}): Native {
  if (loaded) return loaded;
  const libraries = locateLibraries(options);
  verifyLibraries(libraries.dir, options.home);
  declareTypes();
  let base: Library;
  let ggml: Library;
  let llama: Library;
  try {
    base = koffi.load(libraries.base, { global: true });
    ggml = koffi.load(libraries.ggml, { global: true });
    llama = koffi.load(libraries.llama, { global: true });
  } catch (cause) {
    throw new FreeholdError(
      'native_library_missing',
      `The libraries in ${libraries.dir} cannot be loaded: ${(cause as Error).message}.`,
      {
        cause,
        hint: 'They need glibc 2.34 or newer on Linux (Debian 12, Ubuntu 22.04). FREEHOLD_LIB_DIR can name another build.',
      },
    );
  }
  const native: Native = {
    libraries,
    ggml: { ...bind(base, baseFunctions), ...bind(ggml, ggmlFunctions) },
    llama: bind(llama, llamaFunctions),
  };
  checkLayout(native);
  native.ggml.ggml_backend_load_all_from_path(libraries.dir);
  native.llama.llama_backend_init();
  loaded = native;
  return native;
}

let typesDeclared = false;

/** koffi keeps type names for the life of the process: a second load after a failed one must not declare them again. */
function declareTypes(): void {
  if (typesDeclared) return;
  typesDeclared = true;
  koffi.struct('freehold_params', { bytes: koffi.array('uint8', paramsBytes) });
  koffi.struct('ggml_init_params', { mem_size: 'size_t', mem_buffer: 'void*', no_alloc: 'bool' });
  koffi.struct('gguf_init_params', { no_alloc: 'bool', ctx: 'void*' });
  koffi.struct('llama_batch', {
    n_tokens: 'int32',
    token: 'void*',
    embd: 'void*',
    pos: 'void*',
    n_seq_id: 'void*',
    seq_id: 'void*',
    logits: 'void*',
  });
}

function bind<D extends Declarations>(library: Library, declarations: D): Bound<D> {
  const bound: Record<string, CFunction> = {};
  for (const [name, declaration] of Object.entries(declarations)) bound[name] = library.func(declaration) as CFunction;
  return bound as Bound<D>;
}

/** The library's own defaults as bytes, to change by field and pass by value. */
export function defaultParams(make: CFunction): Buffer {
  return Buffer.from(make().bytes as Uint8Array);
}

export function passParams(bytes: Buffer): { bytes: Buffer } {
  return { bytes };
}

/** The defaults of the pinned build, at the offsets this file assumes: a library with another layout is refused. */
function checkLayout({ llama, libraries }: Native): void {
  const context = defaultParams(llama.llama_context_default_params);
  const model = defaultParams(llama.llama_model_default_params);
  const expected: [string, number, number][] = [
    ['n_ctx', context.readUInt32LE(contextParams.n_ctx), 512],
    ['n_batch', context.readUInt32LE(contextParams.n_batch), 2048],
    ['n_ubatch', context.readUInt32LE(contextParams.n_ubatch), 512],
    ['n_seq_max', context.readUInt32LE(contextParams.n_seq_max), 1],
    ['n_threads', context.readInt32LE(contextParams.n_threads), 4],
    ['n_threads_batch', context.readInt32LE(contextParams.n_threads_batch), 4],
    ['pooling_type', context.readInt32LE(contextParams.pooling_type), -1],
    ['flash_attn_type', context.readInt32LE(contextParams.flash_attn_type), -1],
    ['type_k', context.readInt32LE(contextParams.type_k), 1],
    ['type_v', context.readInt32LE(contextParams.type_v), 1],
    ['embeddings', context.readUInt8(contextParams.embeddings), 0],
    ['no_perf', context.readUInt8(contextParams.no_perf), 1],
    ['kv_unified', context.readUInt8(contextParams.kv_unified), 0],
    ['n_gpu_layers', model.readInt32LE(modelParams.n_gpu_layers), -1],
    ['split_mode', model.readInt32LE(modelParams.split_mode), 1],
  ];
  for (const [field, found, wanted] of expected) {
    if (found !== wanted) {
      throw new FreeholdError(
        'native_library_untrusted',
        `The libllama in ${libraries.dir} lays out its parameters differently (${field} is ${found}, expected ${wanted}).`,
        {
          hint: 'Freehold needs a libllama of the version it pins; see docs/decisions/native-libraries.md.',
        },
      );
    }
  }
}

/** Calls a C function on a thread of libuv's pool. */
export function callAsync(call: CFunction, ...args: unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, result: unknown) => (error ? reject(error) : resolve(result)));
  });
}

/** The build of libllama that was loaded, as it names itself. */
export function libraryVersion({ llama }: Native): string {
  return llama.llama_version();
}

/** Cores this process may use. */
export function availableThreads(): number {
  return availableParallelism();
}
