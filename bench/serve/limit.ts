// The limit of generation: a token of one stream needs every weight once, so memory can give no more tokens a second
// than its read bandwidth over the bytes of the weights. Measured here: a matrix-vector product of ggml over an f32 matrix
// of as many bytes, on as many threads as the model gets; the best of several.
import { readGguf } from '../../src/formats/gguf/read.ts';
import { listDevices } from '../../src/native/devices.ts';
import { availableThreads, loadNative } from '../../src/native/ffi.ts';
import { measureOp } from '../../src/native/graph.ts';

const columns = 4096;
const repeats = 30;

export interface Limit {
  /** Weights that one token reads. */
  weightBytes: number;
  bytesPerSecond: number;
  threads: number;
}

export async function measureLimit(file: string): Promise<Limit> {
  const { tensors } = await readGguf(file, { maxArrayLength: 0 });
  // of an embedding that is not the output matrix too, a token reads one row
  const tied = !tensors.some(({ name }) => name === 'output.weight');
  const weightBytes = tensors
    .filter(({ name }) => tied || name !== 'token_embd.weight')
    .reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const native = loadNative({ device: 'cpu' });
  const rows = Math.round(weightBytes / 4 / columns);
  const seconds = measureOp(
    native,
    listDevices(native).findIndex(({ type }) => type === 'cpu'),
    ({ tensor, context }) => native.ggml.ggml_mul_mat(context, tensor('f32', columns, rows), tensor('f32', columns, 1)),
    repeats,
  );
  return { weightBytes, bytesPerSecond: (rows * columns * 4) / seconds, threads: availableThreads() };
}
