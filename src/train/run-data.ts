// The tokens of a run: its texts checked, its tokenizer made, everything tokenised once and kept in its folder. What is there is
// taken as it is, so that a run that resumes sees what it saw, whatever became of the texts.
import { createHash } from 'node:crypto';
import { FreeholdError } from '../lib/errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type CorpusReport, checkCorpus, findTextFiles, type TextFile } from './corpus.ts';
import { isPool, openPool, type TokenPool } from './pool.ts';
import type { RunFiles } from './run-directory.ts';
import type { RunSettings } from './run-settings.ts';
import { runTokenizer } from './run-tokenizer.ts';
import { tokeniseCorpus, tokenizerHash } from './tokenise.ts';

export type DataPhase = 'reading' | 'tokenizer' | 'tokens';

export interface DataOptions {
  /** @param share 0 to 1 */
  onProgress?: (phase: DataPhase, share: number) => void;
  signal?: AbortSignal | undefined;
}

export interface RunData {
  tokenizer: Tokenizer;
  pool: TokenPool;
  /** Of the tokens: equal where they are. */
  fingerprint: string;
}

/** @throws FreeholdError data_invalid, tokenizer_invalid, run_invalid, file_not_found, file_io, disk_full, cancelled */
export async function prepareData(settings: RunSettings, files: RunFiles, options: DataOptions = {}): Promise<RunData> {
  const { signal, onProgress } = options;
  const [source] = settings.data.sources;
  const brought = settings.data.sources.length === 1 && (await isPool(source as string));
  let texts: { files: TextFile[]; report: CorpusReport } | undefined;
  const read = async () => {
    texts ??= await readTexts(settings, options);
    return texts;
  };
  const tokenizer = await runTokenizer(files.tokenizer, settings, {
    texts: async () => {
      const { files: found, report } = await read();
      return { ...report, files: found };
    },
    onProgress: (share) => onProgress?.('tokenizer', share),
    signal,
  });
  const folder = brought ? (source as string) : files.tokens;
  if (!brought && !(await isPool(folder))) {
    const { files: found, report } = await read();
    await tokeniseCorpus(found, tokenizer, folder, {
      threads: settings.threads,
      onProgress: (bytes) => onProgress?.('tokens', bytes / report.bytes),
      signal,
    });
  }
  const pool = await openPool(folder, { verify: true });
  if (pool.manifest.tokenizer === tokenizerHash(tokenizer)) return { tokenizer, pool, fingerprint: hashOf(pool) };
  pool.close();
  throw new FreeholdError('data_invalid', `The tokens in ${folder} were made with another tokenizer.`, {
    hint: brought ? 'A pool brings its own tokenizer.json.' : `Delete ${folder}: it is made again.`,
  });
}

async function readTexts({ data }: RunSettings, { onProgress, signal }: DataOptions) {
  const files = await findTextFiles(data.sources, { encoding: data.encoding });
  const size = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const report = await checkCorpus(files, {
    onProgress: (bytes) => onProgress?.('reading', bytes / size),
    ...(signal && { signal }),
  });
  return { files, report };
}

function hashOf({ manifest }: TokenPool): string {
  const hash = createHash('sha256').update(manifest.tokenizer);
  for (const { sha256 } of manifest.shards) hash.update(sha256);
  return hash.digest('hex');
}
