import { describe, expect, it } from 'vitest';
import { createSchemaCompiler, type SchemaCompilerOptions } from './constraint-compiler.ts';

/** A thread that does what each message says, and counts how many it has had. */
const program = `
  import { parentPort } from 'node:worker_threads';
  let count = 0;
  parentPort.on('message', (schema) => {
    count += 1;
    if (schema === 'loop') for (;;);
    if (schema === 'fill') for (const all = []; ; ) all.push({ a: [all.length] });
    if (schema === 'throw') throw new Error('broken');
    parentPort.postMessage({ grammar: schema + count });
  });
`;
const compiler = (options: SchemaCompilerOptions = {}) =>
  createSchemaCompiler({ entry: new URL(`data:text/javascript,${encodeURIComponent(program)}`), ...options });
const failure = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('the schema compiler', () => {
  it('answers in order, with one thread for all', async () => {
    const { compile } = compiler();
    const verdicts = await Promise.all(['a', 'b', 'c'].map((schema) => compile(schema)));
    expect(verdicts).toEqual([{ grammar: 'a1' }, { grammar: 'b2' }, { grammar: 'c3' }]);
  });

  it('takes the shortest of those that wait first', async () => {
    const { compile } = compiler();
    const verdicts = await Promise.all(
      ['first', 'longest of all', 'long one', 'b', 'c'].map((schema) => compile(schema)),
    );
    expect(verdicts.map((verdict) => 'grammar' in verdict && verdict.grammar.at(-1))).toEqual([
      '1',
      '5',
      '4',
      '2',
      '3',
    ]);
  });

  it('lets only a few shorter ones pass the oldest', async () => {
    const { compile } = compiler();
    const done: string[] = [];
    const schemas = ['first', 'a long one', 'longer than all', 'b', 'c', 'd', 'e', 'f', 'g'];
    await Promise.all(schemas.map((schema) => compile(schema).then(() => done.push(schema))));
    expect(done).toEqual(['first', 'b', 'c', 'd', 'e', 'a long one', 'f', 'g', 'longer than all']);
  });

  it('compiles what a program asks for into a grammar, and says what is wrong with a schema', async () => {
    const { compile } = createSchemaCompiler();
    expect(await compile('{"type":"boolean"}')).toEqual({ grammar: expect.stringMatching(/^root ::= /) });
    expect(await compile('{"type":"string","not":"base64"}')).toMatchObject({
      error: { code: 'unsupported', field: '#/not' },
    });
    expect(await compile('{"type":"object","not":{}}', undefined, true)).toEqual({
      grammar: expect.stringMatching(/^root ::= /),
    });
  });

  it('gives up on a schema that takes too long, and goes on with the next', async () => {
    const { compile } = compiler({ limitMs: 200 });
    const [slow, next] = await Promise.allSettled([compile('loop'), compile('a')]);
    expect(slow).toEqual({ status: 'rejected', reason: failure('invalid_request', '0.2 seconds') });
    expect(next).toEqual({ status: 'fulfilled', value: { grammar: 'a1' } });
  });

  it('gives up on a schema that takes too much memory, and goes on with the next', async () => {
    const { compile } = compiler({ limitMs: 30_000, memoryMb: 16 });
    const [large, next] = await Promise.allSettled([compile('fill'), compile('a')]);
    expect(large).toEqual({ status: 'rejected', reason: failure('invalid_request', 'memory') });
    expect(next).toEqual({ status: 'fulfilled', value: { grammar: 'a1' } });
  });

  it('survives a bug in the thread', async () => {
    const { compile } = compiler();
    const [broken, next] = await Promise.allSettled([compile('throw'), compile('a')]);
    expect(broken).toEqual({ status: 'rejected', reason: failure('internal') });
    expect(next).toEqual({ status: 'fulfilled', value: { grammar: 'a1' } });
  });

  it('lets only so many wait', async () => {
    const { compile } = compiler({ queueLimit: 2 });
    const [, , , refused, later] = await Promise.allSettled(['a', 'b', 'c', 'd'].map((schema) => compile(schema))).then(
      async (first) => [...first, ...(await Promise.allSettled([compile('e')]))],
    );
    expect(refused).toEqual({ status: 'rejected', reason: failure('overloaded') });
    expect(later).toMatchObject({ status: 'fulfilled' });
  });

  it('forgets what nobody waits for any more', async () => {
    const { compile } = compiler();
    const abort = new AbortController();
    const outcomes = [compile('a'), compile('b', abort.signal), compile('c')];
    abort.abort();
    const [a, b, c] = await Promise.allSettled(outcomes);
    expect([a, c]).toMatchObject([{ value: { grammar: 'a1' } }, { value: { grammar: 'c2' } }]);
    expect(b).toEqual({ status: 'rejected', reason: failure('cancelled') });
    await expect(compile('d', abort.signal)).rejects.toEqual(failure('cancelled'));
  });

  it('has no thread where it has no work', async () => {
    const made = compiler({ idleMs: 1 });
    expect(made.running).toBe(false);
    await made.compile('a');
    await expect.poll(() => made.running).toBe(false);
    expect(await made.compile('b')).toEqual({ grammar: 'b1' });
  });
});
