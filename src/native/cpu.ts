// What only the CPU backend has: its variant for this processor, and a pool of threads that stays alive between graphs.
// Without an attached pool these builds (no OpenMP) start their threads anew for every graph (docs/decisions/native-libraries.md).
import { readFileSync } from 'node:fs';
import path from 'node:path';
import koffi from 'koffi';
import type { Native } from './ffi.ts';
import { Handle, type Pointer } from './handle.ts';

/** Offsets in `ggml_threadpool_params` of the pinned build: 512 bytes of core mask come first. */
const poolParams = { bytes: 1024, threads: 512, priority: 516, poll: 520 } as const;
/** How long a thread spins for the next graph before it sleeps, 0..100; ggml's own default. */
const pollLevel = 50;

interface CpuFunctions {
  create: (params: Buffer) => Pointer;
  free: (pool: Pointer) => void;
  pause: ((pool: Pointer) => void) | undefined;
  attachToBackend: ((backend: Pointer, pool: Pointer) => void) | undefined;
}

const functionsOf = new WeakMap<Native, CpuFunctions | null>();

/** Path of the libggml-cpu build that ggml chose for this processor; undefined where the system does not tell. */
export function cpuLibrary(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  return /\s(\/\S*libggml-cpu[^/\s]*\.so)$/m.exec(readFileSync('/proc/self/maps', 'utf8'))?.[1];
}

/** e.g. `sapphirerapids`; undefined where the system does not tell. */
export function cpuVariant(): string | undefined {
  const file = cpuLibrary();
  return file && /libggml-cpu-?(.*)\.so$/.exec(path.basename(file))?.[1];
}

function cpuFunctions(native: Native): CpuFunctions | null {
  const known = functionsOf.get(native);
  if (known !== undefined) return known;
  const functions = findCpuFunctions(native);
  functionsOf.set(native, functions);
  return functions;
}

function findCpuFunctions({ ggml }: Native): CpuFunctions | null {
  const count = Number(ggml.ggml_backend_dev_count());
  for (let index = 0; index < count; index++) {
    const device = ggml.ggml_backend_dev_get(index);
    if (ggml.ggml_backend_dev_type(device) !== 0) continue;
    const registry = ggml.ggml_backend_dev_backend_reg(device);
    const create = ggml.ggml_backend_reg_get_proc_address(registry, 'ggml_threadpool_new');
    const free = ggml.ggml_backend_reg_get_proc_address(registry, 'ggml_threadpool_free');
    if (!create || !free) return null;
    const createType = koffi.proto('void* freehold_threadpool_new(void* params)');
    const freeType = koffi.proto('void freehold_threadpool_free(void* pool)');
    const file = cpuLibrary();
    const attach = ggml.ggml_backend_reg_get_proc_address(registry, 'ggml_backend_cpu_set_threadpool');
    const attachType = koffi.proto('void freehold_set_threadpool(void* backend, void* pool)');
    return {
      create: (params) => koffi.call(create, createType, params),
      free: (pool) => koffi.call(free, freeType, pool),
      pause: file ? koffi.load(file).func('void ggml_threadpool_pause(void* pool)') : undefined,
      attachToBackend: attach ? (backend, pool) => koffi.call(attach, attachType, backend, pool) : undefined,
    };
  }
  return null;
}

/** Sets how many threads a CPU backend computes with. */
export function setBackendThreads({ ggml }: Native, device: Pointer, backend: Pointer, threads: number): void {
  const registry = ggml.ggml_backend_dev_backend_reg(device);
  const set = ggml.ggml_backend_reg_get_proc_address(registry, 'ggml_backend_set_n_threads');
  if (!set) return;
  setThreadsType ??= koffi.proto('void freehold_set_n_threads(void* backend, int threads)');
  koffi.call(set, setThreadsType, backend, threads);
}
let setThreadsType: ReturnType<typeof koffi.proto> | undefined;

/** Threads that wait between graphs. */
export class CpuThreadpool {
  readonly #native: Native;
  readonly #functions: CpuFunctions;
  readonly #handle: Handle;

  private constructor(native: Native, functions: CpuFunctions, pointer: Pointer) {
    this.#native = native;
    this.#functions = functions;
    this.#handle = new Handle('threadpool', pointer, functions.free);
  }

  /**
   * libllama keeps a pointer to the pool and takes turns with nobody: the pool must outlive every context it is attached
   * to, and contexts that share it must compute one graph at a time (a paused graph computes nothing).
   * @param threads most that a graph can use
   * @returns undefined where the CPU backend offers no pool; graphs then start threads of their own
   */
  static create(native: Native, threads: number): CpuThreadpool | undefined {
    const functions = cpuFunctions(native);
    if (!functions) return undefined;
    const params = Buffer.alloc(poolParams.bytes);
    params.writeInt32LE(threads, poolParams.threads);
    params.writeInt32LE(0, poolParams.priority);
    params.writeUInt32LE(pollLevel, poolParams.poll);
    const pointer = functions.create(params);
    return pointer ? new CpuThreadpool(native, functions, pointer) : undefined;
  }

  attach(context: Pointer): void {
    this.#native.llama.llama_attach_threadpool(context, this.#handle.pointer, null);
  }

  /** For graphs of a CPU backend; the pool must outlive it. */
  attachToBackend(backend: Pointer): void {
    this.#functions.attachToBackend?.(backend, this.#handle.pointer);
  }

  /** Puts the threads to sleep; the next graph wakes them. */
  pause(): void {
    this.#functions.pause?.(this.#handle.pointer);
  }

  dispose(): void {
    this.#handle.dispose();
  }
}
