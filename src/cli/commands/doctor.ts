// `freehold doctor`: what this machine offers and what is wrong with it. Devices and their figures come from
// native/doctor.ts, Freehold's own circumstances from host-report.ts. Shows both; --fix fetches what is missing, and
// --trust accepts libraries that the owner of this machine built.
import path from 'node:path';
import type { Command } from 'commander';
import type { ErrorRecord } from '../../lib/errors.ts';
import type { DeviceReport, DoctorReport } from '../../native/doctor.ts';
import { type CommonOptions, finish } from '../command.ts';
import type { HostReport } from '../host-report.ts';
import { fields, mark, type Output, type Style } from '../output.ts';
import { displayWidth, oneLine } from '../text.ts';

/** Something that is wrong, and what to do about it. */
export interface Problem {
  problem: string;
  remedy: string;
}

export function addDoctor(program: Command): void {
  finish<CommonOptions & { fix?: boolean; trust?: string }>(
    program
      .command('doctor')
      .summary('show devices, memory, libraries and what is wrong')
      .description(
        'Looks at this machine: devices, memory, native libraries, measured speed, which operations run where. Takes a few seconds. Exits with 1 when models cannot run.',
      )
      .option('--fix', 'Fetch the native package of a device that has none yet.')
      .option(
        '--trust <folder>',
        'Accept the libraries of this folder, as they are now, for FREEHOLD_LIB_DIR; do no more.',
      ),
    ['device', 'libDir', 'port', 'host'],
    async ({ options, output, config }) => {
      const resolved = await config();
      const { home, device, libDir } = resolved.values;
      if (options.trust !== undefined) return trust(options.trust, home, output);
      if (options.fix) await fix(home, output);
      const [{ inspectHost, hostFields }, { inspect }, { toErrorRecord }] = await Promise.all([
        import('../host-report.ts'),
        import('../../native/doctor.ts'),
        import('../../lib/errors.ts'),
      ]);
      const clear = showMeasuring(output);
      const [host, native] = await Promise.all([
        inspectHost(resolved),
        inspect({ device, libDir, home }).then(
          (report) => ({ report }),
          (error: unknown) => ({ error: toErrorRecord(error) }),
        ),
      ]);
      clear();
      const problems = findProblems(host, native);
      output.data({ host, native: 'report' in native ? native.report : null, problems });
      const { style } = output;
      output.line(style.accent(`Freehold ${host.freehold}`));
      for (const line of fields(hostFields(host), style)) output.line(line);
      if ('report' in native) for (const line of nativeLines(native.report, style, output.columns)) output.line(line);
      output.line();
      for (const line of problemLines(problems, style)) output.line(line);
      return 'error' in native ? 1 : 0;
    },
  );
}

/** What a person should know of, the worst first. */
export function findProblems(host: HostReport, native: { report: DoctorReport } | { error: ErrorRecord }): Problem[] {
  const problems: Problem[] = [];
  const add = (problem: string, remedy: string) => problems.push({ problem, remedy });
  if ('error' in native) add(native.error.message, native.error.hint ?? 'Run it again with --verbose.');
  else {
    for (const { kind, name } of native.report.missingPackages) {
      add(`There is a ${kind} device, but its package ${name} is not here.`, 'Fetch it: freehold doctor --fix');
    }
  }
  if (!host.homeWritable) add(`${host.home} cannot be written.`, 'Change its owner, or set another FREEHOLD_HOME.');
  if (host.diskFreeBytes < 2e9) {
    add('Less than 2 GB of disk is free for models.', 'Remove a model (freehold rm), or set another FREEHOLD_HOME.');
  }
  for (const { file, reason } of host.modelProblems)
    add(`${file} is left out: ${reason}`, 'Pull it again, or delete it.');
  if (!host.defaultModelHere) {
    add(
      `The default model ${host.defaultModel} is not here.`,
      `freehold up fetches it, or: freehold pull ${host.defaultModel}`,
    );
  }
  return problems;
}

function problemLines(problems: readonly Problem[], style: Style): string[] {
  if (problems.length === 0) return [`${style.accent('✓')} Nothing is wrong.`];
  return problems.flatMap(({ problem, remedy }) => [`${style.red('!')} ${oneLine(problem)}`, `  ${oneLine(remedy)}`]);
}

/** Libraries, devices and operations as lines. */
export function nativeLines(report: DoctorReport, style: Style, columns: number): string[] {
  return [
    '',
    style.accent('Libraries'),
    ...fields(
      [
        ['Package', `${report.packageVersion} for ${report.libraryKind}, every file as it was tested`],
        ['Versions', `ggml ${oneLine(report.ggmlVersion)}, llama ${oneLine(report.llamaVersion)}`],
        ['Folder', report.libraryDir],
      ],
      style,
    ),
    ...report.devices.flatMap((device) => deviceLines(device, style)),
    '',
    `${style.accent('Operations')} ${style.dim(`on ${report.devices.map((device) => oneLine(device.name)).join(', ')}`)}`,
    ...operationLines(report.devices, style, Math.min(columns, 120)),
  ];
}

function deviceLines(device: DeviceReport, style: Style): string[] {
  const rates = Object.entries(device.gemmGflops).map(([type, gflops]) => `${type} ${rate(gflops)}`);
  const pairs: [string, string][] = [
    ['Memory', `${gigabytes(device.freeBytes)} free of ${gigabytes(device.totalBytes)}`],
  ];
  if (device.threads !== undefined) {
    pairs.push(['Built for', `${device.cpuVariant ?? 'any processor'}, ${device.threads} threads`]);
  }
  pairs.push(['GEMM', `${rates.join(' · ')} GFLOPS`], ['Reads', `${gigabytes(device.readBytesPerSecond)}/s`]);
  return [
    '',
    `${style.accent(oneLine(device.name))} ${style.dim(oneLine(device.description))}`,
    ...fields(pairs, style),
  ];
}

/** Every operation with a mark for each device, in as many columns as fit; grouped by what needs it. */
export function operationLines(devices: readonly DeviceReport[], style: Style, columns: number): string[] {
  const ops = devices[0]?.ops ?? [];
  const uses = [...new Set(ops.map(({ use }) => use))];
  const cells = ops.map(({ op, use }) => {
    const marks = devices.map((device) => mark(device.ops.find((each) => each.op === op)?.supported ?? false)).join('');
    return { use, text: `${marks} ${op}` };
  });
  const width = Math.max(0, ...cells.map(({ text }) => displayWidth(text))) + 2;
  const across = Math.max(1, Math.floor((columns - 2) / width));
  return uses.flatMap((use) => {
    const own = cells.filter((cell) => cell.use === use);
    const down = Math.ceil(own.length / across);
    const lines = Array.from({ length: down }, (_, row) =>
      Array.from({ length: across }, (_, column) => own[column * down + row]?.text ?? '')
        .map((text) => text + ' '.repeat(width - displayWidth(text)))
        .join('')
        .trimEnd(),
    );
    return [`  ${style.dim(`for ${use}`)}`, ...lines.map((line) => `  ${line}`)];
  });
}

function rate(gflops: number): string {
  return gflops >= 1000 ? `${(gflops / 1000).toFixed(1)} k` : gflops.toFixed(0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Records the libraries of a folder as trusted on this machine. */
async function trust(folder: string, home: string, output: Output): Promise<void> {
  const { trustLibraries } = await import('../../native/locate.ts');
  const dir = path.resolve(folder);
  const libraries = trustLibraries(dir, home);
  output.data({ folder: dir, trusted: libraries });
  output.line(`Trusted on this machine, as they are now, in ${oneLine(dir)}:`);
  for (const name of libraries) output.line(`  ${oneLine(name)}`);
  output.prose('Set FREEHOLD_LIB_DIR to this folder to use them. A library that changes must be trusted again.');
}

async function fix(home: string, output: Output): Promise<void> {
  const { fetchGpuPackage, missingGpuPackage } = await import('../../native/gpu-packages.ts');
  const missing = missingGpuPackage(home);
  if (!missing) {
    output.note('There is nothing to fetch.');
    return;
  }
  output.note(`Fetching ${missing.name} through npm; it is large …`);
  await fetchGpuPackage(missing.kind, home, (line) => output.note(output.errorStyle.dim(`  ${oneLine(line)}`)));
}

function showMeasuring(output: Output): () => void {
  if (!process.stderr.isTTY || output.json) return () => {};
  process.stderr.write(output.errorStyle.dim('Looking and measuring …'));
  return () => process.stderr.write('\r\u001b[K');
}
