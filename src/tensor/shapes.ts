// Checks of shapes and types while a graph is written down. A message names the operation and what it was given.
import { FreeholdError } from '../lib/errors.ts';
import { type DType, elementCount, type Shape, showShape, type Tensor } from './tensor.ts';

export function describe(...tensors: readonly Tensor[]): string {
  return tensors.map(({ shape, dtype }) => `${showShape(shape)} ${dtype}`).join(' and ');
}

/** @throws FreeholdError graph_invalid */
export function refuse(op: string, fault: string): never {
  throw new FreeholdError('graph_invalid', `${op}: ${fault}.`);
}

export function checkShape(op: string, shape: Shape): void {
  if (shape.length < 1 || shape.length > 4) refuse(op, `a tensor has 1 to 4 dimensions, not ${shape.length}`);
  const bad = shape.find((size) => !Number.isSafeInteger(size) || size < 1);
  if (bad !== undefined) refuse(op, `every size is a whole number from 1 on, which ${showShape(shape)} is not`);
  if (elementCount(shape) > 2 ** 40) refuse(op, `${showShape(shape)} is too large`);
}

export function checkType(op: string, tensor: Tensor, ...wanted: readonly DType[]): void {
  if (!wanted.includes(tensor.dtype)) refuse(op, `takes ${wanted.join(' or ')}, was given ${describe(tensor)}`);
}

/** Whether `small` becomes `large` by repeating dimensions of size 1, aligned at the last. */
export function broadcasts(small: Shape, large: Shape): boolean {
  const missing = large.length - small.length;
  return missing >= 0 && small.every((size, index) => size === 1 || size === large[index + missing]);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, index) => size === b[index]);
}

/** Axis counted from the end when negative. */
export function checkAxis(op: string, tensor: Tensor, axis: number): number {
  const found = axis < 0 ? axis + tensor.shape.length : axis;
  if (!Number.isInteger(found) || found < 0 || found >= tensor.shape.length)
    refuse(op, `${describe(tensor)} has no axis ${axis}`);
  return found;
}

export function lastSize(tensor: Tensor): number {
  return tensor.shape.at(-1) as number;
}

/** The shape with the size of one axis replaced. */
export function withSize(shape: Shape, axis: number, size: number): Shape {
  return shape.map((old, index) => (index === axis ? size : old));
}
