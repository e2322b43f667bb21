// Responses that were answered and kept, with the items that went into them and came out, one owner each: for whoever is not
// the owner they do not exist. A response is written in one transaction, and whoever answers says so afterwards: none that
// was acknowledged is lost with the process. Knows nothing of what items mean.
import { sql, type Transaction } from 'kysely';
import { lives, thisProcess } from '../lib/process-identity.ts';
import type { Store } from './open.ts';
import type { ResponsesTable, Schema } from './schema.ts';

/** JSON of the API's own object: a response without its output, or an item. */
type Json = Record<string, unknown>;
type Item = Json & { id: string };

export type KeptStatus = ResponsesTable['status'];

export interface KeptResponse {
  id: string;
  owner: string;
  previousId: string | undefined;
  status: KeptStatus;
  body: Json;
  output: Item[];
  /** The events of its generation, where they were kept. */
  events: unknown[] | undefined;
  /** The process that answers it, while it is not over. */
  pid: number | undefined;
  /** Whether that process is gone; it says so nowhere itself. */
  lost: boolean;
}

/** A response is kept so long, in milliseconds: 30 days. */
export const responseLifetimeMs = 30 * 24 * 3600_000;

/** One owner keeps so many characters of JSON; beyond them the oldest responses go. 1 GiB. */
const mostKept = 2 ** 30;
/** What one owner keeps is added up once for so many responses: not for each. */
const keptBetweenCounts = 64;
const sinceCount = new WeakMap<Store, number>();

/** Longest chain of responses, each going on from the one before. */
export const longestChain = 2000;

const over = (status: KeptStatus) => status !== 'queued' && status !== 'in_progress';

/** Writes a response and its items; on return they are on the disk. Those that are too old go. */
export async function keepResponse(
  store: Store,
  given: Pick<KeptResponse, 'id' | 'owner' | 'previousId' | 'status' | 'body' | 'output'> & { input: readonly Item[] },
): Promise<void> {
  const me = over(given.status) ? undefined : thisProcess();
  const now = Date.now();
  const body = JSON.stringify(given.body);
  // the first of a process counts
  const uncounted = sinceCount.get(store) ?? keptBetweenCounts;
  sinceCount.set(store, uncounted >= keptBetweenCounts ? 1 : uncounted + 1);
  await store.db.transaction().execute(async (all) => {
    await all
      .deleteFrom('responses')
      .where('created_at', '<', now - responseLifetimeMs)
      .execute();
    if (uncounted >= keptBetweenCounts) await dropOldest(all, given.owner, mostKept);
    await all
      .insertInto('responses')
      .values({
        id: given.id,
        owner: given.owner,
        previous_id: given.previousId ?? null,
        status: given.status,
        body,
        size: body.length + sizeOf(given.input) + sizeOf(given.output),
        events: null,
        pid: me?.pid ?? null,
        pid_started: me?.started ?? null,
        host: me?.host ?? null,
        created_at: now,
      })
      .execute();
    await insertItems(all, given.id, 'input', given.input);
    await insertItems(all, given.id, 'output', given.output);
  });
}

const sizeOf = (items: readonly Item[]) => items.reduce((sum, item) => sum + JSON.stringify(item).length, 0);

/** Deletes the owner's oldest responses beyond so many characters; the latest always stays. Exported for tests. */
export async function dropOldest(db: Store['db'], owner: string, most: number): Promise<void> {
  await sql`
    delete from responses where id in (
      select id from (
        select id, sum(size) over (order by created_at desc, id) - size as before
        from responses where owner = ${owner}
      ) where before >= ${most}
    )`.execute(db);
}

/**
 * Writes how a response goes on, or ended.
 * @returns false where it is over already, or gone: then nothing is written
 */
export async function updateResponse(
  store: Store,
  id: string,
  change: Pick<KeptResponse, 'status' | 'body' | 'output'> & { events?: readonly unknown[] | undefined },
): Promise<boolean> {
  const body = JSON.stringify(change.body);
  const events = change.events === undefined ? null : JSON.stringify(change.events);
  return store.db.transaction().execute(async (all) => {
    const { numUpdatedRows } = await all
      .updateTable('responses')
      .set({
        status: change.status,
        body,
        events,
        size: sql`size + ${sizeOf(change.output) + (events?.length ?? 0)}`,
        ...(over(change.status) ? { pid: null, pid_started: null, host: null } : {}),
      })
      .where('id', '=', id)
      .where('status', 'in', ['queued', 'in_progress'])
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await insertItems(all, id, 'output', change.output);
    return true;
  });
}

/** SQLite takes so many parameters, and more, in one statement. */
const itemsAtOnce = 1000;

async function insertItems(
  all: Transaction<Schema>,
  responseId: string,
  side: 'input' | 'output',
  items: readonly Item[],
): Promise<void> {
  for (let from = 0; from < items.length; from += itemsAtOnce) {
    const rows = items.slice(from, from + itemsAtOnce).map((item, index) => ({
      response_id: responseId,
      side,
      position: from + index,
      id: item.id,
      item: JSON.stringify(item),
    }));
    await all.insertInto('response_items').values(rows).execute();
  }
}

/** The owner's response of that id. */
export async function findResponse(store: Store, owner: string, id: string): Promise<KeptResponse | undefined> {
  const row = await store.db
    .selectFrom('responses')
    .selectAll()
    .where('id', '=', id)
    .where('owner', '=', owner)
    .executeTakeFirst();
  if (!row) return undefined;
  return {
    id: row.id,
    owner: row.owner,
    previousId: row.previous_id ?? undefined,
    status: row.status,
    body: JSON.parse(row.body),
    output: await itemsOf(store, row.id, 'output'),
    events: row.events === null ? undefined : JSON.parse(row.events),
    pid: row.pid ?? undefined,
    lost: isLost(row),
  };
}

function isLost({ status, pid, pid_started, host }: ResponsesTable): boolean {
  if (over(status)) return false;
  if (pid === null || host === null) return true;
  return lives({ pid, host, started: pid_started ?? undefined }) === false;
}

async function itemsOf(store: Store, responseId: string, side: 'input' | 'output'): Promise<Item[]> {
  return (await itemTexts(store, responseId, side)).map((text) => JSON.parse(text));
}

async function itemTexts(store: Store, responseId: string, side: 'input' | 'output'): Promise<string[]> {
  const rows = await store.db
    .selectFrom('response_items')
    .select('item')
    .where('response_id', '=', responseId)
    .where('side', '=', side)
    .orderBy('position')
    .execute();
  return rows.map(({ item }) => item);
}

/** What went into the owner's response, in order; undefined where there is none of that id. */
export async function findInput(store: Store, owner: string, id: string): Promise<Item[] | undefined> {
  const row = await store.db
    .selectFrom('responses')
    .select('id')
    .where('id', '=', id)
    .where('owner', '=', owner)
    .executeTakeFirst();
  return row && itemsOf(store, row.id, 'input');
}

/** Items of the owner's responses by their ids; of those that stand in several, one of them. */
export async function findItems(store: Store, owner: string, ids: readonly string[]): Promise<Map<string, Item>> {
  const found = new Map<string, Item>();
  for (let from = 0; from < ids.length; from += itemsAtOnce) {
    const rows = await store.db
      .selectFrom('response_items')
      .innerJoin('responses', 'responses.id', 'response_items.response_id')
      .select(['response_items.id', 'response_items.item'])
      .where('responses.owner', '=', owner)
      .where('response_items.id', 'in', ids.slice(from, from + itemsAtOnce))
      .execute();
    for (const { id, item } of rows) found.set(id, JSON.parse(item));
  }
  return found;
}

/**
 * All items of the owner's response and of those it goes on from, the oldest first.
 * @param limit of the characters of all items as JSON; read no further
 * @returns `broken`: the id of one of them that is gone; `tooLong` beyond the limit, and beyond `longestChain` responses
 */
export async function findChain(
  store: Store,
  owner: string,
  id: string,
  limit: number,
): Promise<{ items: Item[]; broken?: string; tooLong?: true }> {
  const { rows: chain } = await sql<{ id: string; previous_id: string | null }>`
    with recursive chain (id, previous_id, depth) as (
      select id, previous_id, 0 from responses where id = ${id} and owner = ${owner}
      union all
      select responses.id, responses.previous_id, chain.depth + 1
      from chain join responses on responses.id = chain.previous_id
      where responses.owner = ${owner} and chain.depth < ${longestChain}
    )
    select id, previous_id from chain order by depth desc`.execute(store.db);
  if (chain.length > longestChain) return { items: [], tooLong: true };
  const broken = chain.length === 0 ? id : chain[0]?.previous_id;
  if (broken) return { items: [], broken };
  const items: Item[] = [];
  let characters = 0;
  for (const each of chain) {
    for (const side of ['input', 'output'] as const) {
      for (const text of await itemTexts(store, each.id, side)) {
        characters += text.length;
        if (characters > limit) return { items: [], tooLong: true };
        items.push(JSON.parse(text));
      }
    }
  }
  return { items };
}

/** @returns whether there was one of that owner */
export async function deleteResponse(store: Store, owner: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await store.db
    .deleteFrom('responses')
    .where('id', '=', id)
    .where('owner', '=', owner)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}
