// Copies of views in the order that operations want. ggml's copy moves a transposed view number by number, by a call each and down
// whole columns (3-5 ns a number); on the processor, tiles and its `concat`, which reads any strides, take half of that or less.
import type { Four, Layout, NativeTensor } from '../../native/native-tensor.ts';
import type { TensorGraph } from '../../native/tensor-graph.ts';
import { hasPackedRows } from './layout.ts';

/** What is worth two passes. */
const fewestNumbers = 4096;
/** Columns of a tile: 16 numbers are one cache line. */
const tileWidths = [16, 8, 4];
const widestRow = 128;

/** @param byTiles whether transposes go by tiles: as fast as it gets on the processor, slower on a graphics card */
export function copyInOrder(graph: TensorGraph, base: NativeTensor, layout: Layout, byTiles: boolean): NativeTensor {
  const tiles = byTiles && base.type === 'f32' ? tilesOf(layout) : undefined;
  if (!tiles) return graph.contiguous(graph.view(base, layout));
  // first the tiles one after the other, (…, columns / width, rows, width); then each is transposed
  const tiled = graph.contiguous(graph.view(base, tiles));
  const [width, rows, across, batch] = tiles.ne;
  const half = rows >> 1;
  const strides: Four = [width, 1, rows * width, rows * width * across * batch];
  const part = (start: number, end: number) =>
    graph.view(tiled, { ne: [end - start, width, across * batch, 1], strides, offset: start * width });
  return graph.view(graph.concat(part(0, half), part(half, rows), 0), {
    ne: layout.ne,
    strides: [1, layout.ne[0], layout.ne[0] * layout.ne[1], layout.ne[0] * layout.ne[1] * layout.ne[2]],
    offset: 0,
  });
}

/** The numbers of a transposed view as (width, rows, columns / width, batch); undefined where tiles do not fit. */
function tilesOf(layout: Layout): Layout | undefined {
  const { ne, strides, offset } = layout;
  const [rows, columns, inner, outer] = ne;
  if (hasPackedRows(layout) || strides[1] !== 1 || rows * columns < fewestNumbers) return undefined;
  const batchIsOneAxis = inner === 1 || outer === 1 || strides[3] === inner * strides[2];
  if (!batchIsOneAxis)
    return columns > widestRow
      ? undefined
      : { ne: [columns, rows, inner, outer], strides: [1, strides[0], strides[2], strides[3]], offset };
  const width = tileWidths.find((size) => columns % size === 0);
  const between = inner === 1 ? strides[3] : strides[2];
  return width === undefined
    ? undefined
    : { ne: [width, rows, columns / width, inner * outer], strides: [1, strides[0], width, between], offset };
}
