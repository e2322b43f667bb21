// Fetches the native package of a graphics card through npm into FREEHOLD_HOME, on demand: an install without a card
// never downloads it. What is fetched is still checked against the pinned table before it is loaded.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FreeholdError } from '../lib/errors.ts';
import { type DeviceKind, devicesSeen, locateLibraries, packageOf, verifyLibraries } from './locate.ts';
import { pinnedVersion } from './pinned-libraries.ts';

/** The best device seen here whose package is missing; undefined when nothing is to be fetched. */
export function missingGpuPackage(home: string): { kind: DeviceKind; name: string } | undefined {
  const kind = devicesSeen()[0] as DeviceKind;
  const name = packageOf(kind);
  if (kind === 'cpu' || !name) return undefined;
  try {
    locateLibraries({ device: kind, home });
    return undefined;
  } catch {
    return { kind, name };
  }
}

/**
 * Installs the package of a device kind into `<home>/native`.
 * @param onLine what npm says, a line each
 * @throws FreeholdError download_failed, native_library_untrusted
 */
export async function fetchGpuPackage(
  kind: DeviceKind,
  home: string,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  const name = packageOf(kind);
  if (!name) throw new FreeholdError('unsupported', `There is no ${kind} build for this platform.`);
  const dir = path.join(home, 'native');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(dir, 'package.json'), '{ "private": true }\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = [
    'install',
    '--prefix',
    dir,
    '--no-save',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    // an offline machine should hear so at once, not after minutes of tries
    '--fetch-retries=1',
    `${name}@${pinnedVersion}`,
  ];
  await new Promise<void>((resolve, reject) => {
    // npm needs its own settings and HOME, but none of ours
    const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('FREEHOLD_')));
    const child = spawn(npm, args, { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const hear = (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n')) if (line.trim() !== '') onLine(line.trim());
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', (cause) =>
      reject(new FreeholdError('download_failed', 'npm could not be started.', { cause })),
    );
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else
        reject(
          new FreeholdError('download_failed', `npm could not install ${name} ${pinnedVersion} (status ${code}).`, {
            hint: 'Its lines above say why; it can be tried again.',
          }),
        );
    });
  });
  verifyLibraries(locateLibraries({ device: kind, home }).dir, home);
}
