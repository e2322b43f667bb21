// One pull of a model at a time, across processes: a lock file that names its holder. The lock of a process that died
// is taken over. Knows processes and one file; not what is being protected.
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '../lib/ids.ts';
import { lives, type ProcessIdentity, thisProcess } from '../lib/process-identity.ts';
import { diskError } from './disk.ts';

interface Holder extends ProcessIdentity {
  token: string;
}

/** A holder touches its file this often; on another host silence of `foreignSilenceMs` means it is gone. */
const touchEveryMs = 10_000;
const foreignSilenceMs = 120_000;
const pollMs = 200;
const staleClaimMs = 10_000;

/**
 * Waits for the lock and takes it.
 * @param onWait called once when somebody else holds it
 * @returns gives it back; never throws
 * @throws the signal's reason when aborted while waiting; FreeholdError file_io, disk_full
 */
export async function takeLock(
  file: string,
  { signal, onWait }: { signal?: AbortSignal; onWait?: () => void } = {},
): Promise<() => Promise<void>> {
  let waited = false;
  for (;;) {
    signal?.throwIfAborted();
    const release = await tryLock(file);
    if (release) return release;
    if (!waited) onWait?.();
    waited = true;
    await sleep(pollMs, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

/**
 * Takes the lock, unless somebody alive holds it.
 * @returns gives it back; undefined where it is held
 * @throws FreeholdError file_io, disk_full
 */
export async function tryLock(file: string): Promise<(() => Promise<void>) | undefined> {
  const mine: Holder = { token: newId('lock'), ...thisProcess() };
  for (;;) {
    if (await create(file, mine)) return hold(file, mine);
    const holder = await readHolder(file);
    if (holder === 'gone' || !(await isGone(file, holder))) return undefined;
    if (!(await takeAway(file, holder))) return undefined;
  }
}

async function create(file: string, mine: Holder): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    try {
      await handle.writeFile(JSON.stringify(mine));
    } finally {
      await handle.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw diskError(error, file, 'Writing');
  }
  return true;
}

function hold(file: string, mine: Holder): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, touchEveryMs);
  timer.unref();
  return async () => {
    clearInterval(timer);
    const holder = await readHolder(file);
    if (holder !== 'gone' && holder?.token === mine.token) await rm(file, { force: true }).catch(() => undefined);
  };
}

/** Undefined where the file is there and names nobody: written half, by a process that died or is writing now. */
async function readHolder(file: string): Promise<Holder | 'gone' | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return 'gone';
  try {
    const holder = JSON.parse(text) as Partial<Holder>;
    return typeof holder.pid === 'number' && typeof holder.token === 'string' ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

async function isGone(file: string, holder: Holder | undefined): Promise<boolean> {
  const touched = await stat(file).catch(() => undefined);
  const silentMs = touched ? Date.now() - touched.mtimeMs : 0;
  if (!holder) return silentMs > 2000;
  const alive = lives(holder);
  return alive === undefined ? silentMs > foreignSilenceMs : !alive;
}

/**
 * Takes a dead holder's file away. One at a time, and only while the file still names that holder: a lock that somebody
 * has taken meanwhile is never touched.
 * @returns false where another is at it
 */
async function takeAway(file: string, dead: Holder | undefined): Promise<boolean> {
  const claim = `${file}.claim`;
  const claimed = await stat(claim).catch(() => undefined);
  // its owner died in the few milliseconds between making and removing it
  if (claimed && Date.now() - claimed.mtimeMs > staleClaimMs) await rm(claim, { force: true });
  try {
    await (await open(claim, 'wx')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw diskError(error, file, 'Writing');
  }
  try {
    const holder = await readHolder(file);
    if (holder !== 'gone' && holder?.token === dead?.token && (await isGone(file, holder)))
      await rm(file, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
  return true;
}
