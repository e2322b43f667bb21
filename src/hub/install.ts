// The steps every pull shares once it is known what to fetch: one at a time, download, check, put in place, list.
// A model is either not there or there whole: parts gather under other names, and nothing is listed before it is right.
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { readGguf } from '../formats/gguf/read.ts';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { describeFile } from './describe.ts';
import { makeFolder, moveDurably, requireDiskSpace } from './disk.ts';
import { discardPart, download, forgetPart, partialBytes, partPath, sha256Of, verifyPart } from './download.ts';
import { headersFor, type Patience } from './http.ts';
import { takeLock } from './lock.ts';
import { filesOf, type Manifest, readManifests, writeManifest } from './manifest.ts';
import { findLocalModel } from './models.ts';
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
  const release = await takeLock(path.join(pull.folder, `${fileStemOf(name)}.lock`), {
    signal: pull.signal,
    onWait: () => {
      pull.meter.source = `another freehold that pulls ${name}`;
      pull.meter.start('download', 0);
    },
  });
  try {
    const here = await findLocalModel(name, pull.config);
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
    const done: number[] = [];
    let total = wanted.totalBytes;
    for (const place of places) done.push(await partialBytes(place));
    const received = () => done.reduce((sum, bytes) => sum + bytes, 0);
    if (total !== undefined) {
      await requireDiskSpace(folder, total - received(), wanted.name, options.freeDiskBytes);
    }
    meter.start('download', received(), total);
    for (const [index, file] of wanted.files.entries()) {
      const place = places[index] ?? '';
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
        beforeWrite: (remaining) => requireDiskSpace(folder, remaining, wanted.name, options.freeDiskBytes),
      });
    }
    return await accept(
      wanted,
      places,
      wanted.files.map((file) => file.sha256),
      pull,
    );
  });
}

/** Checks complete parts and puts them in place: nothing is listed before everything about it is right. */
export async function accept(
  wanted: Omit<Fetch, 'files'>,
  places: string[],
  checksums: readonly (string | undefined)[],
  pull: Pull,
): Promise<LocalModel> {
  const { meter, signal, folder } = pull;
  const sizes = await Promise.all(places.map(async (place) => (await stat(partPath(place))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  meter.start('verify', 0, total);
  const found: string[] = [];
  let before = 0;
  for (const [index, place] of places.entries()) {
    const stated = checksums[index];
    const onBytes = (bytes: number) => meter.update(before + bytes, total);
    if (stated) await verifyPart(place, stated, wanted.name, signal, onBytes);
    found.push(stated ?? (await sha256Of(partPath(place), signal, onBytes)));
    before += sizes[index] ?? 0;
    await readGguf(partPath(place), { maxArrayLength: 64 }).catch(async (error: unknown) => {
      // a file that is not a model never becomes one by going on with it
      await discardPart(place);
      throw error;
    });
  }
  const manifest: Manifest = {
    version: 1,
    name: wanted.name,
    origin: 'freehold',
    files: places.map((place) => path.basename(place)),
    sha256: found,
    source: wanted.source,
    addedAt: new Date().toISOString(),
  };
  if (wanted.quantisation) manifest.quantisation = wanted.quantisation;
  // the manifest comes first: a manifest without a file is not listed, a file without one would be a stranger's
  await writeManifest(folder, manifest);
  for (const place of places) {
    await moveDurably(partPath(place), place);
    await forgetPart(place);
  }
  return await listed(manifest, pull);
}

/** The model of a manifest that was just written. */
export async function listed(manifest: Manifest, pull: Pull): Promise<LocalModel> {
  const file = filesOf(pull.folder, manifest)[0] ?? '';
  const found = await findLocalModel(manifest.name, pull.config);
  if (found) return found;
  // says what is wrong with the file
  await describeFile(file);
  throw new FreeholdError('file_io', `${file} was put in place and is not there any more.`);
}

export async function bySource(source: string, pull: Pull): Promise<LocalModel | undefined> {
  const found = (await readManifests(pull.folder)).manifests.find((each) => each.source === source);
  return found ? await findLocalModel(found.name, pull.config) : undefined;
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
