import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from './open.ts';
import {
  deleteResponse,
  dropOldest,
  findChain,
  findInput,
  findItems,
  findResponse,
  type KeptStatus,
  keepResponse,
  longestChain,
  responseLifetimeMs,
  updateResponse,
} from './responses.ts';

let home: string;
let store: Store;
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-responses-'));
  store = openStore(home);
});
afterEach(async () => {
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

const item = (id: string) => ({ id, type: 'message' });
const chainOf = (owner: string, id: string, limit = 10_000) => findChain(store, owner, id, limit);
const keep = (id: string, previousId?: string, more: { owner?: string; status?: KeptStatus } = {}) =>
  keepResponse(store, {
    id,
    owner: 'me',
    previousId,
    status: 'completed',
    body: { id, object: 'response' },
    input: [item(`${id}-in-0`), item(`${id}-in-1`)],
    output: more.status === 'queued' ? [] : [item(`${id}-out`)],
    ...more,
  });

describe('a response', () => {
  it('is kept with what went in and what came out', async () => {
    await keep('a');
    expect(await findResponse(store, 'me', 'a')).toEqual({
      id: 'a',
      owner: 'me',
      previousId: undefined,
      status: 'completed',
      body: { id: 'a', object: 'response' },
      output: [item('a-out')],
      events: undefined,
      pid: undefined,
      lost: false,
    });
    expect(await findInput(store, 'me', 'a')).toEqual([item('a-in-0'), item('a-in-1')]);
    expect(await findItems(store, 'me', ['a-out', 'a-in-1', 'nothing'])).toEqual(
      new Map([
        ['a-out', item('a-out')],
        ['a-in-1', item('a-in-1')],
      ]),
    );
  });

  it('is there after the store is opened anew', async () => {
    await keep('a');
    const other = openStore(home);
    expect(await findResponse(other, 'me', 'a')).toMatchObject({ id: 'a', output: [item('a-out')] });
    await other.close();
  });

  it('does not exist for anyone else', async () => {
    await keep('a');
    await keep('b', 'a');
    expect(await findResponse(store, 'you', 'a')).toBeUndefined();
    expect(await findInput(store, 'you', 'a')).toBeUndefined();
    expect(await findItems(store, 'you', ['a-out'])).toEqual(new Map());
    expect(await chainOf('you', 'b')).toEqual({ items: [], broken: 'b' });
    expect(await deleteResponse(store, 'you', 'a')).toBe(false);
    expect(await findResponse(store, 'me', 'a')).toBeDefined();
  });

  it('goes with its items when it is deleted, and is deleted once', async () => {
    await keep('a');
    expect([await deleteResponse(store, 'me', 'a'), await deleteResponse(store, 'me', 'a')]).toEqual([true, false]);
    expect(await findItems(store, 'me', ['a-out', 'a-in-0'])).toEqual(new Map());
  });

  it('goes when it is too old', async () => {
    await keep('a');
    await store.db
      .updateTable('responses')
      .set({ created_at: Date.now() - responseLifetimeMs - 1000 })
      .execute();
    await keep('b');
    expect([await findResponse(store, 'me', 'a'), (await findResponse(store, 'me', 'b'))?.id]).toEqual([
      undefined,
      'b',
    ]);
  });

  it('goes when its owner keeps too much, the oldest first', async () => {
    for (const id of ['a', 'b', 'c']) {
      await keep(id);
      // of one size, and one after the other
      await store.db
        .updateTable('responses')
        .set({ size: 100, created_at: Date.now() - 1000 + id.charCodeAt(0) })
        .where('id', '=', id)
        .execute();
    }
    await keep('other', undefined, { owner: 'you' });
    await dropOldest(store.db, 'me', 200);
    const left = async () =>
      (await store.db.selectFrom('responses').select('id').orderBy('id').execute()).map(({ id }) => id);
    expect(await left()).toEqual(['b', 'c', 'other']);
    await dropOldest(store.db, 'me', 1);
    expect(await left()).toEqual(['c', 'other']);
  });

  it('has its size written beside it', async () => {
    await keep('a', undefined, { status: 'queued' });
    const size = async () => (await store.db.selectFrom('responses').select('size').executeTakeFirstOrThrow()).size;
    const before = await size();
    expect(before).toBeGreaterThan(JSON.stringify([item('a-in-0'), item('a-in-1')]).length - 5);
    await updateResponse(store, 'a', { status: 'completed', body: {}, output: [item('a-out')] });
    expect(await size()).toBe(before + JSON.stringify(item('a-out')).length);
  });

  it('may hold more items than a statement takes', async () => {
    const input = Array.from({ length: 2500 }, (_, index) => item(`i${index}`));
    await keepResponse(store, {
      id: 'a',
      owner: 'me',
      previousId: undefined,
      status: 'completed',
      body: {},
      input,
      output: [],
    });
    expect(await findInput(store, 'me', 'a')).toEqual(input);
    expect(
      (
        await findItems(
          store,
          'me',
          input.map(({ id }) => id),
        )
      ).size,
    ).toBe(2500);
  });
});

describe('a chain', () => {
  it('is all items, the oldest first', async () => {
    await keep('a');
    await keep('b', 'a');
    await keep('c', 'b');
    const { items } = await chainOf('me', 'c');
    expect(items.map(({ id }) => id)).toEqual(
      ['a', 'b', 'c'].flatMap((id) => [`${id}-in-0`, `${id}-in-1`, `${id}-out`]),
    );
  });

  it('that lost a response names it', async () => {
    await keep('a');
    await keep('b', 'a');
    await keep('c', 'b');
    await deleteResponse(store, 'me', 'a');
    expect(await chainOf('me', 'c')).toEqual({ items: [], broken: 'a' });
  });

  it('never leads to what is another’s', async () => {
    await keep('a', undefined, { owner: 'you' });
    await keep('b', 'a');
    expect(await chainOf('me', 'b')).toEqual({ items: [], broken: 'a' });
  });

  it('that is too much to read is not read', async () => {
    await keep('a');
    await keep('b', 'a');
    const size = JSON.stringify((await chainOf('me', 'b')).items).length;
    expect(await chainOf('me', 'b', size)).not.toHaveProperty('tooLong');
    expect(await chainOf('me', 'b', size / 2)).toEqual({ items: [], tooLong: true });
  });

  it('has an end', async () => {
    const rows = Array.from({ length: longestChain + 1 }, (_, index) => ({
      id: `r${index}`,
      owner: 'me',
      previous_id: index === 0 ? null : `r${index - 1}`,
      status: 'completed' as const,
      body: '{}',
      size: 2,
      events: null,
      pid: null,
      pid_started: null,
      host: null,
      created_at: Date.now(),
    }));
    for (let from = 0; from < rows.length; from += 500) {
      await store.db
        .insertInto('responses')
        .values(rows.slice(from, from + 500))
        .execute();
    }
    expect(await chainOf('me', `r${longestChain}`)).toMatchObject({ tooLong: true });
    expect(await chainOf('me', `r${longestChain - 1}`)).toEqual({ items: [] });
  });
});

describe('a response that is not over', () => {
  it('goes on, and ends once', async () => {
    await keep('a', undefined, { status: 'queued' });
    const change = { body: { id: 'a' }, output: [] };
    expect(await updateResponse(store, 'a', { ...change, status: 'in_progress' })).toBe(true);
    expect(await findResponse(store, 'me', 'a')).toMatchObject({ status: 'in_progress', lost: false });
    const end = {
      status: 'completed' as const,
      body: { id: 'a', done: true },
      output: [item('o')],
      events: [{ type: 'x' }],
    };
    expect(await updateResponse(store, 'a', end)).toBe(true);
    expect(await updateResponse(store, 'a', { ...end, status: 'cancelled' })).toBe(false);
    expect(await findResponse(store, 'me', 'a')).toMatchObject({
      status: 'completed',
      body: { done: true },
      output: [item('o')],
      events: [{ type: 'x' }],
    });
  });

  it('is lost when its process is gone', async () => {
    await keep('a', undefined, { status: 'queued' });
    expect((await findResponse(store, 'me', 'a'))?.lost).toBe(false);
    await store.db.updateTable('responses').set({ pid_started: 'long ago' }).execute();
    expect((await findResponse(store, 'me', 'a'))?.lost).toBe(process.platform === 'linux');
    await store.db
      .updateTable('responses')
      .set({ pid: 2 ** 30, pid_started: null })
      .execute();
    expect((await findResponse(store, 'me', 'a'))?.lost).toBe(true);
  });
});
