// llama-server and Ollama, where they are on PATH: each with as many slots as there are requests, through its own
// streaming HTTP endpoint, with the same sampling as ours.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { childrenOf, freePort, untilOk } from '../server-process.ts';
import { type Contender, ended, peakBytes, type Session } from './contender.ts';
import { streamLines } from './event-stream.ts';
import { type Generate, type Load, runRound } from './loads.ts';

const threads = cpus().length;
const sampling = { temperature: 0.7, top_k: 40, top_p: 0.95, min_p: 0.05 };

/** Where a program lies on PATH; undefined where it does not. */
function onPath(program: string): string | undefined {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, program))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

function contender(program: string, open: (file: string, model: string, load: Load) => Promise<Session>): Contender {
  const file = onPath(program);
  if (file === undefined) return { name: program, absent: 'not on PATH', open: () => Promise.reject() };
  return { name: program, open: (model, load) => open(file, model, load) };
}

function session(child: ChildProcess, load: Load, generate: Generate, cleanUp = () => {}): Session {
  const pid = child.pid as number;
  return {
    round: (prompts) => runRound(load, prompts, generate),
    peakBytes: () => [pid, ...childrenOf(pid)].reduce((sum, each) => sum + peakBytes(each), 0),
    async close() {
      await ended(child);
      cleanUp();
    },
  };
}

/** Takes tokens as the prompt, and goes on past the tokens that end an answer. */
export const llamaServer = contender('llama-server', async (file, model, load) => {
  const port = await freePort();
  const child = spawn(
    file,
    [
      ...['-m', model, '--host', '127.0.0.1', '--port', String(port), '-t', String(threads), '-ngl', '0'],
      ...['-np', String(load.sequences), '-c', String(load.contextTokens * load.sequences)],
    ],
    { stdio: 'ignore' },
  );
  await untilOk(`http://127.0.0.1:${port}/health`, child);
  return session(child, load, async (prompt, { outputTokens, seed, onToken, signal }) => {
    let tokens = 0;
    await streamLines({
      port,
      path: '/completion',
      body: {
        prompt: prompt.tokens,
        n_predict: outputTokens,
        ignore_eos: true,
        cache_prompt: true,
        stream: true,
        seed,
        ...sampling,
      },
      onLine(line) {
        if (!line.startsWith('data: ') || line.includes('"stop":true')) return;
        tokens += 1;
        onToken();
      },
      ...(signal ? { signal } : {}),
    });
    return tokens;
  });
});

/** Takes the rendered text as it is. */
export const ollama = contender('ollama', async (file, model, load) => {
  const home = mkdtempSync(path.join(tmpdir(), 'freehold-bench-ollama-'));
  const port = await freePort();
  const env = {
    ...process.env,
    HOME: home,
    OLLAMA_HOST: `127.0.0.1:${port}`,
    OLLAMA_MODELS: path.join(home, 'models'),
    OLLAMA_NUM_PARALLEL: String(load.sequences),
    OLLAMA_CONTEXT_LENGTH: String(load.contextTokens),
    OLLAMA_MAX_QUEUE: '1024',
  };
  const child = spawn(file, ['serve'], { env, stdio: 'ignore' });
  await untilOk(`http://127.0.0.1:${port}/`, child);
  const modelfile = path.join(home, 'Modelfile');
  writeFileSync(modelfile, `FROM ${model}\n`);
  execFileSync(file, ['create', 'bench', '-f', modelfile], { env, stdio: 'ignore' });
  const generate: Generate = async (prompt, { outputTokens, seed, onToken, signal }) => {
    let tokens = 0;
    await streamLines({
      port,
      path: '/api/generate',
      body: {
        model: 'bench',
        prompt: prompt.rendered,
        raw: true,
        stream: true,
        options: { ...sampling, seed, num_predict: outputTokens, num_ctx: load.contextTokens, num_thread: threads },
      },
      onLine(line) {
        if (line.includes('"error":')) throw new Error(line);
        if (line.includes('"done":true')) {
          tokens = (JSON.parse(line) as { eval_count?: number }).eval_count ?? tokens;
          return;
        }
        tokens += 1;
        onToken();
      },
      ...(signal ? { signal } : {}),
    });
    return tokens;
  };
  return session(child, load, generate, () => rmSync(home, { recursive: true, force: true }));
});
