// How the numbers of a tensor lie in memory, in ggml's terms (innermost axis first): what moves axes, cuts parts out or renames sizes
// is arithmetic on strides here and copies nothing. Knows no native code.
import type { Four, Layout } from '../../native/native-tensor.ts';
import type { Shape } from '../tensor.ts';

/** ggml's sizes for a shape. */
export function sizesOf(shape: Shape): Four {
  const [a = 1, b = 1, c = 1, d = 1] = shape.toReversed();
  return [a, b, c, d];
}

/** Numbers in order, without gaps. */
export function packed(ne: Four): Layout {
  return { ne, strides: [1, ne[0], ne[0] * ne[1], ne[0] * ne[1] * ne[2]], offset: 0 };
}

export function isPacked({ ne, strides }: Layout): boolean {
  const wanted = packed(ne).strides;
  return ne.every((size, i) => size === 1 || strides[i] === wanted[i]);
}

/** Whether the numbers along the innermost axis are neighbours. */
export function hasPackedRows({ ne, strides }: Layout): boolean {
  return ne[0] === 1 || strides[0] === 1;
}

/** @param axes as of `permute` in ops.ts: of a shape, outermost first */
export function permuted(layout: Layout, axes: readonly number[]): Layout {
  const rank = axes.length;
  const source = [0, 1, 2, 3].map((i) => (i < rank ? rank - 1 - (axes[rank - 1 - i] as number) : i));
  const pick = (four: Four) => source.map((i) => four[i]) as unknown as Four;
  return settled(pick(layout.ne), pick(layout.strides), layout.offset);
}

/** @param axis of a shape with `rank` sizes, outermost first */
export function sliced(layout: Layout, rank: number, axis: number, start: number, end: number): Layout {
  const i = rank - 1 - axis;
  const ne = layout.ne.map((size, j) => (j === i ? end - start : size)) as unknown as Four;
  return settled(ne, layout.strides, layout.offset + start * (layout.strides[i] as number));
}

/** The same numbers under other sizes; undefined where they would have to be copied first. */
export function reshaped(layout: Layout, ne: Four): Layout | undefined {
  if (isPacked(layout)) return { ...packed(ne), offset: layout.offset };
  // both lists of sizes are cut into the shortest groups with equal products; within a group the old axes must lie without gaps
  const old = layout.ne.flatMap((size, i) => (size === 1 ? [] : [{ size, stride: layout.strides[i] as number }]));
  const strides = [0, 0, 0, 0];
  let next = 0;
  for (let i = 0; i < 4; ) {
    if (ne[i] === 1) {
      i += 1;
      continue;
    }
    const group = [old[next++] as { size: number; stride: number }];
    let before = (group[0] as { size: number }).size;
    const first = i;
    let after = ne[i++] as number;
    while (before !== after) {
      if (before < after) {
        const [axis, last] = [old[next++], group.at(-1)];
        if (!axis || !last || axis.stride !== last.size * last.stride) return undefined;
        group.push(axis);
        before *= axis.size;
      } else {
        after *= ne[i++] as number;
      }
    }
    let stride = (group[0] as { stride: number }).stride;
    for (let j = first; j < i; j++) {
      strides[j] = stride;
      stride *= ne[j] as number;
    }
  }
  const found = settled(ne, strides as unknown as Four, layout.offset);
  // what ggml can show as a view has a packed axis, or one of size one to stand for it
  return found.strides.includes(1) || ne.includes(1) ? found : undefined;
}

/** Axes of size one get the strides that they would have without gaps, so that ggml's checks of order pass. */
function settled(ne: Four, strides: Four, offset: number): Layout {
  const settledStrides = [...strides];
  for (let i = 0; i < 4; i++)
    if (ne[i] === 1) settledStrides[i] = i === 0 ? 1 : (settledStrides[i - 1] as number) * (ne[i - 1] as number);
  return { ne, strides: settledStrides as unknown as Four, offset };
}
