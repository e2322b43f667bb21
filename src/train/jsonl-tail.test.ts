import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { followHistory } from './history.ts';
import { tailJsonl } from './jsonl-tail.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'freehold-tail-'));
  file = path.join(folder, 'metrics.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the tail of a file of JSON lines', () => {
  it('gives each line once, when it is whole', async () => {
    const tail = tailJsonl(file);
    expect(await tail.read()).toEqual({ lines: [], again: false });
    appendFileSync(file, '{"step":1}\n{"step"');
    expect((await tail.read()).lines).toEqual([{ step: 1 }]);
    expect((await tail.read()).lines).toEqual([]);
    appendFileSync(file, ':"ä');
    expect((await tail.read()).lines).toEqual([]);
    appendFileSync(file, '"}\n');
    expect((await tail.read()).lines).toEqual([{ step: 'ä' }]);
  });

  it('leaves out what is no JSON', async () => {
    writeFileSync(file, '{"step":1}\n{"st{"step":2}\n\n{"step":3}\n');
    expect((await tailJsonl(file).read()).lines).toEqual([{ step: 1 }, { step: 3 }]);
  });

  it('begins again when the file was cut or replaced', async () => {
    writeFileSync(file, '{"step":1}\n{"step":2}\n');
    const tail = tailJsonl(file);
    await tail.read();
    truncateSync(file, 11);
    expect(await tail.read()).toEqual({ lines: [{ step: 1 }], again: true });
    writeFileSync(`${file}.new`, '{"step":1}\n{"step":5}\n');
    renameSync(`${file}.new`, file);
    expect(await tail.read()).toEqual({ lines: [{ step: 1 }, { step: 5 }], again: true });
  });
});

describe('the history of a run', () => {
  it('tells steps that were done again once, as they were the last time', async () => {
    const follower = followHistory(folder);
    expect(await follower.update()).toBe(false);
    writeFileSync(file, '{"step":1,"loss":3}\n{"step":2,"loss":2}\n{"step":3,"loss":1}\n');
    expect(await follower.update()).toBe(true);
    appendFileSync(file, '{"step":2,"loss":9}\n{"other":1}\nnull\n');
    await follower.update();
    expect(follower.history.metrics).toMatchObject([{ step: 1 }, { step: 2, loss: 9 }]);
    writeFileSync(path.join(folder, 'samples.jsonl'), '{"step":1,"prompt":"","text":"a","at":""}\n');
    expect(await follower.update()).toBe(true);
    expect(follower.history.samples).toHaveLength(1);
    expect(await follower.update()).toBe(false);
  });
});
