// A packed pool: token ids on disk with the lengths of their documents. What a run makes of its texts, and what a pool of data
// brings along. A folder with `manifest.json`, and for each shard `shard-00000.bin` (ids, u16 or u32, little-endian) and
// `shard-00000.documents` (u32 tokens of each document). Tokens are read where they lie, so a pool may exceed memory. Knows no
// text and no tokenizer but its hash.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { isDiskFull, syncFolder } from '../lib/disk.ts';
import { FreeholdError, invariant } from '../lib/errors.ts';

const shardSchema = z.object({
  file: z.string().regex(/^shard-\d{5}$/),
  tokens: z.number().int().min(0),
  documents: z.number().int().min(0),
  /** SHA-256 of the ids. */
  sha256: z.string(),
});

const manifestSchema = z.object({
  format: z.literal('freehold-pool'),
  version: z.literal(1),
  idType: z.enum(['u16', 'u32']),
  vocab: z.number().int().min(1),
  /** SHA-256 of the tokenizer's JSON; the pool holds that file as `tokenizer.json`, or whoever made it does. */
  tokenizer: z.string(),
  /** Bytes of text that the tokens came from. */
  bytes: z.number().int().min(0),
  /** What the tokens were made from, in the words of whoever made them; equal where nothing changed. */
  origin: z.string().default(''),
  shards: z.array(shardSchema),
});

export type PoolManifest = z.infer<typeof manifestSchema>;

const shardTokens = 1 << 28;
const bufferTokens = 1 << 16;

/** Tokens and documents as `packing.ts` and `batches.ts` want them. */
export interface TokenPool {
  readonly manifest: PoolManifest;
  readonly tokens: number;
  /** Tokens of each document, in order; their sum is `tokens`. */
  readonly documents: Uint32Array;
  /** Copies tokens from an offset on; there are that many. */
  read(offset: number, into: Int32Array): void;
  close(): void;
}

/** Whether a folder is a packed pool. */
export async function isPool(folder: string): Promise<boolean> {
  return await stat(path.join(folder, 'manifest.json')).then(
    (info) => info.isFile(),
    () => false,
  );
}

/**
 * Opens a pool and checks the sizes of its files.
 * @param options.verify compares the hashes too, which reads everything
 * @throws FreeholdError data_invalid, file_io
 */
export async function openPool(folder: string, options: { verify?: boolean } = {}): Promise<TokenPool> {
  const manifest = await readManifest(folder);
  const idBytes = manifest.idType === 'u16' ? 2 : 4;
  const lengths: Uint32Array[] = [];
  for (const shard of manifest.shards) {
    const ids = path.join(folder, `${shard.file}.bin`);
    const size = await stat(ids).then(
      (info) => info.size,
      () => undefined,
    );
    if (size !== shard.tokens * idBytes)
      broken(folder, `${ids} has ${size ?? 'no'} bytes, not ${shard.tokens * idBytes}`);
    if (options.verify && (await hashOf(ids)) !== shard.sha256)
      broken(folder, `${ids} has changed since it was written`);
    const table = await readFile(path.join(folder, `${shard.file}.documents`)).catch(() => Buffer.alloc(0));
    if (table.length !== shard.documents * 4) broken(folder, `the table of documents of ${ids} is not whole`);
    const documents = new Uint32Array(shard.documents);
    for (let index = 0; index < documents.length; index++) documents[index] = table.readUInt32LE(index * 4);
    const total = documents.reduce((sum, length) => sum + length, 0);
    if (total !== shard.tokens) broken(folder, `the documents of ${ids} have ${total} tokens, it has ${shard.tokens}`);
    lengths.push(documents);
  }
  return openShards(folder, manifest, joined(lengths));
}

async function readManifest(folder: string): Promise<PoolManifest> {
  const text = await readFile(path.join(folder, 'manifest.json'), 'utf8').catch((error: unknown) => {
    throw new FreeholdError('data_invalid', `${folder} is no packed pool: it has no manifest.json.`, { cause: error });
  });
  try {
    return manifestSchema.parse(JSON.parse(text));
  } catch (error) {
    throw new FreeholdError('data_invalid', `The manifest.json of ${folder} is not one of a packed pool.`, {
      cause: error,
    });
  }
}

function openShards(folder: string, manifest: PoolManifest, documents: Uint32Array): TokenPool {
  const wide = manifest.idType === 'u32';
  const idBytes = wide ? 4 : 2;
  let tokens = 0;
  const shards = manifest.shards.map((shard) => {
    const start = tokens;
    tokens += shard.tokens;
    return { start, end: tokens, file: openSync(path.join(folder, `${shard.file}.bin`), 'r') };
  });
  return {
    manifest,
    tokens,
    documents,
    read(offset, into) {
      invariant(offset >= 0 && offset + into.length <= tokens, 'tokens are read where there are some');
      let done = 0;
      for (const { start, end, file } of shards) {
        if (offset + done >= end || done === into.length) continue;
        const count = Math.min(end - offset - done, into.length - done);
        const bytes = Buffer.allocUnsafe(count * idBytes);
        readExactly(file, bytes, (offset + done - start) * idBytes);
        for (let index = 0; index < count; index++) {
          const id = wide ? bytes.readUInt32LE(index * 4) : bytes.readUInt16LE(index * 2);
          // the device looks rows up without asking whether they are there
          if (id >= manifest.vocab) broken(folder, `token ${offset + done + index} is ${id}, of ${manifest.vocab}`);
          into[done + index] = id;
        }
        done += count;
      }
    },
    close() {
      for (const { file } of shards) closeSync(file);
    },
  };
}

function readExactly(file: number, bytes: Buffer, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(file, bytes, done, bytes.length - done, position + done);
    if (count === 0) throw new FreeholdError('file_io', 'A file of tokens became shorter while it was read.');
    done += count;
  }
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

function broken(folder: string, fault: string): never {
  throw new FreeholdError('data_invalid', `The pool ${folder} is broken: ${fault}.`, {
    hint: 'Make it again; for a run, delete its folder `tokens`.',
  });
}

/** Writes a pool; it is one only once `finish` has returned. */
export class PoolWriter {
  readonly #folder: string;
  readonly #manifest: PoolManifest;
  #ids: FileHandle | undefined;
  #hash: Hash = createHash('sha256');
  #buffer: Buffer;
  #filled = 0;
  #lengths: number[] = [];
  #length = 0;
  #shardTokens = 0;

  private constructor(folder: string, manifest: PoolManifest) {
    this.#folder = folder;
    this.#manifest = manifest;
    this.#buffer = Buffer.allocUnsafe(bufferTokens * this.#idBytes);
  }

  /**
   * @param about.vocab decides whether an id takes two bytes or four
   * @throws FreeholdError file_io, disk_full
   */
  static async create(
    folder: string,
    about: { vocab: number; tokenizer: string; origin: string },
  ): Promise<PoolWriter> {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    const idType = about.vocab <= 1 << 16 ? 'u16' : 'u32';
    return new PoolWriter(folder, { format: 'freehold-pool', version: 1, idType, bytes: 0, shards: [], ...about });
  }

  get #idBytes(): number {
    return this.#manifest.idType === 'u16' ? 2 : 4;
  }

  /** Tokens written so far. */
  get tokens(): number {
    return this.#manifest.shards.reduce((sum, shard) => sum + shard.tokens, this.#shardTokens);
  }

  /** Appends to the current document. */
  async add(ids: ArrayLike<number>, bytes: number): Promise<void> {
    for (let index = 0; index < ids.length; index++) {
      if (this.#filled === bufferTokens) await this.#flush();
      const at = this.#filled++ * this.#idBytes;
      if (this.#idBytes === 2) this.#buffer.writeUInt16LE(ids[index] as number, at);
      else this.#buffer.writeUInt32LE(ids[index] as number, at);
    }
    this.#length += ids.length;
    this.#shardTokens += ids.length;
    this.#manifest.bytes += bytes;
  }

  /** Documents without a token are left out. A shard ends with a document. */
  async endDocument(): Promise<void> {
    if (this.#length > 0) this.#lengths.push(this.#length);
    this.#length = 0;
    if (this.#shardTokens >= shardTokens) await this.#endShard();
  }

  /** @throws FreeholdError file_io, disk_full */
  async finish(): Promise<PoolManifest> {
    await this.endDocument();
    if (this.#shardTokens > 0) await this.#endShard();
    const file = path.join(this.#folder, 'manifest.json');
    await this.#write(async () => {
      await writeFile(`${file}.tmp`, `${JSON.stringify(this.#manifest, undefined, 2)}\n`);
      await rename(`${file}.tmp`, file);
      await syncFolder(this.#folder);
    });
    return this.#manifest;
  }

  /** Gives up: nothing of the folder stays. */
  async abandon(): Promise<void> {
    await this.#ids?.close().catch(() => undefined);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #flush(): Promise<void> {
    const bytes = this.#buffer.subarray(0, this.#filled * this.#idBytes);
    this.#filled = 0;
    await this.#write(async () => {
      this.#ids ??= await open(path.join(this.#folder, `${this.#shardName}.bin`), 'w');
      this.#hash.update(bytes);
      await this.#ids.writeFile(bytes);
    });
  }

  async #endShard(): Promise<void> {
    await this.#flush();
    const documents = Buffer.alloc(this.#lengths.length * 4);
    for (const [index, length] of this.#lengths.entries()) documents.writeUInt32LE(length, index * 4);
    const file = this.#shardName;
    await this.#write(async () => {
      await this.#ids?.sync();
      await this.#ids?.close();
      await writeFile(path.join(this.#folder, `${file}.documents`), documents, { flush: true });
    });
    this.#manifest.shards.push({
      file,
      tokens: this.#shardTokens,
      documents: this.#lengths.length,
      sha256: this.#hash.digest('hex'),
    });
    this.#ids = undefined;
    this.#hash = createHash('sha256');
    this.#lengths = [];
    this.#shardTokens = 0;
  }

  get #shardName(): string {
    return `shard-${String(this.#manifest.shards.length).padStart(5, '0')}`;
  }

  async #write(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const full = isDiskFull(error);
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      throw new FreeholdError(
        full ? 'disk_full' : 'file_io',
        full
          ? `The disk is full: there is no room for the tokens in ${this.#folder}.`
          : `Writing ${this.#folder} failed: ${code}.`,
        { cause: error, ...(full ? { hint: 'Free some space, then start the run again.' } : {}) },
      );
    }
  }
}
