import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  claimJob,
  createJob,
  deleteJob,
  failQueuedJob,
  findJob,
  finishJob,
  heartbeat,
  type Job,
  listJobs,
  requestJob,
  requeueJob,
} from './jobs.ts';
import { openStore, type Store } from './open.ts';

let home: string;
let store: Store;
let count = 0;
const children: ChildProcess[] = [];
beforeEach(() => {
  home = mkdtempSync(path.join(tmpdir(), 'freehold-jobs-'));
  store = openStore(home);
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await store.close();
  rmSync(home, { recursive: true, force: true });
});

const queue = (name = `run-${++count}`): Promise<Job> =>
  createJob(store, { kind: 'train', name, folder: `runs/${name}` });

/** What a job's row holds is changed behind the functions' back: time passing, another machine. */
const change = (id: string, columns: object) =>
  store.db.updateTable('jobs').set(columns).where('id', '=', id).execute();

/** Runs code in another process that has the same database open. @returns it, and the first line it says */
function elsewhere(code: string): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      `import { openStore } from ${JSON.stringify(path.join(import.meta.dirname, 'open.ts'))};
       import * as jobs from ${JSON.stringify(path.join(import.meta.dirname, 'jobs.ts'))};
       const store = openStore(${JSON.stringify(home)});
       const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
       ${code}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  children.push(child);
  return new Promise((resolve, reject) => {
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('\n')) resolve({ child, said: said.slice(0, said.indexOf('\n')) });
    });
    child.once('exit', (status) => reject(new Error(`said nothing and ended with ${status}`)));
  });
}

const killed = (child: ChildProcess) =>
  new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGKILL');
  });

describe('a job', () => {
  it('is queued, worked on with progress, and ends', async () => {
    const { id } = await queue();
    expect(await findJob(store, id)).toMatchObject({ state: 'queued', progress: undefined, startedAt: undefined });
    const claim = await claimJob(store, id);
    expect(await heartbeat(store, claim, { step: 3 })).toEqual({ requested: undefined });
    expect(await heartbeat(store, claim)).toEqual({ requested: undefined });
    const running = await findJob(store, id);
    expect(running).toMatchObject({ state: 'running', progress: { step: 3 }, pid: process.pid });
    expect(await finishJob(store, claim, { state: 'succeeded', progress: { step: 4 } })).toBe(true);
    const ended = await findJob(store, id);
    expect(ended).toMatchObject({ state: 'succeeded', progress: { step: 4 }, startedAt: running?.startedAt });
    expect(ended?.finishedAt).toBeTypeOf('number');
    await expect(requeueJob(store, id)).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('keeps the error it failed with until it is started again', async () => {
    const { id } = await queue();
    const error = { code: 'disk_full', message: 'full', hint: 'free some' } as const;
    await finishJob(store, await claimJob(store, id), { state: 'failed', error });
    expect(await findJob(store, id)).toMatchObject({ state: 'failed', error });
    await requeueJob(store, id);
    expect(await findJob(store, id)).toMatchObject({ state: 'queued', error: undefined, finishedAt: undefined });
  });

  it('has a name and a folder of its own', async () => {
    await createJob(store, { kind: 'train', name: 'a', folder: 'runs/1' });
    const taken = { code: 'name_taken', message: expect.stringContaining('"') };
    await expect(createJob(store, { kind: 'train', name: 'a', folder: 'runs/2' })).rejects.toMatchObject(taken);
    await expect(createJob(store, { kind: 'train', name: 'b', folder: 'runs/1' })).rejects.toMatchObject(taken);
    await createJob(store, { kind: 'other', name: 'a', folder: 'others/1' });
    expect((await listJobs(store, 'train')).map(({ name }) => name)).toEqual(['a']);
  });

  it('is taken by one process of many, and by none unless it is queued', async () => {
    const { id } = await queue();
    const claims = await Promise.allSettled(Array.from({ length: 5 }, () => claimJob(store, id)));
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await expect(claimJob(store, id)).rejects.toMatchObject({ code: 'in_use' });
    await expect(claimJob(store, 'nobody')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is taken by one of several processes that race for it', async () => {
    const { id } = await queue();
    const race = `const claim = await jobs.claimJob(store, ${JSON.stringify(id)}).then(() => 'taken', (e) => e.code); say(claim); setInterval(() => {}, 1000);`;
    const said = (await Promise.all([race, race, race].map(elsewhere))).map((each) => JSON.parse(each.said));
    expect(said.toSorted()).toEqual(['in_use', 'in_use', 'taken']);
  });

  it('hears a wish once its process looks, and forgets it when the process ends', async () => {
    const { id } = await queue();
    const claim = await claimJob(store, id);
    expect(await requestJob(store, id, 'pause')).toMatchObject({ state: 'running', requested: 'pause' });
    expect(await heartbeat(store, claim)).toEqual({ requested: 'pause' });
    await requestJob(store, id, 'stop');
    expect(await heartbeat(store, claim)).toEqual({ requested: 'stop' });
    await finishJob(store, claim, { state: 'paused' });
    expect(await findJob(store, id)).toMatchObject({ state: 'paused', requested: undefined });
  });

  it('that waits for its process hears a wish as soon as it is taken', async () => {
    const { id } = await queue();
    await requestJob(store, id, 'stop');
    expect(await heartbeat(store, await claimJob(store, id))).toEqual({ requested: 'stop' });
  });

  it('that nobody works on is stopped by the wish alone; one that ended stays as it was', async () => {
    const { id } = await queue();
    await finishJob(store, await claimJob(store, id), { state: 'paused' });
    expect(await requestJob(store, id, 'pause')).toMatchObject({ state: 'paused' });
    expect(await requestJob(store, id, 'stop')).toMatchObject({ state: 'cancelled', requested: undefined });
    expect(await requestJob(store, id, 'pause')).toMatchObject({ state: 'cancelled', requested: undefined });
    await expect(requestJob(store, 'nobody', 'stop')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('is started again by one of many who want to', async () => {
    const { id } = await queue();
    await finishJob(store, await claimJob(store, id), { state: 'paused' });
    const starts = await Promise.allSettled(Array.from({ length: 4 }, () => requeueJob(store, id)));
    expect(starts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    await claimJob(store, id);
    await expect(requeueJob(store, id)).rejects.toMatchObject({ code: 'in_use' });
  });

  it('is deleted only when no process works on it', async () => {
    const { id } = await queue();
    await expect(deleteJob(store, id)).rejects.toMatchObject({ code: 'in_use' });
    const claim = await claimJob(store, id);
    await expect(deleteJob(store, id)).rejects.toMatchObject({ code: 'in_use' });
    await finishJob(store, claim, { state: 'cancelled' });
    await deleteJob(store, id);
    expect(await findJob(store, id)).toBeUndefined();
    expect(await heartbeat(store, claim)).toBeUndefined();
    expect(await finishJob(store, claim, { state: 'succeeded' })).toBe(false);
  });

  it('whose process did not start is failed, unless it was taken meanwhile', async () => {
    const error = { code: 'internal', message: 'no' } as const;
    const [first, second] = [await queue(), await queue()];
    await claimJob(store, second.id);
    await failQueuedJob(store, first.id, error);
    await failQueuedJob(store, second.id, error);
    expect([await findJob(store, first.id), await findJob(store, second.id)]).toMatchObject([
      { state: 'failed', error },
      { state: 'running', error: undefined },
    ]);
  });
});

describe('a job whose process dies', () => {
  it('by kill -9 is interrupted at once, keeps the progress it told, and can be started again', async () => {
    const { id } = await queue();
    const { child, said } = await elsewhere(`
      const claim = await jobs.claimJob(store, ${JSON.stringify(id)});
      await jobs.heartbeat(store, claim, { step: 41 });
      say(claim);
      setInterval(() => {}, 1000);`);
    expect(await findJob(store, id)).toMatchObject({ state: 'running', pid: child.pid });
    await killed(child);
    expect(await findJob(store, id)).toMatchObject({ state: 'interrupted', progress: { step: 41 } });
    await requeueJob(store, id);
    const mine = await claimJob(store, id);
    // the dead one's lease is worth nothing, even if it came back
    expect(await heartbeat(store, JSON.parse(said))).toBeUndefined();
    expect(await heartbeat(store, mine)).toEqual({ requested: undefined });
  });

  it('told progress that was acknowledged, whenever it is killed', async () => {
    const { id } = await queue();
    const { child } = await elsewhere(`
      const claim = await jobs.claimJob(store, ${JSON.stringify(id)});
      for (let step = 1; ; step++) { await jobs.heartbeat(store, claim, { step }); say(step); }`);
    let told = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      told += chunk.toString();
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await killed(child);
    const last = Number(told.slice(0, told.lastIndexOf('\n')).split('\n').at(-1));
    const { progress } = (await findJob(store, id)) as { progress?: { step: number } };
    expect(progress?.step).toBeGreaterThanOrEqual(last);
  });

  it('is deleted and stopped like one that nobody works on', async () => {
    const jobs = [await queue(), await queue()];
    for (const { id } of jobs) {
      await claimJob(store, id);
      await change(id, { pid: 2 ** 30 });
    }
    expect(await requestJob(store, jobs[0]?.id ?? '', 'stop')).toMatchObject({ state: 'cancelled' });
    await deleteJob(store, jobs[1]?.id ?? '');
  });

  it('is told by its lease where its process cannot be asked, and not by a process that has its number now', async () => {
    const { id } = await queue();
    await claimJob(store, id);
    await change(id, { host: 'another-machine' });
    expect(await findJob(store, id)).toMatchObject({ state: 'running' });
    await change(id, { lease_until: Date.now() - 1 });
    expect(await findJob(store, id)).toMatchObject({ state: 'interrupted' });
    const again = await queue();
    await claimJob(store, again.id);
    await change(again.id, { lease_until: Date.now() - 1 });
    // it sleeps, perhaps; it is there
    expect(await findJob(store, again.id)).toMatchObject({ state: 'running' });
    if (process.platform !== 'linux') return;
    await change(again.id, { pid_started: '1' });
    expect(await findJob(store, again.id)).toMatchObject({ state: 'interrupted' });
  });

  it('before it took the job is told by the time', async () => {
    const { id } = await queue();
    await change(id, { lease_until: Date.now() - 1 });
    expect(await findJob(store, id)).toMatchObject({ state: 'interrupted' });
    // one that is only slow may still take it
    await claimJob(store, id);
    expect(await findJob(store, id)).toMatchObject({ state: 'running' });
  });
});

describe('a store of an earlier release', () => {
  it('gets the table and keeps what it has', async () => {
    const { listKeys } = await import('./keys.ts');
    const { migrations } = await import('./schema.ts');
    const { default: Database } = await import('libsql');
    await store.close();
    rmSync(store.file);
    const raw = new Database(store.file);
    for (const statement of migrations[0] ?? []) raw.exec(statement);
    raw.exec(`insert into api_keys values ('key_1', 'first', 'admin', 'hash', 'fh_12345', 1, null, null)`);
    raw.exec('pragma user_version = 1');
    raw.close();
    store = openStore(home);
    await queue();
    expect(await listKeys(store)).toHaveLength(1);
  });
});
