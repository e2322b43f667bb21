#!/usr/bin/env node
// The `freehold` command. Starts as little as it can: what a command needs is imported inside its action, so that
// `freehold --help` answers at once.
import { run } from './program.ts';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: Freehold needs Node 20.19 or newer; this is Node ${process.versions.node}.\nInstall a newer one from https://nodejs.org and try again.\n`,
  );
  process.exit(1);
}

// `freehold models | head -1` closes the pipe early; that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// What is said along the way may be lost (a full disk under it, `2>&1 | head`); the work goes on, a server above all.
process.stderr.on('error', () => {});

const status = await run(process.argv.slice(2));
// what was written must leave before the process does; sockets kept alive must not hold it
process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
