// Measurements: `npm run bench -- NAME [--json]`. Results of a run are kept in bench/results/NAME-<machine>.json.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';
import { benchGateway } from './gateway/bench.ts';
import { benchKv } from './kv.ts';
import { benchSampling } from './sampling.ts';
import { benchServe } from './serve/bench.ts';
import { benchStart } from './start.ts';
import { benchTokenizer } from './tokenizer.ts';
import { benchTrain } from './train/bench.ts';

/** One figure beside its bar. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** The bar, and on which side of it the value must lie. */
  bar?: { limit: number; side: 'at most' | 'at least' };
}

const benches: Record<string, { what: string; run: (args: string[]) => Promise<Figure[]> }> = {
  gateway: {
    what: 'what the server adds to a request, a token and an idle stream, with a stub for a model (--seconds N --only PART,… --no-install)',
    run: benchGateway,
  },
  kv: { what: 'libllama alone: KV cells each or one buffer, prompts in pieces', run: benchKv },
  sampling: { what: 'time to draw a token, by vocabulary and settings', run: benchSampling },
  serve: {
    what: 'tokens/s, latency and memory under load, beside other engines (--only LOAD,… --rounds N --no-install)',
    run: benchServe,
  },
  train: {
    what: 'training: tokens/s and share of the GEMM rate, beside PyTorch; memory (--only 1M,7M,33M)',
    run: benchTrain,
  },
  start: { what: 'time to help, to listen, to the first token; memory and disk', run: benchStart },
  tokenizer: { what: 'learning 32k merges; encoding beside Hugging Face and libllama', run: benchTokenizer },
};

const [name, ...rest] = process.argv.slice(2).filter((argument) => argument !== '--json');
const json = process.argv.includes('--json');
const bench = name ? benches[name] : undefined;
if (!bench) {
  console.log('usage: npm run -s bench -- NAME [--json]\n');
  for (const [key, { what }] of Object.entries(benches)) console.log(`  ${key.padEnd(8)} ${what}`);
  process.exit(name ? 2 : 0);
}
const isHeld = (value: number, { limit, side }: NonNullable<Figure['bar']>) =>
  side === 'at most' ? value <= limit : value >= limit;
const figures = (await bench.run(rest)).map((figure) =>
  figure.bar ? { ...figure, held: isHeld(figure.value, figure.bar) } : figure,
);
const machine = `${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
const result = { bench: name, date: new Date().toISOString().slice(0, 10), machine, node: process.version, figures };
const slug = machine
  .toLowerCase()
  .replace(/[^a-z0-9]+/g, '-')
  .replace(/^-|-$/g, '');
const dir = path.join(import.meta.dirname, 'results');
// a run of a part is not what the machine's file is for
if (rest.length === 0) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, `${name}-${slug}.json`), `${JSON.stringify(result, null, 2)}\n`);
}
if (json) console.log(JSON.stringify(result, null, 2));
else {
  console.log(machine);
  for (const { name: figure, value, unit, bar, held } of figures as (Figure & { held?: boolean })[]) {
    console.log(
      `${figure.padEnd(44)} ${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit.padEnd(6)} ${bar ? `${held ? 'held' : 'MISSED'} (${bar.side} ${bar.limit})` : ''}`,
    );
  }
}
