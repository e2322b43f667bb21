// Where a number of one array stands in another: repeating, reordering and cutting row-major arrays.
import { elementCount, type Shape } from '../tensor.ts';

/** How far apart neighbours along each axis are. */
function strides(shape: Shape): number[] {
  const result = Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    result[axis] = (result[axis + 1] as number) * (shape[axis + 1] as number);
  return result;
}

/** An array of that shape: f of a place that moves through another array by `steps`, and of the place in this one. */
function walk(shape: Shape, steps: readonly number[], f: (at: number, index: number) => number): Float64Array {
  const result = new Float64Array(elementCount(shape));
  const place = Array<number>(shape.length).fill(0);
  let at = 0;
  for (let index = 0; index < result.length; index++) {
    result[index] = f(at, index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis] as number;
      place[axis] = (place[axis] as number) + 1;
      if ((place[axis] as number) < (shape[axis] as number)) break;
      at -= (steps[axis] as number) * (shape[axis] as number);
      place[axis] = 0;
    }
  }
  return result;
}

/**
 * An array of shape `large`: f of where a number of it stands in `small`, which is repeated, and in itself.
 */
export function indexMap(small: Shape, large: Shape, f: (at: number, index: number) => number): Float64Array {
  const aligned = [...Array<number>(large.length - small.length).fill(1), ...small];
  const steps = strides(aligned).map((stride, axis) => (aligned[axis] === 1 ? 0 : stride));
  return walk(large, steps, f);
}

export function permuted(x: Float64Array, shape: Shape, axes: readonly number[]): Float64Array {
  const from = strides(shape);
  return walk(
    axes.map((axis) => shape[axis] as number),
    axes.map((axis) => from[axis] as number),
    (at) => x[at] as number,
  );
}

export function sliced(x: Float64Array, shape: Shape, axis: number, start: number, end: number): Float64Array {
  const steps = strides(shape);
  const first = start * (steps[axis] as number);
  const part = shape.map((size, index) => (index === axis ? end - start : size));
  return walk(part, steps, (at) => x[first + at] as number);
}

export function addedAt(
  x: Float64Array,
  shape: Shape,
  part: Float64Array,
  partShape: Shape,
  axis: number,
  start: number,
): Float64Array {
  const result = x.slice();
  const steps = strides(shape);
  const first = start * (steps[axis] as number);
  walk(partShape, steps, (at, index) => {
    result[first + at] = (result[first + at] as number) + (part[index] as number);
    return 0;
  });
  return result;
}

export function concatenate(parts: readonly Float64Array[], shapes: readonly Shape[], axis: number): Float64Array {
  const runs = shapes.map((shape) => elementCount(shape.slice(axis)));
  const count = (parts[0] as Float64Array).length / (runs[0] as number);
  const result = new Float64Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (let outer = 0; outer < count; outer++) {
    parts.forEach((part, index) => {
      const run = runs[index] as number;
      result.set(part.subarray(outer * run, (outer + 1) * run), at);
      at += run;
    });
  }
  return result;
}
