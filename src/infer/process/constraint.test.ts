import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadNative, type Native } from '../../native/ffi.ts';
import { Grammar } from '../../native/grammar.ts';
import { Model } from '../../native/llama.ts';
import { type Constraint, createConstraint, maxSchemaLength } from './constraint.ts';

let native: Native;
let model: Model;

beforeAll(async () => {
  native = loadNative({ device: 'cpu' });
  model = await Model.load(native, { file: path.join(import.meta.dirname, '../../../test/fixtures/tiny.gguf') });
});

afterAll(() => model.dispose());

const constraint = (schema: Record<string, unknown>, signal?: AbortSignal) =>
  createConstraint(native, model, schema, signal);

/** Goes on with the tokens of a text. */
function write(made: Constraint, text: string): void {
  for (const token of model.vocabulary.tokenize(text)) made.accept(token);
}

/** Bytes of every token that may come next; the ends as `end`. */
function next(made: Constraint): string[] {
  const { vocabulary } = model;
  const tokens = Int32Array.from({ length: vocabulary.size }, (_, token) => token);
  const logits = new Float32Array(vocabulary.size);
  made.mask(tokens, logits, vocabulary.size);
  const texts = [...tokens].flatMap((token) => {
    if (logits[token] !== 0) return [];
    return vocabulary.isEndOfGeneration(token) ? ['end'] : [Buffer.from(vocabulary.bytesOf(token)).toString('latin1')];
  });
  return [...new Set(texts)].sort();
}

describe('a constraint', () => {
  it('allows what the schema allows, and the end where the text is complete', async () => {
    const made = await constraint({ enum: [true, 'x'] });
    expect(next(made).map((text) => text[0])).not.toContain('f');
    expect(made.mayEnd()).toBe(false);
    write(made, '"x"');
    expect([made.mayEnd(), next(made)]).toEqual([true, ['end']]);
    made.dispose();
    made.dispose();
  });

  it('leaves no room for endless white space: not before the text, not after it, and little inside', async () => {
    const made = await constraint({ type: 'object', properties: { a: { type: 'array' } }, required: ['a'] });
    const blank = (text: string) => /^\s/.test(text);
    expect(next(made).filter(blank)).toEqual([]);
    write(made, '{\n');
    write(made, ' '.repeat(40));
    expect(next(made).filter(blank)).toEqual([]);
    write(made, '"a": []\n}');
    expect(next(made)).toEqual(['end']);
    made.dispose();
  });

  it('is independent of others of the same schema', async () => {
    const [one, two] = await Promise.all([constraint({ const: 12 }), constraint({ const: 12 })]);
    write(one as Constraint, '12');
    expect([one?.mayEnd(), two?.mayEnd()]).toEqual([true, false]);
    one?.dispose();
    expect(next(two as Constraint).some((text) => text.startsWith('1'))).toBe(true);
    two?.dispose();
  });

  it('is read once for a schema, however often it comes', async () => {
    const create = vi.spyOn(Grammar, 'create');
    const schema = { const: 'read once' };
    const made = await Promise.all(Array.from({ length: 8 }, () => constraint(schema)));
    made.push(await constraint({ ...schema }));
    expect(create).toHaveBeenCalledTimes(1);
    create.mockRestore();
    for (const each of made) each.dispose();
  });

  it('copies nothing before its first token, however many wait', async () => {
    const clone = vi.spyOn(Grammar.prototype, 'clone');
    const made = await Promise.all(Array.from({ length: 8 }, () => constraint({ const: 'waiting' })));
    expect(made.map((each) => each.mayEnd())).not.toContain(true);
    expect(clone).not.toHaveBeenCalled();
    write(made[0] as Constraint, '"wai');
    expect(clone).toHaveBeenCalledTimes(1);
    clone.mockRestore();
    for (const each of made) each.dispose();
    expect(() => made[1]?.mayEnd()).toThrow(/disposal/);
  });

  it('stays usable while others push its schema out', async () => {
    const made = await constraint({ const: 'old' });
    for (let i = 0; i < 270; i++) (await constraint({ const: `newer ${i}` })).dispose();
    write(made, '"old"');
    expect(made.mayEnd()).toBe(true);
    made.dispose();
  });

  it('may be of a value with text around it, which it shares with no other text', async () => {
    const frames = [
      { before: '", "arguments": ', after: '}\n' },
      { before: '', after: ']' },
      { before: 'é: ', after: '' },
    ];
    for (const { before, after } of frames) {
      const made = await createConstraint(native, model, { const: 'framed' }, undefined, { before, after });
      write(made, `${before}"fra`);
      write(made, 'med"');
      expect(made.mayEnd()).toBe(after === '');
      write(made, after);
      expect(next(made)).toEqual(['end']);
      made.dispose();
    }
    expect((await constraint({ const: 'framed' })).allows(model.vocabulary.tokenize('"')[0] as number)).toBe(true);
  });

  it('goes on from where it was copied', async () => {
    const first = await createConstraint(native, model, { enum: ['ab', 'ac'] });
    const begun = first.clone();
    write(begun, '"a');
    const [one, two] = [begun.clone(), begun.clone()];
    begun.dispose();
    first.dispose();
    write(one, 'b"');
    write(two, 'c"');
    expect([one.mayEnd(), two.mayEnd()]).toEqual([true, true]);
    one.dispose();
    two.dispose();
  });

  it('comes for more schemas than are kept', async () => {
    for (let i = 0; i < 270; i++) (await constraint({ const: `number ${i}` })).dispose();
    const again = await constraint({ const: 'number 0' });
    write(again, '"number 0"');
    expect(again.mayEnd()).toBe(true);
    again.dispose();
  });
});

describe('a schema that cannot be enforced', () => {
  it('is an error that names the place, the second time too', async () => {
    const schema = { type: 'object', properties: { a: { type: 'string', not: {} } } };
    for (let time = 0; time < 2; time++) {
      await expect(constraint(schema)).rejects.toMatchObject({
        code: 'unsupported',
        field: '#/properties/a/not',
      });
    }
    await expect(constraint({ type: 'string', minLength: 'many' })).rejects.toMatchObject({
      code: 'invalid_request',
      field: '#/minLength',
    });
  });

  it('is one that is too long', async () => {
    const long = { const: 'x'.repeat(maxSchemaLength) };
    await expect(constraint(long)).rejects.toMatchObject({ code: 'unsupported', field: '#' });
  });
});

describe('whoever stops waiting', () => {
  it('is told so, and others who wait for the same schema are not', async () => {
    const abort = new AbortController();
    const schema = { const: 'waited for' };
    const outcomes = Promise.allSettled([constraint(schema, abort.signal), constraint(schema)]);
    abort.abort();
    const [left, stayed] = await outcomes;
    expect(left).toMatchObject({ status: 'rejected', reason: { code: 'cancelled' } });
    expect(stayed).toMatchObject({ status: 'fulfilled' });
    if (stayed.status === 'fulfilled') stayed.value.dispose();
  });

  it('leaves nothing behind that the next one would meet', async () => {
    const abort = new AbortController();
    const schema = { const: 'deserted' };
    const left = constraint(schema, abort.signal);
    abort.abort();
    await expect(left).rejects.toMatchObject({ code: 'cancelled' });
    await expect(constraint(schema, abort.signal)).rejects.toMatchObject({ code: 'cancelled' });
    (await constraint(schema)).dispose();
  });
});
