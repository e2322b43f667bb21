// A scratch ggml context: tensors and a graph on one device, for measuring. Training has its own, richer one: tensor-graph.ts.
import { invariant } from '../lib/errors.ts';
import { setBackendThreads } from './cpu.ts';
import { availableThreads, type Native } from './ffi.ts';
import type { Pointer } from './handle.ts';

/** Numbers of ggml's types. */
export const ggmlTypes = { f32: 0, f16: 1, q4_0: 2, q8_0: 8, q4_k: 12, i32: 26, i64: 27, bf16: 30 } as const;
export type MeasuredType = keyof typeof ggmlTypes;

/** Everything made in it is freed together by `free`. */
export interface Scratch {
  context: Pointer;
  /** @param shape ne[0] first, 1 to 4 sizes */
  tensor(type: MeasuredType, ...shape: number[]): Pointer;
  free(): void;
}

export function createScratch({ ggml }: Native): Scratch {
  // tensors are descriptions only: no data is allocated here
  const context = ggml.ggml_init({ mem_size: 1 << 20, mem_buffer: null, no_alloc: true });
  invariant(context, 'ggml gives a context');
  return {
    context,
    tensor: (type, ...shape) =>
      ggml.ggml_new_tensor(context, ggmlTypes[type], shape.length, BigInt64Array.from(shape.map(BigInt))),
    free: () => ggml.ggml_free(context),
  };
}

/**
 * Runs one op repeatedly on a device.
 * @param build makes the op in a scratch context
 * @returns the fastest of `repeats` runs, in seconds
 */
export function measureOp(
  native: Native,
  deviceIndex: number,
  build: (scratch: Scratch) => Pointer,
  repeats: number,
): number {
  const { ggml } = native;
  const device = ggml.ggml_backend_dev_get(deviceIndex);
  const backend = ggml.ggml_backend_dev_init(device, null);
  invariant(backend, 'a listed device can be opened');
  setBackendThreads(native, device, backend, availableThreads());
  const scratch = createScratch(native);
  let buffer: Pointer;
  try {
    const result = build(scratch);
    const graph = ggml.ggml_new_graph(scratch.context);
    ggml.ggml_build_forward_expand(graph, result);
    buffer = ggml.ggml_backend_alloc_ctx_tensors(scratch.context, backend);
    invariant(buffer, 'the device has memory for the measurement');
    // zeros: denormals and NaN would slow the arithmetic down
    ggml.ggml_backend_buffer_clear(buffer, 0);
    ggml.ggml_backend_graph_compute(backend, graph);
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < repeats; i++) {
      const startedAt = process.hrtime.bigint();
      ggml.ggml_backend_graph_compute(backend, graph);
      best = Math.min(best, Number(process.hrtime.bigint() - startedAt) / 1e9);
    }
    return best;
  } finally {
    if (buffer) ggml.ggml_backend_buffer_free(buffer);
    scratch.free();
    ggml.ggml_backend_free(backend);
  }
}
