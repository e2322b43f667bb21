// The hub's list of a repository's files, and which of them a reference means. Speaks the Hugging Face API, which
// mirrors offer too; the list states size and SHA-256 of each large file.
import { z } from 'zod';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { get, headersFor, Interrupted, type Patience, readText } from './http.ts';
import { preferenceOf, splitFileName } from './quantisation.ts';
import { splitOf } from './split.ts';

export interface HubFile {
  /** Inside the repository. */
  path: string;
  sizeBytes: number;
  /** Hex; absent for small files. */
  sha256?: string;
}

/** A model as it lies in a repository: one file, or all parts in order. */
export interface HubModel {
  quantisation?: string;
  files: HubFile[];
}

const treeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.number().nonnegative().default(0),
    lfs: z.object({ oid: z.string(), size: z.number().nonnegative() }).nullish(),
  }),
);

/** Most pages of a list that are read; a page has up to a thousand files. */
const mostPages = 20;
/** Most bytes of a page; a thousand files take less than one megabyte. */
const mostPageBytes = 16e6;

/** @throws FreeholdError source_refused, model_not_found, download_failed; Unreachable is for `probe` */
export async function listRepository(
  repo: string,
  config: Pick<Config, 'hubEndpoint' | 'hubToken'>,
  patience: Patience,
  signal: AbortSignal,
): Promise<HubFile[]> {
  const files: HubFile[] = [];
  let next: URL | undefined = new URL(`${trimmed(config.hubEndpoint)}/api/models/${repo}/tree/main?recursive=true`);
  for (let page = 0; next && page < mostPages; page += 1) {
    const { text, headers }: Page = await getPatiently(next, repo, config, patience, signal);
    let parsed: z.infer<typeof treeSchema>;
    try {
      parsed = treeSchema.parse(JSON.parse(text));
    } catch (cause) {
      signal.throwIfAborted();
      throw new FreeholdError('download_failed', `${next.host} did not answer as a model hub for ${repo}.`, {
        cause,
        hint: 'Check FREEHOLD_HUB_ENDPOINT, and that no sign-in page stands between here and there.',
      });
    }
    for (const entry of parsed) {
      // half a character cannot be part of an address
      if (entry.type !== 'file' || /\p{Surrogate}/u.test(entry.path)) continue;
      const file: HubFile = { path: entry.path, sizeBytes: entry.lfs?.size ?? entry.size };
      if (entry.lfs && /^[0-9a-f]{64}$/i.test(entry.lfs.oid)) file.sha256 = entry.lfs.oid.toLowerCase();
      files.push(file);
    }
    const link: string | undefined = /<([^>]+)>;\s*rel="next"/.exec(headers.get('link') ?? '')?.[1];
    const following: URL | undefined = link ? new URL(link, next) : undefined;
    // the token must not follow a link to elsewhere
    next = following?.origin === next.origin ? following : undefined;
  }
  return files;
}

interface Page {
  text: string;
  headers: Headers;
}

/** A second and a third try where the hub is busy or the line breaks. */
async function getPatiently(
  url: URL,
  repo: string,
  config: Pick<Config, 'hubEndpoint' | 'hubToken'>,
  patience: Patience,
  signal: AbortSignal,
): Promise<Page> {
  for (let failures = 1; ; failures += 1) {
    try {
      const response = await get(url, headersFor(url, config), `the repository ${repo}`, patience, signal);
      return { text: await readText(response, url, mostPageBytes, patience, signal), headers: response.headers };
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (failures >= Math.min(3, patience.attempts)) {
        throw new FreeholdError('download_failed', `The list of ${repo} could not be read: ${error.message}.`, {
          cause: error,
          hint: 'Try again in a while.',
        });
      }
      await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs ?? patience.retryMs * failures));
      signal.throwIfAborted();
    }
  }
}

/** Address of a file's bytes. */
export function fileUrl(repo: string, path: string, hubEndpoint: string): URL {
  return new URL(`${trimmed(hubEndpoint)}/${repo}/resolve/main/${path.split('/').map(encodeURIComponent).join('/')}`);
}

function trimmed(endpoint: string): string {
  return endpoint.replace(/\/+$/, '');
}

/** The models in a list of files: GGUF only, parts put together, image parts (`mmproj`) and importance matrices left out. */
export function modelsIn(files: readonly HubFile[]): HubModel[] {
  const models = new Map<string, HubModel>();
  const byPath = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const file of byPath) {
    const name = file.path.split('/').pop() ?? '';
    if (!/\.gguf$/i.test(name) || /mmproj|imatrix/i.test(name)) continue;
    const split = splitOf(file.path);
    const key = split ? `${split.prefix}/${split.count}` : file.path;
    const model = models.get(key) ?? { files: [] };
    // some repositories name the quantisation by folder
    const quantisation = splitFileName(name).quantisation ?? splitFileName(`model-${folderOf(file.path)}`).quantisation;
    if (quantisation) model.quantisation = quantisation;
    model.files.push(file);
    models.set(key, model);
  }
  return [...models.values()].filter((model) => {
    const first = model.files[0];
    return first !== undefined && (splitOf(first.path)?.count ?? 1) === model.files.length;
  });
}

function folderOf(path: string): string {
  return path.split('/').at(-2) ?? '';
}

/**
 * The model a reference means: the file named; else the quantisation named; else the best of the usual ones.
 * @throws FreeholdError model_not_found naming what there is
 */
export function chooseModel(
  repo: string,
  files: readonly HubFile[],
  wanted: { file?: string; quantisation?: string },
): HubModel {
  const models = modelsIn(files);
  const named = models.find((model) => model.files.some((file) => file.path === wanted.file));
  if (named) return named;
  const quantisation = wanted.quantisation ?? (wanted.file ? splitFileName(wanted.file).quantisation : undefined);
  const matching = models.filter((model) => model.quantisation === quantisation);
  // a renamed file is found again by its quantisation where that leaves no doubt
  if (quantisation && matching[0] && (!wanted.file || matching.length === 1)) return smallest(matching);
  if (!wanted.file && !wanted.quantisation && models.length > 0) {
    const best = Math.min(...models.map((model) => preferenceOf(model.quantisation)));
    return smallest(models.filter((model) => preferenceOf(model.quantisation) === best));
  }
  const has = models.map((model) => `${model.quantisation ?? model.files[0]?.path} (${formatBytes(totalOf(model))})`);
  throw new FreeholdError(
    'model_not_found',
    `${repo} has no ${wanted.file ?? `quantisation ${wanted.quantisation}`}.`,
    {
      hint:
        has.length > 0
          ? `It has ${[...new Set(has)].join(', ')}.`
          : 'It has no GGUF files; look for a repository whose name ends in -GGUF.',
    },
  );
}

/** Bytes of all parts. */
export function totalOf(model: HubModel): number {
  return model.files.reduce((total, file) => total + file.sizeBytes, 0);
}

function smallest(models: HubModel[]): HubModel {
  const [first] = models.toSorted((a, b) => totalOf(a) - totalOf(b));
  if (!first) throw new Error('invariant broken: no models to choose from');
  return first;
}
