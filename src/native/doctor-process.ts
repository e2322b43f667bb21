// The process behind `inspect` and `deviceMemory`: looks, sends one message, ends.
import { toErrorRecord } from '../lib/errors.ts';
import { cpuVariant } from './cpu.ts';
import { listDevices } from './devices.ts';
import type { DeviceReport, DoctorReport } from './doctor.ts';
import { availableThreads, loadNative, type Native } from './ffi.ts';
import { type MeasuredType, measureOp } from './graph.ts';
import { devicesSeen, type LocateOptions, locateLibraries, packageOf } from './locate.ts';
import { opSupport } from './op-table.ts';
import { pinnedVersion } from './pinned-libraries.ts';

const gemm = { rows: 2048, inner: 512, columns: 2048 };
const gemmTypes: MeasuredType[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0'];
const bandwidthBufferBytes = 256 * 2 ** 20;

function report(options: LocateOptions): DoctorReport {
  const native = loadNative(options);
  return {
    packageVersion: pinnedVersion,
    ggmlVersion: native.ggml.ggml_version(),
    llamaVersion: native.llama.llama_version(),
    libraryKind: native.libraries.kind,
    libraryDir: native.libraries.dir,
    devices: listDevices(native).map((device) => ({
      ...device,
      ...measure(native, device.index, device.type === 'cpu'),
    })),
    missingPackages: devicesSeen().flatMap((kind) => {
      const name = packageOf(kind);
      return name && !isInstalled(kind, options) ? [{ kind, name }] : [];
    }),
  };
}

function measure(
  native: Native,
  index: number,
  isCpu: boolean,
): Omit<DeviceReport, keyof ReturnType<typeof listDevices>[number]> {
  const gemmGflops: Record<string, number> = {};
  const ops = opSupport(native, index);
  for (const type of gemmTypes) {
    if (!ops.some(({ op, supported }) => op === `mul_mat ${type}` && supported)) continue;
    const seconds = measureOp(
      native,
      index,
      ({ tensor, context }) =>
        native.ggml.ggml_mul_mat(context, tensor(type, gemm.inner, gemm.rows), tensor('f32', gemm.inner, gemm.columns)),
      5,
    );
    gemmGflops[type] = (2 * gemm.rows * gemm.inner * gemm.columns) / seconds / 1e9;
  }
  const inner = 4096;
  const seconds = measureOp(
    native,
    index,
    ({ tensor, context }) =>
      native.ggml.ggml_mul_mat(
        context,
        tensor('f32', inner, bandwidthBufferBytes / 4 / inner),
        tensor('f32', inner, 1),
      ),
    5,
  );
  const variant = isCpu ? cpuVariant() : undefined;
  return {
    ...(variant ? { cpuVariant: variant } : {}),
    ...(isCpu ? { threads: availableThreads() } : {}),
    gemmGflops,
    readBytesPerSecond: bandwidthBufferBytes / seconds,
    bandwidthBufferBytes,
    ops,
  };
}

function isInstalled(kind: string, options: LocateOptions): boolean {
  try {
    locateLibraries({ ...options, libDir: '', device: kind });
    return true;
  } catch {
    return false;
  }
}

const [question, options = '{}'] = process.argv.slice(2);
let message: { answer: unknown } | { error: ReturnType<typeof toErrorRecord> };
try {
  const given = JSON.parse(options) as LocateOptions;
  message = { answer: question === 'devices' ? listDevices(loadNative(given)) : report(given) };
} catch (error) {
  message = { error: toErrorRecord(error) };
}
process.send?.(message, () => process.exit(0));
