// What computes graphs. Two implementations: `reference/` (plain TypeScript in f64, the oracle) and `ggml/` (the product).
import type { DType, Graph, Shape, Tensor } from './tensor.ts';

/** A graph and what is wanted of it. */
export interface Program {
  graph: Graph;
  /** What can be read after a run, by name. */
  outputs: Readonly<Record<string, Tensor>>;
  /** `assign` and `adamwStep` tensors: they run, though nothing reads them. */
  updates: readonly Tensor[];
}

export type Data = Float32Array | Int32Array;

/**
 * Holds states by name, f32 however they are stored. A state comes to be with the first program that names it, zero; later
 * programs must give it the same shape and type.
 */
export interface Device {
  /** e.g. `reference`, `CPU`, `CUDA0` */
  readonly name: string;
  /**
   * Plans memory once; the program can then run any number of times.
   * @throws FreeholdError graph_invalid, does_not_fit
   */
  compile(program: Program): Executable;
  states(): ReadonlyMap<string, { shape: Shape; dtype: DType }>;
  /** @throws FreeholdError graph_invalid when there is no such state or it has another number of elements */
  write(name: string, values: Float32Array): void;
  /** A copy. @throws FreeholdError graph_invalid when there is no such state */
  read(name: string): Float32Array;
  /** Bytes of all states. */
  readonly stateBytes: number;
  /** Frees everything; executables first. */
  dispose(): void;
}

export interface Executable {
  /**
   * Sets an input; it keeps its value until set again. One that leads to nothing that is asked for may be set all the same.
   * @throws FreeholdError graph_invalid when there is no such input, or its type, its length or an index in it is another
   */
  set(name: string, values: Data): void;
  /**
   * Computes outputs and updates, on other threads where the device has them. One run at a time.
   * @throws FreeholdError graph_invalid when an input was never set; model_failed
   */
  run(): Promise<void>;
  /** An output of the last run, as a copy. @throws FreeholdError graph_invalid when there is none */
  get(name: string): Float32Array;
  /** Bytes of intermediate values. */
  readonly workBytes: number;
  dispose(): void;
}
