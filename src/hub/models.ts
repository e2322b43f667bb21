// The models on this machine: those Freehold pulled, files registered in place, the ones this package ships, and what
// Ollama and LM Studio keep. A file that is bad or gone is left out and told in `problems`; it never breaks the list.
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Config } from '../lib/config.ts';
import { asFreeholdError, type ErrorCode, FreeholdError } from '../lib/errors.ts';
import { findInCatalogue } from './catalogue.ts';
import { describeFile } from './describe.ts';
import { diskError } from './disk.ts';
import { tryLock } from './lock.ts';
import { deleteManifest, filesOf, lockPath, type Manifest, modelsFolder, readManifests } from './manifest.ts';
import { fileStemOf, nameOfFile, withoutTag } from './names.ts';
import { findLmStudioModels, findOllamaModels, lmStudioFolders, ollamaFolders } from './other-programs.ts';
import { splitOf } from './split.ts';
import type { LocalModel, ModelProblem } from './types.ts';

type HomeConfig = Pick<Config, 'home' | 'defaultModel'>;

interface Candidate {
  name: string;
  qualifiedName: string;
  file: string;
  origin: LocalModel['origin'];
  manifest?: Manifest;
}

/** `models/` of this package: two folders up from both `src/hub` and `dist/hub`. */
export const bundledFolder = path.resolve(import.meta.dirname, '../../models');

/** Every model that can be loaded now. Names are unique; the order is stable: by origin, then by name. */
export async function listLocalModels(config: HomeConfig): Promise<LocalModel[]> {
  return (await surveyLocalModels(config)).models;
}

/** The same with what was left out and why. */
export async function surveyLocalModels(
  config: HomeConfig,
): Promise<{ models: LocalModel[]; problems: ModelProblem[] }> {
  const { candidates, problems } = await findCandidates(config);
  const models: LocalModel[] = [];
  for (const candidate of candidates) {
    try {
      models.push(await toLocalModel(candidate));
    } catch (error) {
      problems.push({ file: candidate.file, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return { models, problems };
}

async function findCandidates(config: HomeConfig): Promise<{ candidates: Candidate[]; problems: ModelProblem[] }> {
  const folder = modelsFolder(config);
  const { manifests, strays, problems } = await readManifests(folder);
  const all: Candidate[] = [];
  const add = (origin: Candidate['origin'], name: string, file: string, manifest?: Manifest) =>
    all.push({ name, qualifiedName: `${origin}/${name}`, file, origin, ...(manifest ? { manifest } : {}) });
  for (const origin of ['freehold', 'file'] as const) {
    for (const manifest of manifests) {
      const file = filesOf(folder, manifest)[0];
      if (manifest.origin === origin && file) add(origin, manifest.name, file, manifest);
    }
  }
  for (const file of strays) if ((splitOf(file)?.part ?? 1) === 1) add('file', nameOfFile(file), file);
  for (const file of await bundledFiles()) add('bundled', nameOfFile(file), file);
  for (const at of new Set(ollamaFolders())) {
    const found = await findOllamaModels(at);
    all.push(...found.models.map((model) => ({ ...model, origin: 'ollama' as const })));
    problems.push(...found.problems);
  }
  for (const at of lmStudioFolders()) {
    const found = await findLmStudioModels(at);
    all.push(...found.models.map((model) => ({ ...model, origin: 'lm-studio' as const })));
    problems.push(...found.problems);
  }
  return { candidates: nameUniquely(all), problems };
}

/** First come, first named; then the qualified name; then a number. The order of `all` is fixed, so names are stable. */
export function nameUniquely<Named extends { name: string; qualifiedName: string }>(all: readonly Named[]): Named[] {
  const taken = new Set<string>();
  /** The last number given to each qualified name: looking from 2 again each time would take the square of their count. */
  const numbers = new Map<string, number>();
  return all.map((candidate) => {
    const { qualifiedName } = candidate;
    let name = [candidate.name, qualifiedName].find((each) => !taken.has(each));
    for (let number = (numbers.get(qualifiedName) ?? 1) + 1; name === undefined; number++) {
      numbers.set(qualifiedName, number);
      if (!taken.has(`${qualifiedName}-${number}`)) name = `${qualifiedName}-${number}`;
    }
    taken.add(name);
    return { ...candidate, name };
  });
}

async function bundledFiles(): Promise<string[]> {
  const names = await readdir(bundledFolder).catch(() => [] as string[]);
  return names
    .filter((name) => /\.gguf$/i.test(name) && (splitOf(name)?.part ?? 1) === 1)
    .sort()
    .map((name) => path.join(bundledFolder, name));
}

async function toLocalModel(candidate: Candidate): Promise<LocalModel> {
  const { name, file, origin, manifest } = candidate;
  const model: LocalModel = { name, file, origin, ...(await describeFile(file)) };
  if (manifest?.quantisation) model.quantisation = manifest.quantisation;
  if (manifest) model.addedAt = manifest.addedAt;
  // what a catalogue model is for is known better than its header tells
  const entry = origin === 'freehold' ? findInCatalogue(name) : undefined;
  if (entry && manifest?.name === name) model.kind = entry.kind;
  return model;
}

/**
 * The model of that name. Besides exact names: names of the catalogue and their aliases, a name without its
 * quantisation, a name with the quantisation it has, in any letter case; and `config.defaultModel` or, with
 * `paths`, any name may be the path of a GGUF file. Paths are off by default, so that names which come over the
 * network cannot open files.
 * @throws FreeholdError gguf_invalid, file_io, file_not_found (a part) where a model of that name is here and damaged
 */
export async function findLocalModel(
  name: string,
  config: HomeConfig,
  options: { paths?: boolean } = {},
): Promise<LocalModel | undefined> {
  const isPath = path.isAbsolute(name) || /[\\/].*\.gguf$/i.test(name);
  if (isPath && !options.paths && name !== config.defaultModel) return undefined;
  const { candidates } = await findCandidates(config);
  if (isPath) {
    const file = path.resolve(name);
    const known = candidates.find((candidate) => candidate.file === file);
    return toLocalModel(known ?? { name: file, qualifiedName: file, file, origin: 'file' });
  }
  // only headers that may match are read: this runs for every request that names a model
  let damaged: FreeholdError | undefined;
  for (const candidate of matching(name.toLowerCase(), candidates)) {
    try {
      const model = await toLocalModel(candidate);
      if (nameFits(name, candidate) || tagIs(name, model.quantisation)) return model;
    } catch (error) {
      // a manifest whose file is gone lists nothing; anything else wrong with a file that was meant must be told
      if (nameFits(name, candidate) && existsSync(candidate.file)) damaged ??= damagedModel(candidate, error);
    }
  }
  if (damaged) throw damaged;
  return undefined;
}

/** The same, where a damaged model counts as none: for whoever would fetch it anew, remove it or only tells whether it is here. */
export async function findUsableModel(...given: Parameters<typeof findLocalModel>): Promise<LocalModel | undefined> {
  try {
    return await findLocalModel(...given);
  } catch (error) {
    if (error instanceof FreeholdError && damageCodes.includes(error.code)) return undefined;
    throw error;
  }
}

const damageCodes: readonly ErrorCode[] = ['gguf_invalid', 'file_io', 'file_not_found'];

function damagedModel({ name, origin }: Candidate, thrown: unknown): FreeholdError {
  const { code, message } = asFreeholdError(thrown);
  return new FreeholdError(code, `The model "${name}" is here but cannot be used: ${message}`, {
    hint:
      origin === 'freehold'
        ? `Fetch it again with: freehold pull ${name}`
        : 'Put an undamaged file in its place, or take this one away.',
    cause: thrown,
    field: 'model',
  });
}

/** Candidates that may be meant, best first. */
function matching(wanted: string, candidates: Candidate[]): Candidate[] {
  const entry = findInCatalogue(wanted);
  const isEntry = entry !== undefined && nameOfEntryFits(wanted, entry);
  const exact = candidates.filter((each) =>
    [each.name, each.qualifiedName].some((own) => own.toLowerCase() === wanted),
  );
  const same = candidates.filter((each) => isEntry && nameOfEntryFits(each.name.toLowerCase(), entry));
  const base = withoutTag(wanted);
  const latest = candidates.filter((each) => wanted === base && each.name === `${base}:latest`);
  const related = candidates.filter((each) => [base, entry?.name].includes(withoutTag(each.name).toLowerCase()));
  return [...new Set([...exact, ...same, ...latest, ...related])];
}

function nameOfEntryFits(wanted: string, entry: { name: string; aliases?: string[] }): boolean {
  return entry.name === wanted || (entry.aliases?.includes(wanted) ?? false);
}

/** Whether a candidate found by name is meant by it without looking at its quantisation. */
function nameFits(name: string, candidate: Candidate): boolean {
  const wanted = name.toLowerCase();
  if (candidate.name.toLowerCase() === wanted || candidate.qualifiedName.toLowerCase() === wanted) return true;
  const entry = findInCatalogue(wanted);
  const own = candidate.name.toLowerCase();
  if (entry && nameOfEntryFits(wanted, entry)) {
    if (nameOfEntryFits(own, entry) || withoutTag(own) === entry.name) return true;
  }
  return !wanted.includes(':');
}

function tagIs(name: string, quantisation: string | undefined): boolean {
  return quantisation !== undefined && name.split(':')[1]?.toLowerCase() === quantisation.toLowerCase();
}

/**
 * Deletes a model that Freehold pulled, forgets a file it registered in place (the file stays), or deletes what an
 * unfinished pull of that name left behind.
 * @throws FreeholdError model_not_found; in_use while it is being pulled; unsupported for models of other programs and of this package; file_io
 */
export async function removeLocalModel(name: string, config: HomeConfig): Promise<void> {
  const { candidates } = await findCandidates(config);
  const wanted = name.toLowerCase();
  const ours = candidates.find((candidate) => candidate.manifest && candidate.name === wanted);
  const model = ours ?? candidates.find((candidate) => candidate.name === wanted);
  const byAlias = model ?? (await aliased(name, config, candidates));
  const folder = modelsFolder(config);
  if (!byAlias) {
    // what an unfinished pull left behind takes room too
    if ((await findParts(folder, wanted)).length > 0) return whileNotPulled(folder, wanted, async () => {});
    throw new FreeholdError('model_not_found', `There is no model "${name}" here.`, {
      hint: 'See `freehold models` for what is here.',
    });
  }
  if (!byAlias.manifest) throw new FreeholdError('unsupported', ...refusal(byAlias));
  const { manifest } = byAlias;
  await whileNotPulled(folder, manifest.name, async () => {
    // files first: a manifest without files is harmless and can be removed again
    if (manifest.origin === 'freehold') for (const file of filesOf(folder, manifest)) await rm(file, { force: true });
    await deleteManifest(folder, manifest.name);
  });
}

/**
 * Removes something of a model while no process pulls it, and with it the leftovers of an unfinished pull.
 * @throws FreeholdError in_use, file_io
 */
async function whileNotPulled(folder: string, name: string, remove: () => Promise<void>): Promise<void> {
  const release = await tryLock(lockPath(folder, name));
  if (!release) {
    throw new FreeholdError('in_use', `${name} is being pulled right now, so nothing of it was removed.`, {
      hint: 'Wait for the end of the pull, or stop it, and try again.',
    });
  }
  try {
    await remove();
    for (const file of await findParts(folder, name)) await rm(file, { force: true });
  } catch (error) {
    throw diskError(error, path.join(folder, name), 'Removing');
  } finally {
    await release();
  }
}

/** What an unfinished pull of that name left behind. */
async function findParts(folder: string, name: string): Promise<string[]> {
  const stem = fileStemOf(name);
  const leftover = /^(-\d{5}-of-\d{5})?\.gguf\.(part|part\.json|unpacking)$/;
  const names = await readdir(folder).catch(() => [] as string[]);
  const ours = names.filter((each) => each.startsWith(stem) && leftover.test(each.slice(stem.length)));
  return ours.map((each) => path.join(folder, each));
}

async function aliased(name: string, config: HomeConfig, candidates: Candidate[]): Promise<Candidate | undefined> {
  const found = await findUsableModel(name, { home: config.home, defaultModel: '' });
  return candidates.find((candidate) => candidate.name === found?.name);
}

function refusal({ name, origin, file }: Candidate): [message: string, details: { hint: string }] {
  switch (origin) {
    case 'ollama':
      return [`${name} belongs to Ollama; Freehold only uses it.`, { hint: `Remove it there: ollama rm ${name}` }];
    case 'lm-studio':
      return [`${name} belongs to LM Studio; Freehold only uses it.`, { hint: 'Remove it in LM Studio.' }];
    case 'bundled':
      return [`${name} is part of the Freehold package.`, { hint: 'It goes when the package goes.' }];
    default:
      return [`${name} was not pulled by Freehold.`, { hint: `Delete the file yourself: ${file}` }];
  }
}
