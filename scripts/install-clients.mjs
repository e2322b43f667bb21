// Installs the clients of other vendors that the conformance tests run (test/clients), unless what its lock file names is
// there already. They stay out of the root's install, which is to be small. `npm test` runs this first; once they are
// there it takes a few milliseconds and no network.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'test/clients');

/** Path in node_modules -> what a lock file says of it; empty where there is no such file. */
function packagesIn(lockFile) {
  try {
    return JSON.parse(readFileSync(path.join(folder, lockFile), 'utf8')).packages;
  } catch {
    return {};
  }
}

// npm keeps a list of what it has installed, in the shape of the lock file
const installed = packagesIn('node_modules/.package-lock.json');
const missing = Object.entries(packagesIn('package-lock.json')).filter(
  ([at, { version, optional }]) => at !== '' && !optional && installed[at]?.version !== version,
);
if (missing.length > 0) {
  process.stderr.write(`Installing the clients that the conformance tests run (${missing.length} packages) …\n`);
  // no lock file is written: one with this machine's registry in it would be of use to nobody else
  const command = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { status } = spawnSync('npm', command, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) {
    process.stderr.write('They could not be installed, so the conformance tests cannot run. Is the network there?\n');
    process.exit(status ?? 1);
  }
}
