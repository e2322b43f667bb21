// Freehold's own server, from dist/, with the stub for a model; everything else is as `freehold up` has it: keys in a
// database on disk, metrics, and a log line for each request, dropped by the system.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type Profiler, Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { answerQuestions } from './child.ts';
import { cpuMs, memory, type ServerAnswer, type ServerQuestion } from './serving.ts';
import { createStub } from './stub.ts';

const built = <Module>(file: string): Promise<Module> =>
  import(new URL(`../../${process.env.BENCH_DIST ?? 'dist'}/${file}`, import.meta.url).href);
const home = mkdtempSync(path.join(tmpdir(), 'freehold-bench-'));
process.on('exit', () => rmSync(home, { recursive: true, force: true }));
const stub = createStub();
let session: Session | undefined;

answerQuestions<ServerQuestion, ServerAnswer>(async (question) => {
  switch (question.type) {
    case 'start': {
      const { startServer } = await built<typeof import('../../src/server/start.ts')>('server/start.js');
      const { resolveConfig } = await built<typeof import('../../src/lib/config.ts')>('lib/config.js');
      const { createLogger } = await built<typeof import('../../src/lib/log.ts')>('lib/log.js');
      const config = { ...resolveConfig({}, {}, home).values, home, port: 0, defaultModel: 'stub' };
      const file = path.join(home, 'stub.gguf');
      writeFileSync(file, 'GGUF');
      const server = await startServer(config, createLogger(config.logLevel), {
        open: async () => stub.model,
        find: async (name) => (name === 'stub' ? { name, file } : undefined),
        plan: async () => ({ contextTokens: 4096, sequences: 8 }),
        names: async () => ({ here: ['stub'], catalogue: [] }),
        listModels: async () => [],
      });
      return { port: server.port, key: server.firstAdminKey as string };
    }
    case 'cpu':
      return { cpuMs: cpuMs() };
    case 'memory':
      return memory();
    case 'aborts':
      return { abortsMs: stub.takeAborts() };
    case 'profile':
      await profile(question.on);
      return {};
    default:
      return question satisfies never;
  }
});

/** Where the time goes: BENCH_PROFILE names the file for Chrome's developer tools. */
async function profile(on: boolean): Promise<void> {
  if (on) {
    session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 200 });
    await session.post('Profiler.start');
    return;
  }
  const stopped: Profiler.StopReturnType | undefined = await session?.post('Profiler.stop');
  if (stopped) writeFileSync(process.env.BENCH_PROFILE as string, JSON.stringify(stopped.profile));
}
