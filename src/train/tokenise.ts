// Documents -> tokens on disk, once a run, on all cores: each document's tokens, before them the token that begins a text where the
// tokenizer wants one, and behind them the one that ends it.
import { createHash } from 'node:crypto';
import { createParallelEncoder, type PackedIds } from '../tokenizer/encode-parallel.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { tokenizerToJson } from '../tokenizer/tokenizer-file.ts';
import { readPieces, type TextFile } from './corpus.ts';
import { type PoolManifest, PoolWriter } from './pool.ts';

interface Encoding {
  ids: Promise<PackedIds>;
  bytes: number;
  endsDocument: boolean;
}

/** Pieces of a megabyte that may wait for their turn to be written. */
const mostWaiting = 16;

/**
 * @param folder of the pool; what was there is replaced
 * @param options.onProgress bytes of text so far
 * @throws FreeholdError data_invalid, file_io, disk_full, cancelled
 */
export async function tokeniseCorpus(
  files: readonly TextFile[],
  tokenizer: Tokenizer,
  folder: string,
  options: { threads?: number; onProgress?: (bytes: number) => void; signal?: AbortSignal | undefined } = {},
): Promise<PoolManifest> {
  const { threads, onProgress, signal } = options;
  const writer = await PoolWriter.create(folder, {
    vocab: tokenizer.vocab,
    tokenizer: tokenizerHash(tokenizer),
    origin: files.map(({ path, sizeBytes, modifiedMs }) => `${path} ${sizeBytes} ${modifiedMs}`).join('\n'),
  });
  const encoder = createParallelEncoder(tokenizer, { ...(threads && { threads }), ...(signal && { signal }) });
  const waiting: Encoding[] = [];
  let begins = true;
  let bytesDone = 0;
  const writeFirst = async () => {
    const { ids, bytes, endsDocument } = waiting.shift() as Encoding;
    if (begins && tokenizer.addBos && tokenizer.bos !== undefined) await writer.add([tokenizer.bos], 0);
    await writer.add(await ids, bytes);
    begins = endsDocument;
    if (endsDocument) {
      await writer.add([tokenizer.eos], 0);
      await writer.endDocument();
    }
    bytesDone += bytes;
    onProgress?.(bytesDone);
  };
  try {
    for (const file of files) {
      for await (const { bytes, endsDocument } of readPieces(file)) {
        await encoder.ready();
        const ids = encoder.encode(bytes);
        // it may fail before its turn comes
        ids.catch(() => undefined);
        waiting.push({ ids, bytes: bytes.length, endsDocument });
        if (waiting.length > mostWaiting) await writeFirst();
      }
    }
    while (waiting.length > 0) await writeFirst();
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  } finally {
    encoder.close();
  }
}

export function tokenizerHash(tokenizer: Pick<Tokenizer, 'vocabulary'>): string {
  return createHash('sha256').update(tokenizerToJson(tokenizer)).digest('hex');
}

/** Bytes that each id stands for, special tokens none. */
export function bytesOfTokens(tokenizer: Tokenizer): Uint32Array {
  return Uint32Array.from({ length: tokenizer.vocab }, (_, id) => tokenizer.decode([id]).length);
}
