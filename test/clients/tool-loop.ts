// A small coding agent on the Anthropic SDK, as many are built: a loop that hands the model three tools (read a file,
// write a file, run a command), runs what it calls and tells it the results, until it is done. It knows nothing of
// Freehold but a URL and a key.
//
//   npx tsx test/clients/tool-loop.ts --url http://127.0.0.1:4321 --key KEY --model default --folder DIR "TASK"
import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';

export interface AgentTask {
  client: Anthropic;
  model: string;
  /** The only folder it reads and writes; commands run in it, with the rights of this process. */
  folder: string;
  task: string;
  /** Most answers to ask for. Default 20. */
  mostTurns?: number;
  /** Tokens of one answer at most. Default 2,048. */
  maxTokens?: number;
  /** Told what happens, line by line. Default: nobody is. */
  log?: (line: string) => void;
}

export interface AgentResult {
  /** What the model said last. */
  text: string;
  /** Tools it called, in order. */
  called: string[];
  turns: number;
  /** Whether the model ended by itself: neither the turns nor the tokens ran out. */
  done: boolean;
  messages: Anthropic.MessageParam[];
}

const system = `You are a careful programmer. You work in one folder with the tools you have.
Read files before you change them, write whole files, and run the check before you say that you are done.
Paths are relative to the folder. When the task is complete, answer with one short sentence and call no tool.`;

const string = (description: string) => ({ type: 'string' as const, description });

const tools: Anthropic.Tool[] = [
  {
    name: 'read_file',
    description: 'Returns the text of a file.',
    input_schema: { type: 'object', properties: { path: string('Path of the file.') }, required: ['path'] },
  },
  {
    name: 'write_file',
    description: 'Writes a whole file, in place of what it held.',
    input_schema: {
      type: 'object',
      properties: { path: string('Path of the file.'), content: string('All of its text.') },
      required: ['path', 'content'],
    },
  },
  {
    name: 'run',
    description: 'Runs a command in the folder and returns its output and exit code.',
    input_schema: { type: 'object', properties: { command: string('A shell command.') }, required: ['command'] },
  },
];

/** @throws whatever the SDK throws */
export async function runAgent(given: AgentTask): Promise<AgentResult> {
  const { client, model, folder, task, mostTurns = 20, maxTokens = 2048, log = () => {} } = given;
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: task }];
  const called: string[] = [];
  let text = '';
  for (let turn = 1; turn <= mostTurns; turn++) {
    const stream = client.messages.stream({ model, max_tokens: maxTokens, system, tools, messages, temperature: 0 });
    const message = await stream.finalMessage();
    messages.push({ role: 'assistant', content: message.content });
    text = message.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
    if (text !== '') log(`model: ${text}`);
    const uses = message.content.filter((block) => block.type === 'tool_use');
    if (message.stop_reason !== 'tool_use' || uses.length === 0) {
      return { text, called, turns: turn, done: message.stop_reason === 'end_turn', messages };
    }
    const results: Anthropic.ToolResultBlockParam[] = [];
    for (const use of uses) {
      called.push(use.name);
      log(`${use.name} ${JSON.stringify(use.input).slice(0, 200)}`);
      const result = await callTool(use.name, use.input as Record<string, string>, folder);
      log(`  ${result.content.slice(0, 200).replaceAll('\n', '\n  ')}`);
      results.push({ type: 'tool_result', tool_use_id: use.id, content: result.content, is_error: result.failed });
    }
    messages.push({ role: 'user', content: results });
  }
  return { text, called, turns: mostTurns, done: false, messages };
}

interface ToolOutcome {
  content: string;
  failed: boolean;
}

async function callTool(name: string, input: Record<string, string>, folder: string): Promise<ToolOutcome> {
  try {
    switch (name) {
      case 'read_file':
        return { content: await readFile(inside(folder, input.path), 'utf8'), failed: false };
      case 'write_file': {
        const file = inside(folder, input.path);
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, input.content ?? '');
        return { content: `Wrote ${input.path}.`, failed: false };
      }
      case 'run':
        return await run(input.command ?? '', folder);
      default:
        return { content: `There is no tool ${name}.`, failed: true };
    }
  } catch (error) {
    return { content: (error as Error).message, failed: true };
  }
}

/** @throws Error for a path that leads out of the folder */
function inside(folder: string, given: string | undefined): string {
  const file = path.resolve(folder, given ?? '');
  if (!file.startsWith(path.resolve(folder) + path.sep)) throw new Error(`${given} is outside of the folder.`);
  return file;
}

/** Longest a command may run, in milliseconds, and how much of its output is told. */
const longestMs = 60_000;
const mostOutput = 8000;

function run(command: string, folder: string): Promise<ToolOutcome> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', command], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], timeout: longestMs });
    let output = '';
    const add = (chunk: Buffer) => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', add);
    child.stderr.on('data', add);
    child.on('error', (error) => resolve({ content: error.message, failed: true }));
    child.on('close', (code) =>
      resolve({
        content: `${output.slice(-mostOutput).trimEnd()}\nexit code ${code ?? 'none'}`.trim(),
        failed: code !== 0,
      }),
    );
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      url: { type: 'string', default: 'http://127.0.0.1:4321' },
      key: { type: 'string', default: process.env.FREEHOLD_KEY ?? '' },
      model: { type: 'string', default: 'default' },
      folder: { type: 'string', default: '.' },
    },
  });
  const result = await runAgent({
    client: new Anthropic({ baseURL: values.url, apiKey: values.key }),
    model: values.model,
    folder: values.folder,
    task: positionals.join(' '),
    log: (line) => console.log(line),
  });
  console.log(`${result.done ? 'done' : 'not done'} after ${result.turns} answers: ${result.called.join(', ')}`);
  if (!result.done) process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
