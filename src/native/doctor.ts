// What the native side of this machine offers: devices, memory, libraries, measured rates, ops. Runs in a process of
// its own, so that a driver that crashes takes nothing with it.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from '../lib/child-environment.ts';
import { type ErrorRecord, FreeholdError, fromErrorRecord } from '../lib/errors.ts';
import type { Device } from './devices.ts';
import { devicesSeen, type LocateOptions } from './locate.ts';
import type { OpSupport } from './op-table.ts';

export interface DeviceReport extends Device {
  /** Processor family the CPU backend was built for, e.g. `sapphirerapids`; CPU only. */
  cpuVariant?: string;
  threads?: number;
  /** Rates of `mul_mat`, (2048, 512) x (512, 2048), in GFLOPS, by weight type. */
  gemmGflops: Record<string, number>;
  /** Bytes read in a second by a matrix-vector product over `bandwidthBufferBytes` of f32 weights. */
  readBytesPerSecond: number;
  bandwidthBufferBytes: number;
  ops: OpSupport[];
}

export interface DoctorReport {
  /** Version of the pinned packages. */
  packageVersion: string;
  ggmlVersion: string;
  llamaVersion: string;
  libraryKind: string;
  libraryDir: string;
  devices: DeviceReport[];
  /** Devices whose hardware is here and whose package is not: `freehold doctor --fix` fetches it. */
  missingPackages: { kind: string; name: string }[];
}

const processEntry = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../dist/native/doctor-process.js' : './doctor-process.js',
    import.meta.url,
  ),
);

/**
 * Looks at devices and measures them; takes a few seconds.
 * @throws FreeholdError native_library_missing, native_library_untrusted, model_failed when a driver crashed
 */
export function inspect(options: LocateOptions = {}): Promise<DoctorReport> {
  return ask<DoctorReport>('report', options);
}

/**
 * Memory of the graphics card that a model would be loaded on; asks in a process of its own, under a second.
 * @returns undefined where the processor does the work; then the host's memory counts
 * @throws as `inspect`
 */
export async function deviceMemory(options: LocateOptions = {}): Promise<Device | undefined> {
  if (options.device === 'cpu' || (!options.libDir && devicesSeen().length === 1)) return undefined;
  const devices = await ask<Device[]>('devices', options);
  return devices.find(({ type }) => type === 'gpu');
}

function ask<T>(question: 'report' | 'devices', options: LocateOptions): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(processEntry, [question, JSON.stringify(options)], {
      env: childEnvironment(),
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let log = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-4000);
    });
    child.once('message', (message: { answer: T } | { error: ErrorRecord }) => {
      if ('answer' in message) resolve(message.answer);
      else reject(fromErrorRecord(message.error));
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const lines = log.trim().split('\n').slice(-5).join('\n');
      reject(
        new FreeholdError('model_failed', `The native libraries ended the process (${signal ?? `status ${code}`}).`, {
          hint: `A driver may be broken; --device cpu avoids it. Last lines:\n${lines}`,
        }),
      );
    });
  });
}
