// The thread that compiles JSON schemas for constraint-compiler.ts: each message is a schema's JSON, or one to be relaxed
// where it cannot be enforced; each answer its grammar or what is wrong with it. Without native code and without state.
import { parentPort } from 'node:worker_threads';
import { FreeholdError, invariant, toErrorRecord } from '../../lib/errors.ts';
import { compileSchema } from '../grammar/compile-schema.ts';
import { compileRelaxed } from '../grammar/relaxed-schema.ts';
import type { SchemaMessage, Verdict } from './constraint-compiler.ts';

invariant(parentPort, 'the schema compiler runs on a thread of its own');
const port = parentPort;

port.on('message', (message: SchemaMessage) => port.postMessage(verdictOf(message)));

function verdictOf(message: SchemaMessage): Verdict {
  try {
    if (typeof message === 'string') return { grammar: compileSchema(JSON.parse(message)) };
    return { grammar: compileRelaxed(message.relaxed) };
  } catch (error) {
    if (!(error instanceof FreeholdError)) throw error;
    return { error: toErrorRecord(error) };
  }
}
