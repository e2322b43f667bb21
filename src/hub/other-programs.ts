// Models that Ollama and LM Studio keep on this machine, found where those programs put them and used in place.
// Only looks; nothing of theirs is ever written or deleted. Layouts as of 2026.
import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { readSmallFile } from '../lib/regular-file.ts';
import { nameOfFile, toModelName } from './names.ts';
import { splitOf } from './split.ts';
import type { ModelProblem } from './types.ts';

export interface FoundModel {
  name: string;
  /** A longer name for when the short one is taken. */
  qualifiedName: string;
  file: string;
}

export interface Found {
  models: FoundModel[];
  problems: ModelProblem[];
}

/** Folders where Ollama keeps models: OLLAMA_MODELS alone when set, else the user's and the system service's. */
export function ollamaFolders(env: NodeJS.ProcessEnv = process.env): string[] {
  if (env.OLLAMA_MODELS) return [env.OLLAMA_MODELS];
  const folders = [path.join(homedir(), '.ollama/models')];
  if (process.platform === 'linux') folders.push('/usr/share/ollama/.ollama/models');
  return folders;
}

/** Folders where LM Studio keeps models. */
export function lmStudioFolders(): string[] {
  return [path.join(homedir(), '.lmstudio/models'), path.join(homedir(), '.cache/lm-studio/models')];
}

const modelLayer = 'application/vnd.ollama.image.model';

/**
 * Ollama: `manifests/<registry>/<namespace>/<model>/<tag>` is JSON whose layer of type `…image.model` names
 * `blobs/sha256-<hex>`, a GGUF file. `library` models are called `model:tag`, others `namespace/model:tag`.
 */
export async function findOllamaModels(folder: string): Promise<Found> {
  const found: Found = { models: [], problems: [] };
  const manifests = path.join(folder, 'manifests');
  for (const file of await filesBelow(manifests, 6, found.problems)) {
    const [registry, ...rest] = path.relative(manifests, file).split(path.sep);
    const tag = rest.pop();
    if (!registry || !tag || rest.length === 0 || tag.startsWith('.')) continue;
    const short = rest[0] === 'library' && rest.length > 1 ? rest.slice(1) : rest;
    const home = registry === 'registry.ollama.ai' ? short : [registry, ...rest];
    const name = `${home.map(toModelName).join('/')}:${toModelName(tag)}`;
    try {
      const digest = digestOfModel(JSON.parse(await readSmallFile(file)));
      if (digest) {
        found.models.push({
          name,
          qualifiedName: `ollama/${name}`,
          file: path.join(folder, 'blobs', `sha256-${digest}`),
        });
      } else found.problems.push({ file, reason: `Ollama keeps ${name} in a form other than GGUF.` });
    } catch (error) {
      found.problems.push({ file, reason: `It is not a manifest of Ollama: ${(error as Error).message}` });
    }
  }
  return found;
}

function digestOfModel(manifest: unknown): string | undefined {
  const layers = (manifest as { layers?: unknown } | null)?.layers;
  if (!Array.isArray(layers)) throw new Error('it has no layers');
  for (const layer of layers as { mediaType?: unknown; digest?: unknown }[]) {
    if (layer?.mediaType !== modelLayer || typeof layer.digest !== 'string') continue;
    const found = /^sha256:([0-9a-f]{64})$/.exec(layer.digest);
    if (!found) throw new Error('the digest of its model is not a SHA-256');
    return found[1];
  }
  return undefined;
}

/** LM Studio: `<publisher>/<repository>/<file>.gguf`; image parts (`mmproj`) and later parts are left out. */
export async function findLmStudioModels(folder: string): Promise<Found> {
  const found: Found = { models: [], problems: [] };
  for (const file of await filesBelow(folder, 4, found.problems)) {
    if (!/\.gguf$/i.test(file) || /mmproj/i.test(path.basename(file)) || (splitOf(file)?.part ?? 1) !== 1) continue;
    const name = nameOfFile(file);
    const publisher = toModelName(path.relative(folder, file).split(path.sep)[0] ?? '') || 'lm-studio';
    found.models.push({ name, qualifiedName: `${publisher}/${name}`, file });
  }
  return found;
}

/** All files under a folder, sorted; a folder that is not there is empty, one that cannot be read is a problem. */
async function filesBelow(folder: string, depth: number, problems: ModelProblem[]): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') {
      problems.push({ file: folder, reason: `The folder cannot be read (${error.code}).` });
    }
    return [];
  });
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = path.join(folder, entry.name);
    if (entry.isDirectory() && depth > 1) files.push(...(await filesBelow(at, depth - 1, problems)));
    else if (entry.isFile() || entry.isSymbolicLink()) files.push(at);
  }
  return files;
}
