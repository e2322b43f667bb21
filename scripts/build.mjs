// Builds dist/ (tsc) and web/dist/ (vite), each only when one of its inputs is newer than its last build.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (name) => path.join(root, 'node_modules', '.bin', process.platform === 'win32' ? `${name}.cmd` : name);

function newest(target) {
  const stat = statSync(target, { throwIfNoEntry: false });
  if (!stat) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  let latest = stat.mtimeMs;
  for (const entry of readdirSync(target)) {
    if (entry === 'node_modules' || entry === 'dist') continue;
    latest = Math.max(latest, newest(path.join(target, entry)));
  }
  return latest;
}

function build(name, inputs, outDir, command, args, cwd) {
  const stamp = path.join(root, outDir, '.built');
  const changed = Math.max(...inputs.map((input) => newest(path.join(root, input))));
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= changed) return;
  const startedAt = new Date();
  const result = spawnSync(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.status !== 0) {
    process.stderr.write(`The build of ${name} failed.\n`);
    process.exit(result.status ?? 1);
  }
  writeFileSync(stamp, '');
  utimesSync(stamp, startedAt, startedAt);
}

// an install without development tools cannot build, and need not where dist/ came along
if (process.argv.includes('--if-possible') && !existsSync(bin('tsc'))) process.exit(0);
if (process.argv.includes('--clean')) {
  rmSync(path.join(root, 'dist'), { recursive: true, force: true });
  rmSync(path.join(root, 'web/dist'), { recursive: true, force: true });
}
build(
  'dist',
  ['src', 'tsconfig.json', 'tsconfig.build.json', 'package.json'],
  'dist',
  bin('tsc'),
  ['-p', 'tsconfig.build.json'],
  root,
);
build(
  'web/dist',
  ['web', 'package-lock.json'],
  'web/dist',
  bin('vite'),
  ['build', '--logLevel', 'warn'],
  path.join(root, 'web'),
);
