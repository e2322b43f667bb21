// `freehold chat`: a chat in the terminal, or one answer for a prompt or piped text. Runs the model itself; no server.
import { fstatSync } from 'node:fs';
import type { Command } from 'commander';
import type { Config } from '../../lib/config.ts';
import type { ConversationSettings } from '../chat/conversation.ts';
import type { ChatModel } from '../chat/session.ts';
import { type CommonOptions, finish, number } from '../command.ts';
import { usageError } from '../failure.ts';
import type { Output } from '../output.ts';
import { unknownModel } from '../unknown-model.ts';

/** Most tokens of one answer where nobody reads along and can stop it. */
const oneAnswerTokens = 2048;

interface ChatOptions extends CommonOptions {
  model?: string;
  system?: string;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  seed?: number;
  maxTokens?: number;
}

export function addChat(program: Command): void {
  const command = program
    .command('chat')
    .summary('talk to a model in this terminal')
    .description('Talks to a model in this terminal. With a prompt, or text piped in, it answers once and exits.')
    .argument('[model]', 'a model that is here; --model names it too; default: the default model')
    .argument('[prompt...]', 'answer this once; what is piped in is added to it')
    .option('--system <text>', 'What the model is told first.')
    .option('--temperature <number>', '0 (always the likeliest) to 2.', number(0, 2))
    .option('--top-p <number>', 'Keep the likeliest tokens that sum to this, 0 to 1.', number(0, 1))
    .option('--top-k <number>', 'Keep this many of the likeliest tokens; 0 keeps all.', number(0, 1e6, 'whole'))
    .option('--min-p <number>', 'Drop tokens this much less likely than the likeliest, 0 to 1.', number(0, 1))
    .option('--seed <number>', 'The same seed gives the same answer.', number(0, 2 ** 32 - 1, 'whole'))
    .option(
      '--max-tokens <number>',
      `Most tokens of an answer (default: ${oneAnswerTokens} for one answer, else no limit).`,
      number(1, 1e9, 'whole'),
    )
    .addHelpText(
      'after',
      `
Examples:
  freehold chat
  freehold chat "Write a haiku about owning a home."
  freehold chat qwen3-0.6b "Summarise this." < report.txt
  freehold chat --json --temperature 0 "Name three prime numbers."`,
    );
  finish<ChatOptions>(
    command,
    ['defaultModel', 'device', 'libDir', 'contextTokens', 'threads', 'force'],
    async ({ args, options, output, config }) => {
      const { values, origins } = await config();
      const positional = [args[0], ...((args[1] as string[] | undefined) ?? [])].filter(
        (word): word is string => typeof word === 'string',
      );
      // before the words: a lone one beside piped text is what to do with the text
      const early = await readPiped(positional.length > 0);
      const { model: name, prompt: words } = await splitWords(
        positional,
        { modelGiven: options.model !== undefined, piped: early !== undefined && early.trim() !== '' },
        (each) => isModel(each, values),
      );
      const piped = (early ?? (await readPiped(words !== '')) ?? '').trimEnd();
      const prompt = [words, piped].filter((part) => part.trim() !== '').join('\n\n');
      const settings = readSettings(options);
      const { openByName } = await import('../open-model.ts');
      const { createLogger } = await import('../../lib/log.ts');
      // what fails is said in the chat; a log between the lines of an answer only for whoever asks
      const logger = createLogger(
        options.verbose ? 'debug' : origins.logLevel === 'default' ? 'silent' : values.logLevel,
      );
      const open = async (each: string): Promise<ChatModel> => {
        const clear = showLoading(each, output);
        try {
          return await openByName(each, values, { sequences: 1, logger });
        } finally {
          clear();
        }
      };
      if (prompt !== '' || !process.stdin.isTTY || !process.stdout.isTTY || output.json) {
        if (prompt === '') {
          throw usageError('There is nothing to answer.', 'Give a prompt, or pipe text in: freehold chat "Hello"');
        }
        await answerOnce(name, prompt, { maxTokens: oneAnswerTokens, ...settings }, open, output);
        return;
      }
      if (!(await offerPull(name, values, output))) return;
      const [{ runSession }, history, { listLocalModels }] = await Promise.all([
        import('../chat/session.ts'),
        import('../chat/history.ts'),
        import('../../hub/models.ts'),
      ]);
      const file = history.historyFile(values.home);
      const entries = await history.readHistory(file);
      try {
        await runSession(name, {
          input: process.stdin,
          screen: process.stdout,
          style: output.style,
          verbose: Boolean(options.verbose),
          open,
          list: async () =>
            (await listLocalModels(values)).filter((each) => (each.kind ?? 'chat') === 'chat').map((each) => each.name),
          history: entries,
          settings,
        });
      } finally {
        await history.writeHistory(file, entries);
      }
    },
  );
}

/**
 * Tells the model from the prompt among the words of the command line: the first word is a model when there is one of
 * that name.
 * @param given.modelGiven --model was used, so every word belongs to the prompt
 * @param given.piped text was piped in, so a lone word says what to do with it
 * @throws FreeholdError model_not_found for a first word that looks like a model's name and is none; usage for one lone
 * word with nothing piped in: a typing mistake, more likely than a prompt
 */
export async function splitWords(
  words: readonly string[],
  given: { modelGiven: boolean; piped: boolean },
  isModel: (word: string) => Promise<boolean>,
): Promise<{ model: string; prompt: string }> {
  const [first, ...rest] = words;
  if (first === undefined) return { model: 'default', prompt: '' };
  if (given.modelGiven) return { model: 'default', prompt: words.join(' ') };
  if (await isModel(first)) return { model: first, prompt: rest.join(' ') };
  if (isMeantAsModel(first, rest)) throw await unknownModel(first, `To ask just that: freehold chat default "…"`);
  if (rest.length > 0 || given.piped || /\s/.test(first)) return { model: 'default', prompt: words.join(' ') };
  throw usageError(
    `"${first}" is neither a model that is here nor one of the catalogue.`,
    `\`freehold models\` lists them. To ask just that: freehold chat default "${first}"`,
  );
}

/** `llama3`, `owner/repo`, `a:b`; or any word before one quoted prompt, as in `chat mistral "Why is …"`. */
function isMeantAsModel(first: string, rest: readonly string[]): boolean {
  const nameLike = /^[\w.~@/\\:-]*\w$/.test(first);
  if (nameLike && /[:/\d]/.test(first)) return true;
  return nameLike && rest.length === 1 && /\s/.test((rest[0] ?? '').trim());
}

async function isModel(word: string, config: Config): Promise<boolean> {
  if (word === 'default') return true;
  if (/\s/.test(word)) return false;
  const [{ findLocalModel }, { findInCatalogue }] = await Promise.all([
    import('../../hub/models.ts'),
    import('../../hub/catalogue.ts'),
  ]);
  return findInCatalogue(word) !== undefined || (await findLocalModel(word, config, { paths: true })) !== undefined;
}

function readSettings(options: ChatOptions): ConversationSettings {
  const { system, maxTokens, temperature, topK, topP, minP, seed } = options;
  const given = Object.entries({ temperature, topK, topP, minP, seed }).filter(([, value]) => value !== undefined);
  return {
    ...(system ? { system } : {}),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(given.length > 0 ? { sampling: Object.fromEntries(given) } : {}),
  };
}

/**
 * What is piped in. With a prompt, a socket is not waited for: a program that starts us often leaves one open as
 * standard input and never ends it; a shell gives a pipe or a file.
 * @returns undefined where nothing was read
 */
async function readPiped(havePrompt: boolean): Promise<string | undefined> {
  if (process.stdin.isTTY) return undefined;
  if (havePrompt) {
    try {
      const stdin = fstatSync(0);
      if (!stdin.isFIFO() && !stdin.isFile()) return undefined;
    } catch {
      return undefined;
    }
  }
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/** One answer on standard output; Ctrl-C ends it with status 130. */
async function answerOnce(
  name: string,
  prompt: string,
  settings: ConversationSettings,
  open: (name: string) => Promise<ChatModel>,
  output: Output,
): Promise<void> {
  const [{ Conversation }, { StreamWrap, stripControls }, { answerFacts }, { FreeholdError }] = await Promise.all([
    import('../chat/conversation.ts'),
    import('../text.ts'),
    import('../chat/session.ts'),
    import('../../lib/errors.ts'),
  ]);
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.on('SIGINT', interrupt);
  const model = await open(name);
  try {
    // a file or a pipe gets the lines as the model wrote them
    const wrap = new StreamWrap(process.stdout.isTTY ? Math.min(output.columns - 1, 100) : 0);
    const answer = await new Conversation(settings).ask(model, prompt, {
      signal: stop.signal,
      onText: (text) => {
        if (!output.json) process.stdout.write(wrap.push(stripControls(text)));
      },
    });
    if (!output.json) process.stdout.write(`${wrap.end()}\n`);
    if (answer.stopped) throw new FreeholdError('cancelled', 'Stopped.');
    output.data({
      text: answer.text,
      model: model.capabilities().model,
      usage: answer.usage,
      stopReason: answer.stopReason,
      timeToFirstTokenMs: Math.round(answer.timeToFirstTokenMs * 10) / 10,
      tokensPerSecond: Math.round(answer.tokensPerSecond * 10) / 10,
    });
    if (!output.json && process.stdout.isTTY) output.note(output.errorStyle.dim(answerFacts(answer)));
  } finally {
    process.off('SIGINT', interrupt);
    await model.close();
  }
}

/** Says on a terminal that a model is being loaded. @returns takes it back */
function showLoading(name: string, output: Output): () => void {
  if (!process.stderr.isTTY || output.json) return () => {};
  process.stderr.write(output.errorStyle.dim(`Loading ${name} …`));
  return () => process.stderr.write('\r\u001b[K');
}

/**
 * Where the model of a chat is not here but can be had, offers to fetch it.
 * @returns false when the person would rather not
 */
async function offerPull(name: string, config: Config, output: Output): Promise<boolean> {
  const wanted = name === 'default' ? config.defaultModel : name;
  const [{ findLocalModel }, { findInCatalogue }] = await Promise.all([
    import('../../hub/models.ts'),
    import('../../hub/catalogue.ts'),
  ]);
  const entry = findInCatalogue(wanted);
  if (!entry || (await findLocalModel(wanted, config, { paths: true }))) return true;
  const [{ confirm, isCancel }, { formatBytes }, { pullShown }] = await Promise.all([
    import('@clack/prompts'),
    import('../../lib/units.ts'),
    import('./pull.ts'),
  ]);
  const size = formatBytes(entry.variants[0]?.sizeBytes ?? 0);
  const answer = await confirm({
    message: `${entry.title} is not here yet. Fetch it now (${size}, ${entry.licence})?`,
  });
  if (isCancel(answer) || !answer) return false;
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.once('SIGINT', interrupt);
  try {
    await pullShown(wanted, config, output, stop.signal);
  } finally {
    process.off('SIGINT', interrupt);
  }
  return true;
}
