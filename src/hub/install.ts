// The steps every pull shares once it is known what to fetch: one at a time, download, check, put in place, list.
// A model is either not there or there whole: parts gather under other names, and nothing is listed before it is right.
import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { checkParts, readGguf } from '../formats/gguf/read.ts';
import type { Config } from '../lib/config.ts';
import { asFreeholdError, FreeholdError } from '../lib/errors.ts';
import { describeFile } from './describe.ts';
import { makeFolder, moveDurably, requireDiskSpace } from './disk.ts';
import { discardPart, download, forgetPart, partialBytes, partPath, sha256Of } from './download.ts';
import { checkFileFit, doesNotFit } from './fit.ts';
import { headersFor, type Patience } from './http.ts';
import { takeLock } from './lock.ts';
import { filesOf, lockPath, type Manifest, readManifests, writeManifest } from './manifest.ts';
import { findUsableModel } from './models.ts';
import { fileStemOf, toModelName } from './names.ts';
import type { ProgressMeter } from './progress.ts';
import { partName } from './split.ts';
import type { AvailableMemory, LocalModel, PullProgress } from './types.ts';

export interface PullOptions {
  config: Config;
  /** Aborting stops the pull; what came so far stays and is gone on with next time. */
  signal?: AbortSignal;
  /** Pull even where the model seems not to fit into memory. Default `config.force`. */
  force?: boolean;
  onProgress?: (progress: PullProgress) => void;
  /** What the model may take; default the host's memory. Give the device's where it will run on a graphics card. */
  memory?: AvailableMemory;
  /** For tests: limits of patience with the network, and the free space of a folder's disk. */
  patience?: Partial<Patience>;
  freeDiskBytes?: (folder: string) => Promise<number | undefined>;
}

/** One file to fetch. */
export interface Wanted {
  url: URL;
  sizeBytes?: number;
  sha256?: string;
}

/** What every step of one pull shares. */
export interface Pull {
  config: Config;
  folder: string;
  signal: AbortSignal;
  force: boolean;
  patience: Patience;
  meter: ProgressMeter;
  options: PullOptions;
}

export interface Fetch {
  name: string;
  source: string;
  quantisation?: string;
  files: Wanted[];
  totalBytes?: number;
}

export const memoryOf = (pull: Pull) => (pull.options.memory ? { memory: pull.options.memory } : {});

/** Files of a model of this name, in its final place. */
export function placesFor(name: string, count: number, folder: string): string[] {
  const stem = path.join(folder, fileStemOf(name));
  if (count === 1) return [`${stem}.gguf`];
  return Array.from({ length: count }, (_, index) => partName(stem, index + 1, count));
}

/**
 * Runs one step while no other process pulls the same model. Where another has just finished it, its work is returned
 * in place of doing it again.
 */
export async function locked(name: string, pull: Pull, step: () => Promise<LocalModel>): Promise<LocalModel> {
  await makeFolder(pull.folder);
  const release = await takeLock(lockPath(pull.folder, name), {
    signal: pull.signal,
    onWait: () => {
      pull.meter.source = `another freehold that pulls ${name}`;
      pull.meter.start('download', 0);
    },
  });
  try {
    const here = await findUsableModel(name, pull.config);
    return here?.origin === 'freehold' && here.name === name ? here : await step();
  } finally {
    await release();
  }
}

export function fetchModel(wanted: Fetch, pull: Pull): Promise<LocalModel> {
  const { config, folder, signal, meter, patience, options } = pull;
  const source = meter.source;
  return locked(wanted.name, pull, async () => {
    meter.source = source;
    const places = placesFor(wanted.name, wanted.files.length, folder);
    const finished = await finishedBefore(wanted, places, folder);
    const done: number[] = [];
    /** Of each file, as far as known; where the whole is not known from the start, what is known must fit. */
    const sizes: number[] = [];
    let total = wanted.totalBytes;
    for (const place of places) done.push(finished.get(place)?.sizeBytes ?? (await partialBytes(place)));
    const received = () => sum(done);
    if (total !== undefined) {
      await requireDiskSpace(folder, total - received(), wanted.name, options.freeDiskBytes);
    }
    meter.start('download', received(), total);
    for (const [index, file] of wanted.files.entries()) {
      const place = places[index] ?? '';
      if (finished.has(place)) continue;
      await download({
        ...file,
        headers: headersFor(file.url, config),
        file: place,
        what: wanted.files.length > 1 ? `${wanted.name} (part ${index + 1})` : wanted.name,
        patience,
        signal,
        onBytes: (bytes, size) => {
          done[index] = bytes;
          if (wanted.files.length === 1) total ??= size;
          meter.update(received(), total);
        },
        beforeWrite: async (remaining, size) => {
          sizes[index] = size;
          if (wanted.totalBytes === undefined) requireRoom(wanted.name, sum(sizes), pull);
          await requireDiskSpace(folder, remaining, wanted.name, options.freeDiskBytes);
        },
      });
    }
    const arrived = wanted.files.map(({ sha256 }, index): Arrived => {
      const place = places[index] ?? '';
      const before = finished.get(place);
      if (before) return { place, at: place, sha256: before.sha256 };
      return { place, at: partPath(place), ...(sha256 ? { sha256 } : {}) };
    });
    return await accept(wanted, arrived, pull);
  });
}

/** Refuses weights that are larger than the memory. @throws FreeholdError does_not_fit */
export function requireRoom(name: string, weightsBytes: number, pull: Pull): void {
  if (pull.force) return;
  const fit = checkFileFit(weightsBytes, pull.options.memory);
  if (!fit.fits) throw doesNotFit(name, fit, { contextTokens: 0, sequences: 1 });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

/** Files that an earlier pull of the same source put in place before it was killed between two of them. */
async function finishedBefore(
  wanted: Fetch,
  places: readonly string[],
  folder: string,
): Promise<Map<string, { sizeBytes: number; sha256: string }>> {
  const { manifests } = await readManifests(folder);
  const earlier = manifests.find(({ name, source }) => name === wanted.name && source === wanted.source);
  const finished = new Map<string, { sizeBytes: number; sha256: string }>();
  for (const [index, place] of places.entries()) {
    const file = wanted.files[index];
    const noted = earlier?.files[index] === path.basename(place) ? earlier.sha256?.[index] : undefined;
    const sizeBytes = (await stat(place).catch(() => undefined))?.size;
    if (!noted || sizeBytes === undefined || sizeBytes !== (file?.sizeBytes ?? sizeBytes)) continue;
    if (noted === (file?.sha256?.toLowerCase() ?? noted)) finished.set(place, { sizeBytes, sha256: noted });
  }
  return finished;
}

/** A file that is here whole. */
export interface Arrived {
  /** Where it belongs. */
  place: string;
  /** Where it is now: in its part, or in its place already. */
  at: string;
  /** Hex; what it must have. */
  sha256?: string;
}

/** Checks complete files and puts them in place: nothing is listed before everything about it is right. */
export async function accept(
  wanted: Omit<Fetch, 'files'>,
  arrived: readonly Arrived[],
  pull: Pull,
): Promise<LocalModel> {
  const { meter, signal, folder } = pull;
  const sizes = await Promise.all(arrived.map(async ({ at }) => (await stat(at)).size));
  const total = sum(sizes);
  meter.start('verify', 0, total);
  const found: string[] = [];
  let before = 0;
  for (const [index, file] of arrived.entries()) {
    found.push(await checkFile(file, wanted.name, signal, (bytes) => meter.update(before + bytes, total)));
    before += sizes[index] ?? 0;
  }
  await checkTogether(arrived, wanted.name);
  const manifest: Manifest = {
    version: 1,
    name: wanted.name,
    origin: 'freehold',
    files: arrived.map(({ place }) => path.basename(place)),
    sha256: found,
    source: wanted.source,
    addedAt: new Date().toISOString(),
  };
  if (wanted.quantisation) manifest.quantisation = wanted.quantisation;
  // the manifest comes first: a manifest without a file is not listed, a file without one would be a stranger's
  await writeManifest(folder, manifest);
  for (const { place, at } of arrived) {
    if (at !== place) await moveDurably(at, place);
    await forgetPart(place);
  }
  return await listed(manifest, pull);
}

/**
 * Compares the checksum, then reads the header. A file that can never become right is deleted; one that is what its
 * source states is kept, whatever is wrong with it or with us.
 * @returns SHA-256, hex
 * @throws FreeholdError checksum_mismatch, gguf_invalid, file_io
 */
async function checkFile(
  { place, at, sha256 }: Arrived,
  name: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const found = await sha256Of(at, signal, onBytes);
  if (sha256 && found !== sha256.toLowerCase()) {
    await discard({ place, at });
    throw new FreeholdError(
      'checksum_mismatch',
      `${name} arrived with the SHA-256 ${found}, and its source states ${sha256}. It was deleted.`,
      { hint: 'Pull again; if it happens again, something between here and the hub alters files.' },
    );
  }
  try {
    await readGguf(at, { maxArrayLength: 64 });
  } catch (thrown) {
    throw await notAccepted(thrown, [{ place, at, ...(sha256 ? { sha256 } : {}) }], name);
  }
  return found;
}

/** Each file was right by itself; this checks that they are one model: a part without its others cannot be loaded. */
async function checkTogether(arrived: readonly Arrived[], name: string): Promise<void> {
  try {
    await checkParts(arrived.map(({ at }) => at));
  } catch (thrown) {
    throw await notAccepted(thrown, arrived, name);
  }
}

/** Deletes files that can never become right, keeps those that are what their source states; makes the error that says so. */
async function notAccepted(thrown: unknown, files: readonly Arrived[], name: string): Promise<FreeholdError> {
  const error = asFreeholdError(thrown);
  const stated = files.every(({ sha256 }) => sha256 !== undefined);
  if (error.code === 'gguf_invalid' && !stated) {
    for (const file of files) await discard(file);
    return error;
  }
  return new FreeholdError(
    error.code,
    `${error.message} The download is complete${stated ? ' and its checksum is right' : ''}; it is kept in ${files.map(({ at }) => at).join(', ')}.`,
    {
      cause: error,
      hint: `To check it again without fetching it again, pull again (with a newer Freehold, perhaps). To delete it: freehold rm ${name}`,
    },
  );
}

async function discard({ place, at }: Arrived): Promise<void> {
  await discardPart(place);
  await rm(at, { force: true });
}

/** The model of a manifest that was just written. */
export async function listed(manifest: Manifest, pull: Pull): Promise<LocalModel> {
  const file = filesOf(pull.folder, manifest)[0] ?? '';
  const found = await findUsableModel(manifest.name, pull.config);
  if (found) return found;
  // says what is wrong with the file
  await describeFile(file);
  throw new FreeholdError('file_io', `${file} was put in place and is not there any more.`);
}

export async function bySource(source: string, pull: Pull): Promise<LocalModel | undefined> {
  const found = (await readManifests(pull.folder)).manifests.find((each) => each.source === source);
  return found ? await findUsableModel(found.name, pull.config) : undefined;
}

/** A free name for a model from elsewhere; the owner goes in front where another model has the plain one. */
export async function nameFor(plain: string, owner: string, source: string, pull: Pull): Promise<string> {
  const { manifests } = await readManifests(pull.folder);
  const free = (name: string) => !manifests.some((each) => each.name === name && each.source !== source);
  if (free(plain)) return plain;
  const long = `${toModelName(owner.split('/')[0] ?? owner)}-${plain}`;
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? long : long.replace(/(?=:|$)/, `-${count}`);
    if (free(name)) return name;
  }
}
