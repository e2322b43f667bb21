// Finds the folder of shared libraries to load and checks that every library in it is one this release was tested
// with. Order: FREEHOLD_LIB_DIR, CUDA, Vulkan, CPU. Loads nothing itself.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { z } from 'zod';
import { FreeholdError } from '../lib/errors.ts';
import { pinnedLibraries, pinnedVersion } from './pinned-libraries.ts';

export type DeviceKind = 'cpu' | 'cuda' | 'vulkan' | 'metal';

export interface LocateOptions {
  /** auto, cpu, cuda, vulkan, metal. Default auto: the best that is installed and has its device. */
  device?: string;
  /** Folder of libraries to use in place of the packaged ones; must hold tested files. */
  libDir?: string;
  /** FREEHOLD_HOME, where GPU packages fetched on demand live. */
  home?: string;
}

export interface NativeLibraries {
  kind: DeviceKind;
  dir: string;
  /** Base first, then ggml, then llama: the order to load them in. */
  base: string;
  ggml: string;
  llama: string;
}

const extension = process.platform === 'win32' ? 'dll' : process.platform === 'darwin' ? 'dylib' : 'so';
const prefix = process.platform === 'win32' ? '' : 'lib';
const platformName = `${process.platform === 'darwin' ? 'mac' : process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** The npm package that holds the libraries of a device kind on this platform; undefined where none is published. */
export function packageOf(kind: DeviceKind): string | undefined {
  if (kind === 'cpu') return `@node-llama-cpp/${platformName}`;
  if (kind === 'metal')
    return process.platform === 'darwin' && process.arch === 'arm64'
      ? `@node-llama-cpp/${platformName}-metal`
      : undefined;
  if (process.platform === 'darwin') return undefined;
  return process.arch === 'x64' ? `@node-llama-cpp/${platformName}-${kind}` : undefined;
}

/** Device kinds whose hardware and driver this machine shows, best first; `cpu` is always last. */
export function devicesSeen(): DeviceKind[] {
  const seen: DeviceKind[] = [];
  if (process.platform === 'darwin' && process.arch === 'arm64') seen.push('metal');
  if (process.platform === 'linux') {
    if (existsSync('/dev/nvidiactl') || existsSync('/proc/driver/nvidia/version') || existsSync('/dev/dxg'))
      seen.push('cuda');
    const renderNode = existsSync('/dev/dri') && readdirSync('/dev/dri').some((name) => name.startsWith('renderD'));
    if ((renderNode || seen.includes('cuda')) && hasVulkanLoader()) seen.push('vulkan');
  }
  seen.push('cpu');
  return seen;
}

function hasVulkanLoader(): boolean {
  return [
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib',
    '/lib/x86_64-linux-gnu',
  ].some((dir) => existsSync(path.join(dir, 'libvulkan.so.1')));
}

/**
 * Picks the folder of libraries for a device.
 * @throws FreeholdError native_library_missing (nothing installed for it), config_invalid (unknown device)
 */
export function locateLibraries(options: LocateOptions = {}): NativeLibraries {
  const device = options.device || 'auto';
  if (!['auto', 'cpu', 'cuda', 'vulkan', 'metal'].includes(device)) {
    throw new FreeholdError('config_invalid', `The device is "${device}"; expected auto, cpu, cuda, vulkan or metal.`, {
      field: 'device',
    });
  }
  if (options.libDir) {
    const found = librariesIn(path.resolve(options.libDir));
    if (!found) {
      throw new FreeholdError(
        'native_library_missing',
        `No ggml and llama libraries are in ${path.resolve(options.libDir)}.`,
        {
          hint: `The folder FREEHOLD_LIB_DIR names must hold ${prefix}ggml-base, ${prefix}ggml and ${prefix}llama (.${extension}).`,
        },
      );
    }
    return found;
  }
  const wanted = device === 'auto' ? devicesSeen() : [device as DeviceKind];
  for (const kind of wanted) {
    for (const dir of packageFolders(kind, options.home)) {
      const found = librariesIn(dir);
      if (found) return { ...found, kind };
    }
  }
  const name = packageOf(wanted[0] as DeviceKind);
  throw new FreeholdError(
    'native_library_missing',
    `The native libraries for ${wanted.join(' or ')} are not installed.`,
    {
      hint: !name
        ? `There is no ${device} build for ${platformName}; use --device cpu, or FREEHOLD_LIB_DIR with a build of your own.`
        : device === 'auto' || device === 'cpu'
          ? `Run \`npm install\` again without --omit=optional, or set FREEHOLD_LIB_DIR. The package is ${name} ${pinnedVersion}.`
          : 'Run `freehold doctor --fix` to fetch them, or use --device cpu.',
    },
  );
}

/** Where the package of a device kind may be installed: beside Freehold, or fetched on demand into the home folder. */
function packageFolders(kind: DeviceKind, home: string | undefined): string[] {
  const name = packageOf(kind);
  if (!name) return [];
  const roots: string[] = [];
  if (home) roots.push(path.join(home, 'native', 'node_modules', name));
  // not require.resolve: the package exports no file of its own
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) roots.push(path.join(folder, name));
  return roots.flatMap((root) => {
    const bins = path.join(root, 'bins');
    return existsSync(bins) ? readdirSync(bins).map((dir) => path.join(bins, dir)) : [];
  });
}

function librariesIn(dir: string): NativeLibraries | undefined {
  if (!existsSync(dir)) return undefined;
  const names = readdirSync(dir);
  const find = (stem: string) =>
    names.find((name) =>
      new RegExp(`^${prefix}${stem}(\\.(cuda|vulkan|metal))?(\\.v[\\d.]+)?\\.${extension}$`).test(name),
    );
  const base = find('ggml-base');
  const ggml = find('ggml');
  const llama = find('llama');
  if (!base || !ggml || !llama) return undefined;
  const kind: DeviceKind = names.includes(`${prefix}ggml-cuda.${extension}`)
    ? 'cuda'
    : names.includes(`${prefix}ggml-vulkan.${extension}`)
      ? 'vulkan'
      : names.includes(`${prefix}ggml-metal.${extension}`)
        ? 'metal'
        : 'cpu';
  return { kind, dir, base: path.join(dir, base), ggml: path.join(dir, ggml), llama: path.join(dir, llama) };
}

const trustFile = (home: string) => path.join(home, 'trusted-libraries.json');
const loadable = new RegExp(`^${prefix}(ggml|llama).*\\.${extension}$`);

function hashLibraries(dir: string): Map<string, string> {
  const names = readdirSync(dir).filter((name) => loadable.test(name));
  return new Map(
    names.map((name) => [
      name,
      createHash('sha256')
        .update(readFileSync(path.join(dir, name)))
        .digest('hex'),
    ]),
  );
}

/**
 * Compares every library of the folder that could be loaded with the pinned table, and with the builds the owner of
 * this machine trusted by `freehold doctor --trust DIR`.
 * @throws FreeholdError native_library_untrusted, naming the file
 */
export function verifyLibraries(dir: string, home?: string): void {
  const trusted = home ? readTrusted(home) : {};
  for (const [name, hash] of hashLibraries(dir)) {
    const expected = pinnedLibraries[name];
    if (expected?.includes(hash) || trusted[name]?.includes(hash)) continue;
    throw new FreeholdError(
      'native_library_untrusted',
      expected
        ? `The library ${name} in ${dir} was changed: its SHA-256 is ${hash}, which is not the one of version ${pinnedVersion}.`
        : `The library ${name} in ${dir} is not one this release was tested with.`,
      {
        hint: `Install version ${pinnedVersion} of the @node-llama-cpp packages again (\`rm -rf node_modules && npm install\`). If this is a build of your own with the same interface, \`freehold doctor --trust ${dir}\` accepts it.`,
      },
    );
  }
}

/**
 * Accepts the libraries of a folder as they are now, on this machine only.
 * @returns names of the libraries accepted
 * @throws FreeholdError native_library_missing
 */
export function trustLibraries(dir: string, home: string): string[] {
  locateLibraries({ libDir: dir });
  const trusted = readTrusted(home);
  const hashes = hashLibraries(path.resolve(dir));
  for (const [name, hash] of hashes) trusted[name] = [...new Set([...(trusted[name] ?? []), hash])];
  mkdirSync(home, { recursive: true, mode: 0o700 });
  writeFileSync(trustFile(home), `${JSON.stringify(trusted, null, 2)}\n`, { mode: 0o600 });
  return [...hashes.keys()];
}

function readTrusted(home: string): Record<string, string[]> {
  if (!existsSync(trustFile(home))) return {};
  try {
    return z.record(z.string(), z.array(z.string())).parse(JSON.parse(readFileSync(trustFile(home), 'utf8')));
  } catch (cause) {
    throw new FreeholdError('config_invalid', `${trustFile(home)} is damaged.`, {
      cause,
      hint: 'Delete it and run `freehold doctor --trust DIR` again.',
    });
  }
}
