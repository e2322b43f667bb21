// The thread that counts pieces of text and encodes it, for pool.ts: each message is one task, each answer its result, in
// order. Without native code.
import { parentPort } from 'node:worker_threads';
import { invariant } from '../../lib/errors.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer.ts';
import { createPieceCounter, type PieceCounter } from '../train/count-pieces.ts';
import type { Answer, Task } from './pool.ts';

invariant(parentPort, 'the tokenizer thread is a thread of its own');
const port = parentPort;
let counter: PieceCounter | undefined;
let tokenizer: Tokenizer | undefined;

port.on('message', (task: Task) => {
  const { answer, transfer } = answerTo(task);
  port.postMessage(answer, transfer);
});

function answerTo(task: Task): { answer: Answer; transfer: ArrayBuffer[] } {
  switch (task.kind) {
    case 'use': {
      tokenizer = createTokenizer(task.vocabulary);
      return { answer: { kind: 'done' }, transfer: [] };
    }
    case 'encode': {
      invariant(tokenizer, 'a thread encodes once it was given a vocabulary');
      const ids = tokenizer.encode(task.bytes) as Int32Array<ArrayBuffer>;
      return { answer: { kind: 'ids', ids }, transfer: [ids.buffer] };
    }
    case 'count': {
      counter ??= createPieceCounter(task.preTokenizer);
      let from = 0;
      for (const end of task.ends) {
        counter.add(task.bytes.subarray(from, end));
        from = end;
      }
      return { answer: { kind: 'done' }, transfer: [] };
    }
    case 'counts': {
      const counts = counter?.counts();
      counter = undefined;
      return { answer: { kind: 'counts', counts }, transfer: [] };
    }
    default:
      return task satisfies never;
  }
}
