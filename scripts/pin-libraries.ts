// Prints src/native/pinned-libraries.ts for the npm packages named on the command line (tarballs made by `npm pack`).
// Run it when the pinned version of @node-llama-cpp changes:
//   npm pack @node-llama-cpp/linux-x64@VERSION … && npx tsx scripts/pin-libraries.ts VERSION *.tgz > src/native/pinned-libraries.ts
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const [version, ...tarballs] = process.argv.slice(2);
if (!version || tarballs.length === 0) throw new Error('usage: pin-libraries.ts VERSION TARBALL…');

const hashes = new Map<string, Set<string>>();
for (const tarball of tarballs) {
  const dir = mkdtempSync(path.join(tmpdir(), 'pin-'));
  execFileSync('tar', ['xzf', tarball, '-C', dir]);
  for (const file of readdirSync(path.join(dir, 'package/bins'), { recursive: true, encoding: 'utf8' })) {
    if (!/\.(so|dylib|dll)$/.test(file)) continue;
    const hash = createHash('sha256')
      .update(readFileSync(path.join(dir, 'package/bins', file)))
      .digest('hex');
    const name = path.basename(file);
    hashes.set(name, (hashes.get(name) ?? new Set()).add(hash));
  }
  rmSync(dir, { recursive: true });
}

console.log(`// Written by scripts/pin-libraries.ts from the @node-llama-cpp packages ${version}; do not edit by hand.
// A file name may stand for several builds (processor families, CUDA versions), hence several hashes.

/** Version of the @node-llama-cpp packages this release was tested with. */
export const pinnedVersion = '${version}';

/** SHA-256 of every library that may be loaded, by file name. */
export const pinnedLibraries: Readonly<Record<string, readonly string[]>> = {`);
for (const [name, values] of [...hashes].sort(([a], [b]) => (a < b ? -1 : 1))) {
  console.log(`  '${name}': [`);
  for (const value of [...values].sort()) console.log(`    '${value}',`);
  console.log('  ],');
}
console.log('};');
