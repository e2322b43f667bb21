// One device opened for computing with ggml: blocks of tensors that stay, and graphs that run one at a time. Refuses what does not fit
// into free memory before it is asked for.
import { FreeholdError, invariant } from '../lib/errors.ts';
import { CpuThreadpool, setBackendThreads } from './cpu.ts';
import { type Device, listDevices, mainDevice } from './devices.ts';
import { availableThreads, type Native } from './ffi.ts';
import { ggmlTypes } from './graph.ts';
import { Handle, type Pointer } from './handle.ts';
import {
  type Four,
  type NativeTensor,
  pointerOfTensor,
  readTensor,
  registerTensor,
  type StorageType,
} from './native-tensor.ts';
import { type TensorFunctions, tensorFunctions } from './tensor-functions.ts';
import { TensorGraph } from './tensor-graph.ts';
import { chooseThreads, type ThreadChoice } from './thread-choice.ts';

export interface TensorBackendOptions {
  /** `auto`: the graphics card where there is one. Default auto */
  device?: 'cpu' | 'auto';
  /** Of the processor. Default: one a core, or fewer while other programs use the cores */
  threads?: number;
}

/** One device, opened for computing. Disposing it disposes its blocks and graphs. */
export class TensorBackend {
  readonly device: Device;
  /** Most that a run takes. */
  readonly threads: number;
  readonly #adapts: boolean;
  readonly #native: Native;
  readonly #functions: TensorFunctions;
  readonly #devicePointer: Pointer;
  readonly #handle: Handle;
  /** Settles when the last run that was asked for has ended. */
  #lastRun: Promise<unknown> = Promise.resolve();
  #runs = 0;

  /** @throws FreeholdError model_failed when the device cannot be opened */
  constructor(native: Native, options: TensorBackendOptions = {}) {
    const { ggml } = native;
    const wanted = options.device ?? 'auto';
    const device = wanted === 'auto' ? mainDevice(native) : listDevices(native).find(({ type }) => type === 'cpu');
    invariant(device, 'ggml always has a processor');
    this.#native = native;
    this.#functions = tensorFunctions(native);
    this.device = device;
    this.threads = device.type === 'cpu' ? (options.threads ?? availableThreads()) : 1;
    this.#adapts = device.type === 'cpu' && options.threads === undefined && this.threads > 1;
    this.#devicePointer = ggml.ggml_backend_dev_get(device.index);
    const pointer = ggml.ggml_backend_dev_init(this.#devicePointer, null);
    if (!pointer) throw new FreeholdError('model_failed', `The device ${device.name} cannot be opened.`);
    let pool: CpuThreadpool | undefined;
    if (device.type === 'cpu') {
      setBackendThreads(native, this.#devicePointer, pointer, this.threads);
      pool = CpuThreadpool.create(native, this.threads);
      pool?.attachToBackend(pointer);
    }
    this.#handle = new Handle('tensor backend', pointer, (backend) => {
      ggml.ggml_backend_free(backend);
      pool?.dispose();
    });
  }

  /** Whether a graph computes, or waits to. */
  get running(): boolean {
    return this.#runs > 0;
  }

  /**
   * Tensors that stay until the block is disposed, zero at first.
   * @param what for the message when they do not fit
   * @throws FreeholdError does_not_fit
   */
  allocate(what: string, specs: readonly { type: StorageType; ne: Four }[]): TensorBlock {
    const { ggml } = this.#native;
    const functions = this.#functions;
    const context = this.#newContext(specs.length, 0);
    const tensors = specs.map(({ type, ne }) =>
      ggml.ggml_new_tensor(context, ggmlTypes[type], 4, BigInt64Array.from(ne.map(BigInt))),
    );
    const type = functions.ggml_backend_get_default_buffer_type(this.#handle.pointer);
    const sizeBytes = Number(functions.ggml_backend_alloc_ctx_tensors_from_buft_size(context, type));
    try {
      this.#checkFits(what, sizeBytes);
    } catch (error) {
      ggml.ggml_free(context);
      throw error;
    }
    const buffer = ggml.ggml_backend_alloc_ctx_tensors(context, this.#handle.pointer);
    if (!buffer) {
      ggml.ggml_free(context);
      throw tooLarge(what, sizeBytes, this.freeBytes());
    }
    ggml.ggml_backend_buffer_clear(buffer, 0);
    const handle = new Handle(
      'tensor block',
      buffer,
      (pointer) => {
        ggml.ggml_backend_buffer_free(pointer);
        ggml.ggml_free(context);
      },
      this.#handle,
    );
    const made = specs.map(({ type, ne }, index) => registerTensor(tensors[index], handle, type, ne));
    return new TensorBlock(handle, made, sizeBytes, functions);
  }

  /**
   * An empty graph.
   * @param capacity most tensors in it, views counted
   */
  graph(capacity: number): TensorGraph {
    const context = this.#newContext(capacity, capacity);
    const functions = this.#functions;
    const graph = functions.ggml_new_graph_custom(context, capacity, false);
    const buffers = functions.ggml_backend_get_default_buffer_type(this.#handle.pointer);
    const allocator = functions.ggml_gallocr_new(buffers);
    const handle = new Handle(
      'tensor graph',
      context,
      (pointer) => {
        functions.ggml_gallocr_free(allocator);
        this.#native.ggml.ggml_free(pointer);
      },
      this.#handle,
    );
    const choice = this.#adapts ? chooseThreads(this.threads) : undefined;
    const place = (what: string): number => {
      const size = [0];
      functions.ggml_gallocr_reserve_n_size(allocator, graph, null, null, size);
      this.#checkFits(what, Number(size[0]));
      if (!functions.ggml_gallocr_reserve(allocator, graph) || !functions.ggml_gallocr_alloc_graph(allocator, graph))
        throw tooLarge(what, Number(size[0]), this.freeBytes());
      return Number(functions.ggml_gallocr_get_buffer_size(allocator, 0));
    };
    return new TensorGraph({
      native: this.#native,
      functions,
      handle,
      graph,
      capacity,
      place,
      supports: (tensor) => this.#native.ggml.ggml_backend_dev_supports_op(this.#devicePointer, tensor) as boolean,
      run: (work) => this.#inTurn(choice, work),
      backend: () => this.#handle.pointer,
      deviceName: this.device.name,
    });
  }

  /** Bytes that can be allocated now. */
  freeBytes(): number {
    if (this.device.type === 'cpu') return process.availableMemory();
    return listDevices(this.#native)[this.device.index]?.freeBytes ?? 0;
  }

  dispose(): void {
    this.#handle.dispose();
  }

  #newContext(tensors: number, nodes: number): Pointer {
    const functions = this.#functions;
    invariant(this.#handle.pointer, 'the backend lives');
    const overhead = Number(functions.ggml_tensor_overhead());
    const graph = nodes === 0 ? 0 : Number(functions.ggml_graph_overhead_custom(nodes, false));
    const context = this.#native.ggml.ggml_init({
      mem_size: (tensors + 1) * overhead + graph,
      mem_buffer: null,
      no_alloc: true,
    });
    invariant(context, 'ggml gives a context');
    return context;
  }

  // an overcommitting system gives out more memory than there is and ends the process later
  #checkFits(what: string, sizeBytes: number): void {
    const free = this.freeBytes();
    if (sizeBytes > free) throw tooLarge(what, sizeBytes, free);
  }

  /** One graph at a time: they share the threads. */
  async #inTurn<T>(choice: ThreadChoice | undefined, work: (backend: Pointer) => Promise<T>): Promise<T> {
    this.#runs += 1;
    const turn = this.#lastRun.then(() => this.#handle.whileBusy((backend) => this.#timed(choice, backend, work)));
    this.#lastRun = turn.catch(() => {});
    try {
      return await turn;
    } finally {
      this.#runs -= 1;
    }
  }

  async #timed<T>(
    choice: ThreadChoice | undefined,
    backend: Pointer,
    work: (backend: Pointer) => Promise<T>,
  ): Promise<T> {
    if (!choice) return work(backend);
    setBackendThreads(this.#native, this.#devicePointer, backend, choice.threads);
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const result = await work(backend);
    const { user, system } = process.cpuUsage(before);
    choice.ran((performance.now() - startedAt) / 1e3, (user + system) / 1e6);
    return result;
  }
}

function tooLarge(what: string, sizeBytes: number, freeBytes: number): FreeholdError {
  const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
  return new FreeholdError(
    'does_not_fit',
    `${what} need ${megabytes(sizeBytes)}; ${megabytes(freeBytes)} are free on the device.`,
    { hint: 'A smaller batch, a shorter context or a smaller model needs less.' },
  );
}

/** Tensors that stay. */
export class TensorBlock {
  readonly tensors: readonly NativeTensor[];
  readonly sizeBytes: number;
  readonly #handle: Handle;
  readonly #functions: TensorFunctions;

  /** Made by `TensorBackend.allocate`. */
  constructor(handle: Handle, tensors: readonly NativeTensor[], sizeBytes: number, functions: TensorFunctions) {
    this.#handle = handle;
    this.tensors = tensors;
    this.sizeBytes = sizeBytes;
    this.#functions = functions;
  }

  /** @param values as many as the tensor has; rounded to its type */
  write(tensor: NativeTensor, values: Float32Array | Int32Array): void {
    const functions = this.#functions;
    let bytes: Float32Array | Int32Array | Uint16Array = values;
    if (tensor.type === 'f16' || tensor.type === 'bf16') {
      bytes = new Uint16Array(values.length);
      const convert = tensor.type === 'f16' ? functions.ggml_fp32_to_fp16_row : functions.ggml_fp32_to_bf16_row;
      convert(values, bytes, values.length);
    }
    functions.ggml_backend_tensor_set(pointerOfTensor(tensor), bytes, 0, bytes.byteLength);
  }

  read(tensor: NativeTensor): Float32Array {
    return readTensor(this.#functions, tensor);
  }

  dispose(): void {
    this.#handle.dispose();
  }
}
