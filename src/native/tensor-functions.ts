// The C functions that build, place and run graphs of tensors, and that quantise files. Bound on first use: only training needs them.
import koffi from 'koffi';
import type { CFunction, Native } from './ffi.ts';

const declarations = {
  ggml_tensor_overhead: 'size_t ggml_tensor_overhead()',
  ggml_graph_overhead_custom: 'size_t ggml_graph_overhead_custom(size_t size, bool gradients)',
  ggml_new_graph_custom: 'void* ggml_new_graph_custom(void* ctx, size_t size, bool gradients)',
  ggml_graph_n_nodes: 'int ggml_graph_n_nodes(void* graph)',
  ggml_graph_node: 'void* ggml_graph_node(void* graph, int i)',
  ggml_graph_add_node: 'void ggml_graph_add_node(void* graph, void* tensor)',
  ggml_graph_clear: 'void ggml_graph_clear(void* graph)',
  ggml_op_desc: 'str ggml_op_desc(void* tensor)',
  ggml_set_param: 'void ggml_set_param(void* tensor)',
  ggml_set_output: 'void ggml_set_output(void* tensor)',
  ggml_nbytes: 'size_t ggml_nbytes(void* tensor)',

  ggml_backend_get_default_buffer_type: 'void* ggml_backend_get_default_buffer_type(void* backend)',
  ggml_backend_alloc_ctx_tensors_from_buft_size:
    'size_t ggml_backend_alloc_ctx_tensors_from_buft_size(void* ctx, void* buft)',
  ggml_backend_tensor_set: 'void ggml_backend_tensor_set(void* tensor, const void* data, size_t offset, size_t size)',
  ggml_backend_tensor_get: 'void ggml_backend_tensor_get(void* tensor, _Out_ void* data, size_t offset, size_t size)',
  ggml_gallocr_new: 'void* ggml_gallocr_new(void* buft)',
  ggml_gallocr_free: 'void ggml_gallocr_free(void* galloc)',
  ggml_gallocr_reserve_n_size:
    'void ggml_gallocr_reserve_n_size(void* galloc, void* graph, void* node_ids, void* leaf_ids, _Out_ size_t* sizes)',
  ggml_gallocr_reserve: 'bool ggml_gallocr_reserve(void* galloc, void* graph)',
  ggml_gallocr_alloc_graph: 'bool ggml_gallocr_alloc_graph(void* galloc, void* graph)',
  ggml_gallocr_get_buffer_size: 'size_t ggml_gallocr_get_buffer_size(void* galloc, int id)',

  ggml_fp32_to_fp16_row: 'void ggml_fp32_to_fp16_row(const void* x, _Out_ void* y, int64 n)',
  ggml_fp16_to_fp32_row: 'void ggml_fp16_to_fp32_row(const void* x, _Out_ void* y, int64 n)',
  ggml_fp32_to_bf16_row: 'void ggml_fp32_to_bf16_row(const void* x, _Out_ void* y, int64 n)',
  ggml_bf16_to_fp32_row: 'void ggml_bf16_to_fp32_row(const void* x, _Out_ void* y, int64 n)',

  ggml_sqr: 'void* ggml_sqr(void* ctx, void* a)',
  ggml_sqrt: 'void* ggml_sqrt(void* ctx, void* a)',
  ggml_exp: 'void* ggml_exp(void* ctx, void* a)',
  ggml_log: 'void* ggml_log(void* ctx, void* a)',
  ggml_tanh: 'void* ggml_tanh(void* ctx, void* a)',
  ggml_sigmoid: 'void* ggml_sigmoid(void* ctx, void* a)',
  ggml_silu: 'void* ggml_silu(void* ctx, void* a)',
  ggml_relu: 'void* ggml_relu(void* ctx, void* a)',
  ggml_step: 'void* ggml_step(void* ctx, void* a)',
  ggml_sum: 'void* ggml_sum(void* ctx, void* a)',
  ggml_sum_rows: 'void* ggml_sum_rows(void* ctx, void* a)',
  ggml_add: 'void* ggml_add(void* ctx, void* a, void* b)',
  ggml_sub: 'void* ggml_sub(void* ctx, void* a, void* b)',
  ggml_mul: 'void* ggml_mul(void* ctx, void* a, void* b)',
  ggml_div: 'void* ggml_div(void* ctx, void* a, void* b)',
  ggml_scale_bias: 'void* ggml_scale_bias(void* ctx, void* a, float s, float b)',
  ggml_clamp: 'void* ggml_clamp(void* ctx, void* a, float min, float max)',
  ggml_swiglu_split: 'void* ggml_swiglu_split(void* ctx, void* a, void* b)',
  ggml_silu_back: 'void* ggml_silu_back(void* ctx, void* gradient, void* x)',
  ggml_repeat_4d: 'void* ggml_repeat_4d(void* ctx, void* a, int64 ne0, int64 ne1, int64 ne2, int64 ne3)',
  ggml_repeat_back: 'void* ggml_repeat_back(void* ctx, void* a, void* b)',
  ggml_mul_mat: 'void* ggml_mul_mat(void* ctx, void* a, void* b)',
  ggml_reshape_4d: 'void* ggml_reshape_4d(void* ctx, void* a, int64 ne0, int64 ne1, int64 ne2, int64 ne3)',
  ggml_view_4d:
    'void* ggml_view_4d(void* ctx, void* a, int64 ne0, int64 ne1, int64 ne2, int64 ne3, size_t nb1, size_t nb2, size_t nb3, size_t offset)',
  ggml_permute: 'void* ggml_permute(void* ctx, void* a, int p0, int p1, int p2, int p3)',
  ggml_cont: 'void* ggml_cont(void* ctx, void* a)',
  ggml_concat: 'void* ggml_concat(void* ctx, void* a, void* b, int dim)',
  ggml_acc: 'void* ggml_acc(void* ctx, void* a, void* b, size_t nb1, size_t nb2, size_t nb3, size_t offset)',
  ggml_acc_inplace:
    'void* ggml_acc_inplace(void* ctx, void* a, void* b, size_t nb1, size_t nb2, size_t nb3, size_t offset)',
  ggml_get_rows: 'void* ggml_get_rows(void* ctx, void* a, void* b)',
  ggml_get_rows_back: 'void* ggml_get_rows_back(void* ctx, void* gradient, void* b, void* c)',
  ggml_set_rows: 'void* ggml_set_rows(void* ctx, void* a, void* b, void* c)',
  ggml_soft_max_ext: 'void* ggml_soft_max_ext(void* ctx, void* a, void* mask, float scale, float max_bias)',
  ggml_soft_max_ext_back:
    'void* ggml_soft_max_ext_back(void* ctx, void* gradient, void* y, float scale, float max_bias)',
  ggml_rms_norm: 'void* ggml_rms_norm(void* ctx, void* a, float eps)',
  ggml_rms_norm_back: 'void* ggml_rms_norm_back(void* ctx, void* gradient, void* x, float eps)',
  ggml_rope_ext:
    'void* ggml_rope_ext(void* ctx, void* a, void* b, void* c, int n_dims, int mode, int n_ctx_orig, float base, float scale, float ext, float attn, float fast, float slow)',
  ggml_cast: 'void* ggml_cast(void* ctx, void* a, int type)',
  ggml_cpy: 'void* ggml_cpy(void* ctx, void* a, void* b)',
  ggml_opt_step_adamw:
    'void* ggml_opt_step_adamw(void* ctx, void* a, void* gradient, void* m, void* v, void* settings)',
} as const;

const llamaDeclarations = {
  llama_model_quantize_default_params: 'freehold_params llama_model_quantize_default_params()',
  llama_model_quantize: 'uint32 llama_model_quantize(str from, str to, const freehold_params* params)',
} as const;

export type TensorFunctions = Record<keyof typeof declarations | keyof typeof llamaDeclarations, CFunction>;

const functionsOf = new WeakMap<Native, TensorFunctions>();

export function tensorFunctions(native: Native): TensorFunctions {
  const known = functionsOf.get(native);
  if (known) return known;
  const libraries = [
    [koffi.load(native.libraries.base), declarations],
    [koffi.load(native.libraries.llama), llamaDeclarations],
  ] as const;
  const bound: Record<string, CFunction> = {};
  for (const [library, texts] of libraries) {
    for (const [name, text] of Object.entries(texts)) bound[name] = library.func(text) as CFunction;
  }
  functionsOf.set(native, bound as TensorFunctions);
  return bound as TensorFunctions;
}
