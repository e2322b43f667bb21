// Ours in process: the program of a model process itself, its messages handed over here in place of crossing to a server.

import type { FromProcess, LoadOptions, ToProcess } from '../../src/infer/protocol.ts';
import type { GenerateRequest } from '../../src/lib/text-model.ts';
import { serveRounds } from './contender.ts';
import { homeWithTuning } from './tuned-home.ts';

interface Listener {
  onToken: () => void;
  onEnd: (outputTokens: number) => void;
  onFailure: (error: Error) => void;
}

/** Starts the program, from dist/, in this process. @returns how to tell it something */
async function modelProcess(onMessage: (message: FromProcess) => void): Promise<(message: ToProcess) => void> {
  const known = new Set(process.listeners('message'));
  await import(new URL('../../dist/infer/process/main.js', import.meta.url).href);
  const listener = process.listeners('message').find((each) => !known.has(each));
  if (!listener) throw new Error('the model process listens to nothing');
  process.off('message', listener);
  process.send = (message: FromProcess) => {
    onMessage(message);
    return true;
  };
  return (message) => listener(message, undefined);
}

serveRounds(async (file, load) => {
  const listeners = new Map<number, Listener>();
  let whenLoaded = (_error?: Error) => {};
  const tell = await modelProcess((message) => {
    switch (message.type) {
      case 'loaded':
        return whenLoaded();
      case 'load-failed':
        return whenLoaded(new Error(message.error.message));
      case 'events':
        for (const { id, event } of message.items) {
          if (event.type === 'text-delta') listeners.get(id)?.onToken();
          else if (event.type === 'usage') listeners.get(id)?.onEnd(event.outputTokens);
        }
        return;
      case 'failed':
        return listeners.get(message.id)?.onFailure(new Error(message.error.message));
    }
  });
  const options: LoadOptions = {
    name: 'bench',
    file,
    contextTokens: load.contextTokens,
    maxSequences: load.sequences,
    threads: 0,
    device: 'cpu',
    libDir: '',
    home: homeWithTuning(),
    queueLimit: 1024,
  };
  await new Promise<void>((resolve, reject) => {
    whenLoaded = (error) => (error ? reject(error) : resolve());
    tell({ type: 'load', options });
  });
  let lastId = 0;
  return (prompt, { outputTokens, seed, onToken, signal }) => {
    const id = ++lastId;
    const request: GenerateRequest = {
      messages: [{ role: 'user', content: [{ type: 'text', text: prompt.text }] }],
      maxTokens: outputTokens,
      sampling: { seed },
      ignoreEnd: true,
      tenant: 'bench',
      traceId: 'bench',
    };
    return new Promise<number>((resolve, reject) => {
      let tokens = 0;
      listeners.set(id, {
        onToken: () => {
          tokens += 1;
          onToken();
        },
        onEnd: resolve,
        onFailure: (error) => (signal?.aborted ? resolve(tokens) : reject(error)),
      });
      signal?.addEventListener('abort', () => tell({ type: 'cancel', id }), { once: true });
      tell({ type: 'generate', id, request });
    }).finally(() => listeners.delete(id));
  };
});
