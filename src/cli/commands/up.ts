// `freehold up`: the whole product on one machine. Listens at once, fetches the default model when it is not here,
// loads it, and says where to click. The model may fail to come; the server stays up and says what to do.
import type { Command } from 'commander';
import type { Config, ConfigKey } from '../../lib/config.ts';
import type { FreeholdError } from '../../lib/errors.ts';
import type { RunningServer } from '../../server/start.ts';
import { type CommonOptions, finish } from '../command.ts';
import { describeFailure } from '../failure.ts';
import { lanUrls } from '../lan-addresses.ts';
import type { Output, Style } from '../output.ts';
import { settingFlags } from '../settings.ts';
import { pullShown } from './pull.ts';

export function addUp(program: Command): void {
  finish<CommonOptions & { open?: boolean }>(
    program
      .command('up')
      .summary('serve models and the chat page')
      .description(
        'Serves models through the APIs software already speaks, with a chat page. The first start makes an admin key and fetches a small default model.',
      )
      .option('--open', 'Open the page in the browser.'),
    (Object.keys(settingFlags) as ConfigKey[]).filter((key) => key !== 'home'),
    async ({ options, output, config }) => {
      const { values, origins } = await config();
      const [{ startServer }, { createLogger }, { freeholdVersion }, { modelMemory }] = await Promise.all([
        import('../../server/start.ts'),
        import('../../lib/log.ts'),
        import('../../lib/version.ts'),
        import('../device-memory.ts'),
      ]);
      // on a terminal the log would bury the banner; whoever asks for more gets it
      const level = origins.logLevel === 'default' && process.stderr.isTTY ? 'warn' : values.logLevel;
      const stopping = new AbortController();
      const stopped = untilStopped(stopping, output);
      const server = await startServer(values, createLogger(options.verbose ? 'debug' : level), {
        memory: () => modelMemory(values),
      });
      let closePage = () => {};
      try {
        const elsewhere = lanUrls(values.host, server.port);
        for (const line of welcome(server, freeholdVersion(), values.auth, output.style, elsewhere)) output.line(line);
        if (options.open) {
          const { openInBrowser } = await import('../browser.ts');
          closePage = openInBrowser(server.signInUrl);
        }
        await Promise.race([bringModel(server, values, output, stopping.signal, Boolean(options.verbose)), stopped]);
        await stopped;
      } finally {
        closePage();
        await server.close();
      }
    },
  );
}

/** Fetches the default model if need be, loads it, and says what answers. Never throws: the server stays up. */
async function bringModel(
  server: RunningServer,
  config: Config,
  output: Output,
  signal: AbortSignal,
  verbose: boolean,
): Promise<void> {
  const facts = { url: server.url, signInUrl: server.signInUrl, key: server.firstAdminKey ?? null };
  try {
    const { findUsableModel } = await import('../../hub/models.ts');
    const here = await findUsableModel(config.defaultModel, config);
    await fetchDevicePackage(config, output);
    // progress goes to standard error; --json promises one line
    if (!here) {
      const pulled = await pullShown(config.defaultModel, config, { ...output, json: false }, signal, '  ');
      // a file or `hf:owner/repo` has its name only now; the server reads the setting at each request
      config.defaultModel = pulled.name;
    }
    const startMs = performance.now();
    await server.models.preload('default');
    if (signal.aborted) return;
    const model = (await server.models.nameOf('default')) ?? config.defaultModel;
    output.data({ ...facts, model });
    for (const line of ready(server, model, performance.now() - startMs, config.auth, output.style)) output.line(line);
  } catch (thrown) {
    if (signal.aborted) return;
    const { toErrorRecord } = await import('../../lib/errors.ts');
    output.data({ ...facts, model: null, error: toErrorRecord(thrown) });
    for (const line of describeFailure(thrown, output.errorStyle, verbose, process.stderr.columns)) {
      process.stderr.write(`${line}\n`);
    }
    output.note();
    output.note(modelMissing(thrown as FreeholdError, config.defaultModel, server.url));
  }
}

/** Where a graphics card is seen whose package is missing, fetches it; without it the processor does the work. */
async function fetchDevicePackage(config: Config, output: Output): Promise<void> {
  if (config.device !== 'auto' || config.libDir !== '') return;
  const { fetchGpuPackage, missingGpuPackage } = await import('../../native/gpu-packages.ts');
  const missing = missingGpuPackage(config.home);
  if (!missing) return;
  output.note(
    `  A ${missing.kind} device is here: fetching ${missing.name} through npm, once. --device cpu does without.`,
  );
  try {
    await fetchGpuPackage(missing.kind, config.home);
  } catch (error) {
    output.note(`  It could not be fetched (${(error as Error).message}); the processor does the work.`);
    output.note('  Try again later: freehold doctor --fix');
  }
}

function modelMissing(error: FreeholdError, name: string, url: string): string {
  const next =
    error.code === 'does_not_fit'
      ? 'Start with a smaller one: freehold up --model NAME (`freehold models --catalogue` shows which fit).'
      : `As soon as a model is here (\`freehold pull ${name}\` in another terminal), it answers; no restart is needed.`;
  return `The server stays up at ${url}, without a model. ${next}`;
}

/**
 * What is known as soon as the server listens.
 * @param elsewhere addresses that other machines reach it at
 */
export function welcome(
  server: Pick<RunningServer, 'signInUrl' | 'firstAdminKey'>,
  version: string,
  auth: boolean,
  style: Style,
  elsewhere: readonly string[] = [],
): string[] {
  // each value on a line of its own: the address fits 80 columns whole, so that it can be clicked and copied
  const open = auth ? 'Open in a browser (the link signs you in, once)' : 'Open in a browser';
  const lines = ['', `  ${style.bold('Freehold')} ${style.dim(version)}`, ''];
  lines.push(`  ${style.dim(open)}`, `  ${style.accent(server.signInUrl)}`, '');
  if (elsewhere.length > 0) {
    lines.push(`  ${style.dim('From other machines (sign in with a key)')}`, ...elsewhere.map((url) => `  ${url}`), '');
  }
  if (server.firstAdminKey) {
    lines.push(`  ${style.dim('Admin key, shown this once: keep it')}`, `  ${style.bold(server.firstAdminKey)}`, '');
  }
  if (!auth) lines.push('  Keys are off: every program on this machine may use the models.', '');
  return lines;
}

/** What is known once a model answers. */
export function ready(
  server: Pick<RunningServer, 'url' | 'firstAdminKey'>,
  model: string,
  loadMs: number,
  auth: boolean,
  style: Style,
): string[] {
  const key = auth ? (server.firstAdminKey ?? 'YOUR_KEY') : 'none';
  const lines = [
    `  ${style.accent('✓')} ${style.bold(model)} answers ${style.dim(`(loaded in ${(loadMs / 1000).toFixed(1)} s)`)}`,
    '',
    `  ${style.dim('From your own code, nothing changed but these')}`,
    `  export ANTHROPIC_BASE_URL=${server.url}`,
    `  export ANTHROPIC_API_KEY=${key}`,
    `  export OPENAI_BASE_URL=${server.url}/v1`,
    `  export OPENAI_API_KEY=${key}`,
    '',
  ];
  if (auth && !server.firstAdminKey) {
    lines.push(style.dim('  No key at hand? freehold keys create --name me --role member'));
  }
  lines.push(style.dim('  Ctrl-C stops.'), '');
  return lines;
}

/** Resolves on the first SIGINT or SIGTERM and aborts `stopping`; the second one ends the process at once. */
function untilStopped(stopping: AbortController, output: Output): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const stop = (signal: NodeJS.Signals) => {
      // `npm start` passes a Ctrl-C on that the terminal has sent to everyone already
      if (firstMs !== undefined && performance.now() - firstMs < 300) return;
      if (firstMs !== undefined) process.exit(signal === 'SIGINT' ? 130 : 143);
      firstMs = performance.now();
      stopping.abort();
      if (process.stderr.isTTY && !output.json) {
        output.note(output.errorStyle.dim('\nStopping; answers under way may end. Ctrl-C once more stops at once.'));
      }
      resolve();
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}
