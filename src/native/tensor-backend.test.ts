import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadNative } from './ffi.ts';
import type { Four } from './native-tensor.ts';
import { TensorBackend } from './tensor-backend.ts';

const matrix = (columns: number, rows: number): Four => [columns, rows, 1, 1];
let backend: TensorBackend;
beforeAll(() => {
  backend = new TensorBackend(loadNative({ device: 'cpu' }), { device: 'cpu', threads: 1 });
});
afterAll(() => backend.dispose());

describe('blocks', () => {
  it('hold zeros, then what was written, rounded to their type', () => {
    const types = ['f32', 'f16', 'bf16'] as const;
    const specs = types.map((type) => ({ type, ne: matrix(3, 1) }));
    const block = backend.allocate('Three rows', specs);
    for (const tensor of block.tensors) expect(block.read(tensor)).toEqual(new Float32Array(3));
    for (const tensor of block.tensors) block.write(tensor, Float32Array.of(1.001, -2, 70_000));
    const [f32, f16, bf16] = block.tensors.map((tensor) => block.read(tensor));
    expect(f32).toEqual(Float32Array.of(1.001, -2, 70_000));
    expect(f16).toEqual(Float32Array.of(1.0009765625, -2, Number.POSITIVE_INFINITY));
    expect(bf16).toEqual(Float32Array.of(1, -2, 70_144));
    block.dispose();
  });

  it('that do not fit are refused, with both sizes', () => {
    expect(() => backend.allocate('Too many numbers', [{ type: 'f32', ne: matrix(2 ** 20, 2 ** 20) }])).toThrow(
      expect.objectContaining({
        code: 'does_not_fit',
        message: expect.stringMatching(/^Too many numbers need 4,194,304 MiB; [\d,]+ MiB are free/),
      }),
    );
  });

  it('and their tensors are gone after disposal', () => {
    const block = backend.allocate('A row', [{ type: 'f32', ne: matrix(3, 1) }]);
    const [row] = block.tensors as [(typeof block.tensors)[number]];
    block.dispose();
    expect(() => block.read(row)).toThrow(expect.objectContaining({ code: 'native_disposed' }));
  });
});

describe('graphs', () => {
  it('run one after the other, and say what each operation took', async () => {
    const block = backend.allocate('Two matrices', [
      { type: 'f32', ne: matrix(2, 3) },
      { type: 'f32', ne: matrix(2, 1) },
    ]);
    const [x, row] = block.tensors as [(typeof block.tensors)[number], (typeof block.tensors)[number]];
    block.write(x, Float32Array.of(1, 2, 3, 4, 5, 6));
    block.write(row, Float32Array.of(10, 20));
    const made = [2, 3].map((factor) => {
      const graph = backend.graph(8);
      const turned = graph.view(x, { ne: matrix(3, 2), strides: [2, 1, 6, 6], offset: 0 });
      const result = graph.scale(graph.binary('add', x, row), factor, 0);
      const copy = graph.contiguous(turned);
      for (const tensor of [result, copy]) {
        graph.append(tensor);
        graph.keep(tensor);
      }
      expect(graph.plan('The values')).toBeGreaterThan(0);
      return { graph, result, copy };
    });
    const running = made.map(({ graph }) => graph.run());
    expect(backend.running).toBe(true);
    await Promise.all(running);
    expect(backend.running).toBe(false);
    const [first, second] = made as [(typeof made)[number], (typeof made)[number]];
    expect(first.graph.read(first.result)).toEqual(Float32Array.of(22, 44, 26, 48, 30, 52));
    expect(second.graph.read(second.result)).toEqual(Float32Array.of(33, 66, 39, 72, 45, 78));
    expect(first.graph.read(first.copy)).toEqual(Float32Array.of(1, 3, 5, 2, 4, 6));
    const times = first.graph.profile();
    expect(times.map(({ op }) => op)).toEqual(['ADD', 'SCALE', 'VIEW', 'PERMUTE', 'CONT']);
    expect(times.at(-1)?.ne).toEqual([3, 2, 1, 1]);
    for (const { graph } of made) graph.dispose();
    await expect(first.graph.run()).rejects.toThrow(expect.objectContaining({ code: 'native_disposed' }));
    block.dispose();
  });

  it('are disposed with their backend', () => {
    const other = new TensorBackend(loadNative({ device: 'cpu' }), { device: 'cpu', threads: 1 });
    const graph = other.graph(8);
    const block = other.allocate('A row', [{ type: 'f32', ne: matrix(3, 1) }]);
    const [row] = block.tensors as [(typeof block.tensors)[number]];
    other.dispose();
    expect(() => graph.scale(row, 1, 0)).toThrow(expect.objectContaining({ code: 'native_disposed' }));
    expect(() => other.graph(8)).toThrow(expect.objectContaining({ code: 'native_disposed' }));
  });
});
