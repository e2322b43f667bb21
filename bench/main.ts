// Measurements: `npm run bench -- NAME [--json]`. Results of a run are kept in bench/results/NAME-<machine>.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { benchSampling } from './sampling.ts';
import { benchStart } from './start.ts';

/** One figure beside its bar. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** The bar, and on which side of it the value must lie. */
  bar?: { limit: number; side: 'at most' | 'at least' };
}

const benches: Record<string, { what: string; run: () => Promise<Figure[]> }> = {
  sampling: { what: 'time to draw a token, by vocabulary and settings', run: benchSampling },
  start: { what: 'time to help, to listen, to the first token; memory and disk', run: benchStart },
};

const [name, ...rest] = process.argv.slice(2);
const bench = name ? benches[name] : undefined;
if (!bench) {
  console.log('usage: npm run -s bench -- NAME [--json]\n');
  for (const [key, { what }] of Object.entries(benches)) console.log(`  ${key.padEnd(8)} ${what}`);
  process.exit(name ? 2 : 0);
}
const figures = await bench.run();
const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
const result = { bench: name, date: new Date().toISOString().slice(0, 10), machine, node: process.version, figures };
const slug = machine
  .toLowerCase()
  .replace(/[^a-z0-9]+/g, '-')
  .replace(/^-|-$/g, '');
const dir = path.join(import.meta.dirname, 'results');
mkdirSync(dir, { recursive: true });
writeFileSync(path.join(dir, `${name}-${slug}.json`), `${JSON.stringify(result, null, 2)}\n`);
if (rest.includes('--json')) console.log(JSON.stringify(result, null, 2));
else {
  console.log(machine);
  for (const { name: figure, value, unit, bar } of figures) {
    const held = bar && (bar.side === 'at most' ? value <= bar.limit : value >= bar.limit);
    console.log(
      `${figure.padEnd(44)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit.padEnd(6)} ${bar ? `${held ? 'held' : 'MISSED'} (${bar.side} ${bar.limit})` : ''}`,
    );
  }
}
