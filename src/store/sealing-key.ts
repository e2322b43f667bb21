// The key that encrypts what must be kept readable: 32 random bytes in `<home>/credentials.key`, which only its owner may
// read, so that a copy of the database alone gives no secret away. AES-256-GCM. Knows no tables.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { link, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { FreeholdError } from '../lib/errors.ts';
import { openRegularFile } from '../lib/regular-file.ts';

/** Name of the file inside the home folder. */
export const sealingKeyName = 'credentials.key';

export interface SealingKey {
  /**
   * Encrypts a text.
   * @param owner what the text belongs to: it cannot be read as another's
   */
  seal(text: string, owner: string): string;
  /** @throws FreeholdError file_io when it was made with another key or for another owner, or was changed */
  unseal(sealed: string, owner: string): string;
}

/**
 * Reads the key of a deployment.
 * @param mayCreate makes one where there is none
 * @throws FreeholdError file_io for a file that is missing or damaged, or that others may read
 */
export async function readSealingKey(home: string, mayCreate: boolean): Promise<SealingKey> {
  const file = path.join(home, sealingKeyName);
  try {
    const key = await readKey(file);
    if (key) return sealingKey(key, file);
    if (mayCreate) {
      await create(file);
      const made = await readKey(file);
      if (made) return sealingKey(made, file);
    }
  } catch (cause) {
    if (cause instanceof FreeholdError) throw cause;
    throw new FreeholdError('file_io', `The key file ${file} cannot be used: ${(cause as Error).message}.`, { cause });
  }
  throw new FreeholdError('file_io', `The key file ${file} is missing: the secrets in the database cannot be read.`, {
    hint: restore,
  });
}

const restore =
  'Put it back from a backup. Without one, revoke the AWS credentials (freehold keys list), delete what is left of the file, and create new ones.';

async function readKey(file: string): Promise<Buffer | undefined> {
  const handle = await openRegularFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return 'missing' as const;
    throw error;
  });
  if (handle === 'missing') return undefined;
  if (!handle) throw new FreeholdError('file_io', `The key file ${file} is a folder, a pipe or a device.`);
  try {
    const { mode, size } = await handle.stat();
    // Windows has no such bits: there the folder's permissions count
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      throw new FreeholdError(
        'file_io',
        `The key file ${file} may be read or changed by others: its mode is ${shown}.`,
        {
          hint: `If nobody else has read it: chmod 600 ${file}. Otherwise delete it, revoke the AWS credentials, and create new ones.`,
        },
      );
    }
    const text = size > 100 ? '' : (await handle.readFile('utf8')).trim();
    if (!/^[0-9a-f]{64}$/.test(text)) {
      throw new FreeholdError('file_io', `The key file ${file} is damaged: it must hold 64 hexadecimal digits.`, {
        hint: restore,
      });
    }
    return Buffer.from(text, 'hex');
  } finally {
    await handle.close();
  }
}

/** Makes the file whole or not at all, and leaves alone the one that another process made first. */
async function create(file: string): Promise<void> {
  const begun = `${file}.${randomBytes(8).toString('hex')}`;
  try {
    const handle = await open(begun, 'wx', 0o600);
    try {
      await handle.writeFile(`${randomBytes(32).toString('hex')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(begun, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(begun, { force: true });
  }
}

const nonceBytes = 12;
const tagBytes = 16;

function sealingKey(key: Buffer, file: string): SealingKey {
  return {
    seal(text, owner) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(owner));
      const bytes = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `v1.${bytes.toString('base64url')}`;
    },
    unseal(sealed, owner) {
      const bytes = Buffer.from(sealed.startsWith('v1.') ? sealed.slice(3) : '', 'base64url');
      const end = bytes.length - tagBytes;
      try {
        const cipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), { authTagLength: tagBytes });
        cipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(end));
        return Buffer.concat([cipher.update(bytes.subarray(nonceBytes, end)), cipher.final()]).toString();
      } catch (cause) {
        throw new FreeholdError(
          'file_io',
          `The secret of ${owner} cannot be decrypted: it was encrypted with another key than that of ${file}, or changed since.`,
          { cause, hint: restore },
        );
      }
    },
  };
}
