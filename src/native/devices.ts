// The devices ggml sees: processors and graphics cards, with their memory.
import type { Native } from './ffi.ts';

export interface Device {
  /** Index in ggml's own order. */
  index: number;
  /** e.g. `CPU`, `CUDA0`, `Vulkan0`. */
  name: string;
  /** e.g. `NVIDIA H200`. */
  description: string;
  type: 'cpu' | 'gpu' | 'integrated-gpu' | 'accelerator' | 'other';
  totalBytes: number;
  freeBytes: number;
}

const types = ['cpu', 'gpu', 'integrated-gpu', 'accelerator'] as const;

export function listDevices({ ggml }: Native): Device[] {
  const count = Number(ggml.ggml_backend_dev_count());
  return Array.from({ length: count }, (_, index) => {
    const device = ggml.ggml_backend_dev_get(index);
    const free = [0];
    const total = [0];
    ggml.ggml_backend_dev_memory(device, free, total);
    return {
      index,
      name: ggml.ggml_backend_dev_name(device),
      description: ggml.ggml_backend_dev_description(device),
      type: types[ggml.ggml_backend_dev_type(device)] ?? 'other',
      totalBytes: Number(total[0]),
      freeBytes: Number(free[0]),
    };
  });
}

/** The device that computes: the first graphics card, else the processor. */
export function mainDevice(native: Native): Device | undefined {
  const devices = listDevices(native);
  return (
    devices.find(({ type }) => type === 'gpu' || type === 'integrated-gpu') ??
    devices.find(({ type }) => type === 'cpu')
  );
}
