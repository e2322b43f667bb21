// Long work that runs in a process of its own. One table, written by that process, by the command line and by a server
// at once: a process holds a job by a lease that it renews with every heartbeat, and whoever asks it to pause or stop
// writes the wish beside it. A process that dies writes nothing, so its death is told from the lease and the process
// number when a job is read. Knows no kind of work; progress is JSON that its reader understands.
import type { ExpressionBuilder } from 'kysely';
import { type ErrorRecord, FreeholdError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import { lives, thisProcess } from '../lib/process-identity.ts';
import type { Store } from './open.ts';
import type { JobsTable, Schema, StoredJobState } from './schema.ts';

/** `interrupted`: its process died, or never began, without a word. */
export type JobState = StoredJobState | 'interrupted';

export interface Job {
  id: string;
  kind: string;
  name: string;
  /** Relative to the home folder. */
  folder: string;
  state: JobState;
  /** What somebody asked of its process and it has not done yet. */
  requested: 'pause' | 'stop' | undefined;
  progress: unknown;
  error: ErrorRecord | undefined;
  /** Of the process that works on it, or last did. */
  pid: number | undefined;
  /** Times in milliseconds since 1970. */
  heartbeatAt: number | undefined;
  createdAt: number;
  startedAt: number | undefined;
  finishedAt: number | undefined;
}

/** How a process ends its work on a job. */
export type JobEnd = 'succeeded' | 'failed' | 'paused' | 'cancelled';

/** A lease not renewed for so long has expired; processes renew it every second or so. */
export const leaseMs = 30_000;
/** So long a process may take from its start until it claims its job. */
const startMs = 30_000;

/**
 * Writes a job down for a process that is about to be started.
 * @param given.folder relative to the home folder
 * @throws FreeholdError name_taken when there is a job of that kind and name, or one in that folder
 */
export async function createJob(
  store: Store,
  given: { kind: string; name: string; id?: string; folder: string },
): Promise<Job> {
  const now = Date.now();
  const row: JobsTable = {
    id: given.id ?? newId('job'),
    kind: given.kind,
    name: given.name,
    folder: given.folder,
    state: 'queued',
    requested: null,
    progress: null,
    error: null,
    lease: null,
    lease_until: now + startMs,
    heartbeat_at: null,
    pid: null,
    pid_started: null,
    host: null,
    created_at: now,
    started_at: null,
    finished_at: null,
  };
  const inserted = await store.db
    .insertInto('jobs')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows !== 1n) {
    throw new FreeholdError('name_taken', `There is a ${given.kind} job "${given.name}" already.`, { field: 'name' });
  }
  return toJob(row);
}

/** Jobs of a kind, newest first. */
export async function listJobs(store: Store, kind: string): Promise<Job[]> {
  const rows = await store.db
    .selectFrom('jobs')
    .selectAll()
    .where('kind', '=', kind)
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map(toJob);
}

export async function findJob(store: Store, id: string): Promise<Job | undefined> {
  const row = await readRow(store, id);
  return row && toJob(row);
}

/** What a process holds that works on a job. */
export interface Claim {
  readonly id: string;
  readonly lease: string;
  /** Relative to the home folder. */
  readonly folder: string;
  /** What an earlier process told last. */
  readonly progress: unknown;
}

/**
 * Takes a queued job for this process.
 * @throws FreeholdError not_found; in_use when it is not queued: another process took it, or nobody asked for it
 */
export async function claimJob(store: Store, id: string): Promise<Claim> {
  const now = Date.now();
  const lease = newId('lease');
  const me = thisProcess();
  const taken = await store.db
    .updateTable('jobs')
    .set({
      state: 'running',
      lease,
      lease_until: now + leaseMs,
      heartbeat_at: now,
      pid: me.pid,
      pid_started: me.started ?? null,
      host: me.host,
      error: null,
      finished_at: null,
    })
    .set(({ fn, val, ref }) => ({ started_at: fn.coalesce(ref('started_at'), val(now)) }))
    .where('id', '=', id)
    .where('state', '=', 'queued')
    .returning(['folder', 'progress'])
    .executeTakeFirst();
  if (taken) return { id, lease, folder: taken.folder, progress: parsed(taken.progress) };
  const job = await requireJob(store, id);
  throw new FreeholdError('in_use', `The job ${job.name} is ${job.state}, so this process does not take it.`, {
    hint: 'Another process works on it, or it was not started again.',
  });
}

/**
 * Renews the lease, says how far the work is, and hears what is asked.
 * @param progress any JSON value; left as it is when undefined
 * @returns undefined when the lease is lost: another process has the job, or it was deleted. The work must end
 */
export async function heartbeat(
  store: Store,
  claim: Claim,
  progress?: unknown,
): Promise<{ requested: 'pause' | 'stop' | undefined } | undefined> {
  const now = Date.now();
  const row = await store.db
    .updateTable('jobs')
    .set({
      heartbeat_at: now,
      lease_until: now + leaseMs,
      ...(progress === undefined ? {} : { progress: JSON.stringify(progress) }),
    })
    .where('id', '=', claim.id)
    .where('lease', '=', claim.lease)
    .returning('requested')
    .executeTakeFirst();
  return row && { requested: row.requested ?? undefined };
}

/** Ends the work on a job and gives the lease back. @returns false when the lease was lost before; nothing is written then */
export async function finishJob(
  store: Store,
  claim: Claim,
  end: { state: JobEnd; error?: ErrorRecord; progress?: unknown },
): Promise<boolean> {
  const result = await store.db
    .updateTable('jobs')
    .set({
      state: end.state,
      requested: null,
      lease: null,
      lease_until: 0,
      finished_at: Date.now(),
      error: end.error ? JSON.stringify(end.error) : null,
      ...(end.progress === undefined ? {} : { progress: JSON.stringify(end.progress) }),
    })
    .where('id', '=', claim.id)
    .where('lease', '=', claim.lease)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Asks the process of a job to pause or stop. A job that no process works on is paused or stopped by this alone; of one
 * that has ended nothing is left to ask.
 * @returns the job as it is now: `requested` holds the wish until the process has obeyed
 * @throws FreeholdError not_found
 */
export async function requestJob(store: Store, id: string, wish: 'pause' | 'stop'): Promise<Job> {
  for (;;) {
    const row = await requireRow(store, id);
    const { state } = toJob(row);
    const idle = state === 'interrupted' || state === 'paused';
    if (!idle && state !== 'queued' && state !== 'running') return toJob(row);
    if (idle && wish === 'pause') return toJob(row);
    const change = idle
      ? { state: 'cancelled' as const, requested: null, lease: null, lease_until: 0, finished_at: Date.now() }
      : { requested: wish };
    if (await changeAsSeen(store, row, change)) return requireJob(store, id);
  }
}

/**
 * Queues a job that no process works on once more, for one that is about to be started.
 * @throws FreeholdError not_found; in_use while a process works on it; unsupported when it is finished
 */
export async function requeueJob(store: Store, id: string): Promise<Job> {
  const row = await requireRow(store, id);
  const job = toJob(row);
  if (job.state === 'succeeded') {
    throw new FreeholdError('unsupported', `${job.name} is finished; there is nothing left to do.`);
  }
  const change = {
    state: 'queued' as const,
    requested: null,
    error: null,
    lease: null,
    lease_until: Date.now() + startMs,
    pid: null,
    finished_at: null,
  };
  const free = job.state !== 'queued' && job.state !== 'running';
  if (!free || !(await changeAsSeen(store, row, change))) {
    throw new FreeholdError('in_use', `${job.name} is being worked on${job.pid ? ` by process ${job.pid}` : ''}.`);
  }
  return requireJob(store, id);
}

/** Marks a queued job as failed: its process could not be started. A job that was claimed meanwhile stays as it is. */
export async function failQueuedJob(store: Store, id: string, error: ErrorRecord): Promise<void> {
  await store.db
    .updateTable('jobs')
    .set({ state: 'failed', error: JSON.stringify(error), finished_at: Date.now(), lease_until: 0 })
    .where('id', '=', id)
    .where('state', '=', 'queued')
    .execute();
}

/** @throws FreeholdError not_found; in_use while a process works on it */
export async function deleteJob(store: Store, id: string): Promise<void> {
  const row = await requireRow(store, id);
  const { state, name } = toJob(row);
  const busy = () => new FreeholdError('in_use', `${name} is being worked on, so it was not deleted.`);
  if (state === 'queued' || state === 'running') throw busy();
  const result = await store.db.deleteFrom('jobs').where(asSeen(row)).executeTakeFirst();
  if (result.numDeletedRows === 0n) throw busy();
}

/** Changes a row only if no one has changed its state or lease since it was read. */
async function changeAsSeen(store: Store, row: JobsTable, change: Partial<JobsTable>): Promise<boolean> {
  const result = await store.db.updateTable('jobs').set(change).where(asSeen(row)).executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

const asSeen = (row: JobsTable) => (where: ExpressionBuilder<Schema, 'jobs'>) =>
  where.and([
    where('id', '=', row.id),
    where('state', '=', row.state),
    where('lease', 'is', row.lease),
    // without a lease the time it was queued tells; with one the time moves with every heartbeat
    ...(row.lease === null ? [where('lease_until', '=', row.lease_until)] : []),
  ]);

function readRow(store: Store, id: string): Promise<JobsTable | undefined> {
  return store.db.selectFrom('jobs').selectAll().where('id', '=', id).executeTakeFirst();
}

async function requireRow(store: Store, id: string): Promise<JobsTable> {
  const row = await readRow(store, id);
  if (!row) throw new FreeholdError('not_found', `There is no job with the id "${id}".`);
  return row;
}

async function requireJob(store: Store, id: string): Promise<Job> {
  return toJob(await requireRow(store, id));
}

/** Whether the process that should work on a job is gone. */
function isLost(row: JobsTable): boolean {
  const expired = row.lease_until < Date.now();
  if (row.state === 'queued' || row.pid === null || row.host === null) return expired;
  const alive = lives({ pid: row.pid, host: row.host, started: row.pid_started ?? undefined });
  // a process that sleeps with its machine holds what it had; one on another host is known by its lease alone
  return alive === undefined ? expired : !alive;
}

function toJob(row: JobsTable): Job {
  const worked = row.state === 'queued' || row.state === 'running';
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    folder: row.folder,
    state: worked && isLost(row) ? 'interrupted' : row.state,
    requested: row.requested ?? undefined,
    progress: parsed(row.progress),
    error: parsed(row.error) as ErrorRecord | undefined,
    pid: row.pid ?? undefined,
    heartbeatAt: row.heartbeat_at ?? undefined,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
  };
}

const parsed = (json: string | null): unknown => (json === null ? undefined : JSON.parse(json));
