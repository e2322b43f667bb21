// The command line as a whole: which commands there are, and what happens to a command line that is none of them.
import { type Argument, Command, CommanderError } from 'commander';
import { freeholdVersion } from '../lib/version.ts';
import { ExitStatus } from './command.ts';
import { addChat } from './commands/chat.ts';
import { addConfig } from './commands/config.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExport } from './commands/export.ts';
import { addKeys } from './commands/keys.ts';
import { addModels } from './commands/models.ts';
import { addPull } from './commands/pull.ts';
import { addRemove } from './commands/rm.ts';
import { addRuns } from './commands/runs.ts';
import { addTrain } from './commands/train.ts';
import { addUp } from './commands/up.ts';
import { reportFailure, usageError } from './failure.ts';

/** The whole program, nothing parsed yet. It throws where commander would end the process. */
export function createProgram(): Command {
  const program = new Command('freehold')
    .description('Own your foundation models: train them, serve them, talk to them, on a machine of your own.')
    .version(freeholdVersion(), '-V, --version', 'Print the version.')
    .helpOption('-h, --help', 'Show this help.')
    .helpCommand('help [command]', 'show the help of a command')
    .configureHelp({
      subcommandTerm: (command) =>
        [command.name(), ...command.registeredArguments.map((each) => humanReadable(each))].join(' '),
    })
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText(
      'after',
      `
Start here:
  freehold up                  serve the default model, with a chat page
  freehold chat                talk to it in this terminal
  freehold pull qwen3-0.6b     fetch another model
  freehold train TEXT          train a model of your own`,
    );
  addUp(program);
  addChat(program);
  addPull(program);
  addModels(program);
  addRemove(program);
  addTrain(program);
  addRuns(program);
  addExport(program);
  addKeys(program);
  addDoctor(program);
  addConfig(program);
  return program;
}

/**
 * Runs one command line.
 * @param argv what follows `freehold`
 * @returns the exit status: 0, 1 failed, 2 wrong usage
 */
export async function run(argv: readonly string[]): Promise<number> {
  const program = createProgram();
  if (argv.length === 0) {
    program.outputHelp();
    return 0;
  }
  const flags = argv.includes('--') ? argv.slice(0, argv.indexOf('--')) : argv;
  const level = process.env.FREEHOLD_LOG_LEVEL?.toLowerCase();
  const options = { json: flags.includes('--json'), verbose: flags.includes('--verbose') || level === 'debug' };
  try {
    await program.parseAsync(argv, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof ExitStatus) return error.status;
    if (!(error instanceof CommanderError)) return reportFailure(error, options);
    if (error.exitCode === 0) return 0;
    // `freehold keys` with nothing behind it: its help was printed
    if (error.code === 'commander.help') return 2;
    return reportFailure(explainUsage(error, program, argv), options);
  }
}

function humanReadable(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? '...' : '');
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** Commander's complaint as message and hint. */
function explainUsage(error: CommanderError, program: Command, argv: readonly string[]) {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const command = program.commands.find((each) => each.name() === argv[0] || each.aliases().includes(argv[0] ?? ''));
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  const help = `\`freehold ${command ? `${command.name()} ` : ''}--help\` shows what there is.`;
  const message = `${first.charAt(0).toUpperCase()}${first.slice(1)}${/[.?!]$/.test(first) ? '' : '.'}`;
  return usageError(message, suggestion === '' ? help : `${suggestion} ${help}`);
}
