// Which operations a device supports, by asking its backend about one typical instance of each.
import koffi from 'koffi';
import type { Native } from './ffi.ts';
import { createScratch, type Scratch } from './graph.ts';
import type { Pointer } from './handle.ts';

export interface OpSupport {
  /** ggml's name of the op, with the weight type where that matters, e.g. `mul_mat q4_0`. */
  op: string;
  /** What it is for. */
  use: 'inference' | 'training' | 'images';
  supported: boolean;
}

type Build = (scratch: Scratch, call: (name: string, signature: string, ...args: unknown[]) => Pointer) => Pointer;

const matrix = (s: Scratch) => s.tensor('f32', 64, 32);
const unary =
  (name: string): Build =>
  (s, call) =>
    call(name, 'void* a', matrix(s));
const binary =
  (name: string): Build =>
  (s, call) =>
    call(name, 'void* a, void* b', matrix(s), matrix(s));
const matMul =
  (type: 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_k'): Build =>
  (s, call) =>
    call('mul_mat', 'void* a, void* b', s.tensor(type, 256, 64), s.tensor('f32', 256, 32));

const ops: [op: string, use: OpSupport['use'], build: Build][] = [
  ['mul_mat f32', 'inference', matMul('f32')],
  ['mul_mat f16', 'inference', matMul('f16')],
  ['mul_mat bf16', 'inference', matMul('bf16')],
  ['mul_mat q8_0', 'inference', matMul('q8_0')],
  ['mul_mat q4_0', 'inference', matMul('q4_0')],
  ['mul_mat q4_k', 'inference', matMul('q4_k')],
  [
    'mul_mat_id',
    'inference',
    (s, call) =>
      call(
        'mul_mat_id',
        'void* a, void* b, void* ids',
        s.tensor('f32', 64, 32, 4),
        s.tensor('f32', 64, 1, 8),
        s.tensor('i32', 1, 8),
      ),
  ],
  ['add', 'inference', binary('add')],
  ['mul', 'inference', binary('mul')],
  ['sub', 'training', binary('sub')],
  ['div', 'training', binary('div')],
  ['scale', 'inference', (s, call) => call('scale', 'void* a, float f', matrix(s), 2)],
  ['sqr', 'training', unary('sqr')],
  ['sqrt', 'training', unary('sqrt')],
  ['log', 'training', unary('log')],
  ['exp', 'training', unary('exp')],
  ['tanh', 'inference', unary('tanh')],
  ['sigmoid', 'inference', unary('sigmoid')],
  ['silu', 'inference', unary('silu')],
  ['gelu', 'inference', unary('gelu')],
  ['swiglu', 'inference', binary('swiglu_split')],
  ['rms_norm', 'inference', (s, call) => call('rms_norm', 'void* a, float eps', matrix(s), 1e-6)],
  ['norm', 'inference', (s, call) => call('norm', 'void* a, float eps', matrix(s), 1e-6)],
  [
    'soft_max',
    'inference',
    (s, call) => call('soft_max_ext', 'void* a, void* mask, float scale, float bias', matrix(s), null, 1, 0),
  ],
  [
    'rope',
    'inference',
    (s, call) =>
      call(
        'rope_ext',
        'void* a, void* b, void* c, int n, int mode, int orig, float base, float scale, float ext, float attn, float fast, float slow',
        s.tensor('f32', 64, 4, 8),
        s.tensor('i32', 8),
        null,
        64,
        0,
        0,
        10000,
        1,
        0,
        1,
        32,
        1,
      ),
  ],
  [
    'flash_attn',
    'inference',
    (s, call) =>
      call(
        'flash_attn_ext',
        'void* q, void* k, void* v, void* mask, float scale, float bias, float cap',
        s.tensor('f32', 64, 8, 4),
        s.tensor('f16', 64, 256, 4),
        s.tensor('f16', 64, 256, 4),
        s.tensor('f16', 256, 64),
        0.125,
        0,
        0,
      ),
  ],
  ['get_rows', 'inference', (s, call) => call('get_rows', 'void* a, void* rows', matrix(s), s.tensor('i32', 8))],
  [
    'set_rows',
    'inference',
    (s, call) =>
      call(
        'set_rows',
        'void* a, void* b, void* rows',
        s.tensor('f16', 64, 32),
        s.tensor('f32', 64, 8),
        s.tensor('i64', 8),
      ),
  ],
  ['cont (transposed)', 'training', (s, call) => call('cont', 'void* a', call('transpose', 'void* a', matrix(s)))],
  ['concat', 'inference', (s, call) => call('concat', 'void* a, void* b, int dim', matrix(s), matrix(s), 0)],
  ['repeat', 'training', (s, call) => call('repeat', 'void* a, void* b', s.tensor('f32', 64, 1), matrix(s))],
  ['sum_rows', 'training', unary('sum_rows')],
  ['argsort', 'inference', (s, call) => call('argsort', 'void* a, int order', matrix(s), 1)],
  [
    'out_prod',
    'training',
    (s, call) => call('out_prod', 'void* a, void* b', s.tensor('f32', 64, 16), s.tensor('f32', 32, 16)),
  ],
  [
    'get_rows_back',
    'training',
    (s, call) =>
      call('get_rows_back', 'void* a, void* b, void* c', s.tensor('f32', 64, 8), s.tensor('i32', 8), matrix(s)),
  ],
  [
    'rms_norm_back',
    'training',
    (s, call) => call('rms_norm_back', 'void* a, void* b, float eps', matrix(s), matrix(s), 1e-6),
  ],
  [
    'soft_max_back',
    'training',
    (s, call) => call('soft_max_ext_back', 'void* a, void* b, float scale, float bias', matrix(s), matrix(s), 1, 0),
  ],
  ['silu_back', 'training', binary('silu_back')],
  ['cross_entropy_loss', 'training', binary('cross_entropy_loss')],
  [
    'im2col',
    'images',
    (s, call) =>
      call(
        'im2col',
        'void* a, void* b, int s0, int s1, int p0, int p1, int d0, int d1, bool is2d, int type',
        s.tensor('f16', 3, 3, 4, 8),
        s.tensor('f32', 16, 16, 4, 1),
        1,
        1,
        1,
        1,
        1,
        1,
        true,
        1,
      ),
  ],
  [
    'group_norm',
    'images',
    (s, call) => call('group_norm', 'void* a, int groups, float eps', s.tensor('f32', 16, 16, 8, 1), 4, 1e-6),
  ],
  [
    'upscale',
    'images',
    (s, call) => call('upscale', 'void* a, int factor, int mode', s.tensor('f32', 16, 16, 4, 1), 2, 0),
  ],
];

/** One row for each op, for the device with this index. */
export function opSupport(native: Native, deviceIndex: number): OpSupport[] {
  const { ggml, libraries } = native;
  const base = koffi.load(libraries.base);
  const device = ggml.ggml_backend_dev_get(deviceIndex);
  const scratch = createScratch(native);
  try {
    return ops.map(([op, use, build]) => {
      const tensor = build(scratch, (name, signature, ...args) =>
        base.func(`void* ggml_${name}(void* ctx, ${signature})`)(scratch.context, ...args),
      );
      return { op, use, supported: ggml.ggml_backend_dev_supports_op(device, tensor) as boolean };
    });
  } finally {
    scratch.free();
  }
}
