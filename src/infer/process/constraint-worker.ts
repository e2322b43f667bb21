// The thread that compiles JSON schemas for constraint-compiler.ts: each message is a schema's JSON, each answer its
// grammar or what is wrong with it. Without native code and without state.
import { parentPort } from 'node:worker_threads';
import { FreeholdError, invariant, toErrorRecord } from '../../lib/errors.ts';
import { compileSchema } from '../grammar/compile-schema.ts';
import type { Verdict } from './constraint-compiler.ts';

invariant(parentPort, 'the schema compiler runs on a thread of its own');
const port = parentPort;

port.on('message', (schema: string) => port.postMessage(verdictOf(schema)));

function verdictOf(schema: string): Verdict {
  try {
    return { grammar: compileSchema(JSON.parse(schema)) };
  } catch (error) {
    if (!(error instanceof FreeholdError)) throw error;
    return { error: toErrorRecord(error) };
  }
}
