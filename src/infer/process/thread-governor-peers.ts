// Who else of ours computes on this machine: one small file for each busy process, in a folder of the shared home.
// Model processes of one home (a training run can join them) read it to share the cores without talking to each other.
// A folder that cannot be read or written costs fairness, never an answer: the process then counts itself alone.
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';

/** What a busy process says of itself. */
export interface PeerReport {
  /** Most threads it can use. */
  limit: number;
  /** Cores it kept busy of late, e.g. 1.9. */
  usedCores: number;
}

export interface Peer extends PeerReport {
  /** Sorts the same in every process. */
  id: string;
}

export interface Peers {
  /** This process among them. */
  readonly id: string;
  /** Says that this process computes; holds for a second. */
  report(own: PeerReport): void;
  /** The processes that compute now, without this one. */
  others(): Peer[];
  /** Says that this process has stopped computing. */
  leave(): void;
}

/** How long a report holds, in milliseconds: four looks of the governor. */
const holdsMs = 1_000;
/** Age at which a file is what a killed process left. */
const forgottenMs = 60_000;
/** Bytes of every file, padded, so that a report is one write over the one before. */
const reportBytes = 96;

/**
 * @param home folder of the deployment; `busy` inside it is made when the first report is
 * @param now milliseconds since 1970; replaced in tests
 */
export function createPeers(home: string, now: () => number = Date.now): Peers {
  const folder = path.join(home, 'busy');
  const id = `${process.pid}-${randomBytes(4).toString('hex')}`;
  const file = path.join(folder, id);
  let descriptor: number | undefined;
  const leave = () => {
    if (descriptor === undefined) return;
    quietly(() => closeSync(descriptor as number));
    quietly(() => rmSync(file, { force: true }));
    descriptor = undefined;
    process.removeListener('exit', leave);
  };
  return {
    id,
    report({ limit, usedCores }) {
      quietly(() => {
        if (descriptor === undefined) {
          mkdirSync(folder, { recursive: true, mode: 0o700 });
          descriptor = openSync(file, 'w', 0o600);
          process.once('exit', leave);
        }
        const text = JSON.stringify({ at: now(), limit, usedCores: Math.round(usedCores * 100) / 100 });
        writeSync(descriptor, text.padEnd(reportBytes), 0);
      });
    },
    others() {
      const names = quietly(() => readdirSync(folder)) ?? [];
      return names.flatMap((name) => {
        if (name === id) return [];
        const report = quietly(() => parseReport(readFileSync(path.join(folder, name), 'utf8')));
        if (!report) return [];
        const ageMs = Math.abs(now() - report.at);
        if (ageMs > forgottenMs) quietly(() => rmSync(path.join(folder, name), { force: true }));
        return ageMs > holdsMs ? [] : [{ id: name, limit: report.limit, usedCores: report.usedCores }];
      });
    },
    leave,
  };
}

/** @returns undefined for what no process of ours wrote */
function parseReport(text: string): (PeerReport & { at: number }) | undefined {
  const { at, limit, usedCores } = JSON.parse(text) as Record<string, unknown>;
  if (typeof at !== 'number' || typeof limit !== 'number' || typeof usedCores !== 'number') return undefined;
  return limit >= 1 && usedCores >= 0 ? { at, limit, usedCores } : undefined;
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
