// Soaks and kill loops: `npm run prove -- NAME [--rounds N]`. Too long for the tests; each ends with status 1 when a promise is broken.
import { proveKillModel } from './kill-model.ts';
import { provePullKill } from './kill-pull.ts';
import { proveTrainKill } from './kill-train.ts';
import { proveServe } from './serve/proof.ts';

const proofs: Record<string, { what: string; rounds: number; run: (rounds: number, args: string[]) => Promise<void> }> =
  {
    'kill-model': { what: 'kill -9 of the model process under load, again and again', rounds: 20, run: proveKillModel },
    'kill-pull': { what: 'kill -9 in the middle of a pull, again and again', rounds: 20, run: provePullKill },
    'kill-train': { what: 'kill -9 of a run at any step, again and again', rounds: 5, run: proveTrainKill },
    serve: {
      what: 'many requests at once, storms, slow readers, overflow, kill -9 (--only soak|divergence|http, --json)',
      rounds: 20_000,
      run: proveServe,
    },
  };

const [name, ...rest] = process.argv.slice(2);
const proof = name ? proofs[name] : undefined;
if (!proof) {
  console.log('usage: npm run prove -- NAME [--rounds N]\n');
  for (const [key, { what, rounds }] of Object.entries(proofs))
    console.log(`  ${key.padEnd(12)} ${what} (${rounds} rounds)`);
  process.exit(name ? 2 : 0);
}
const rounds = Number(rest[rest.indexOf('--rounds') + 1]) || proof.rounds;
try {
  await proof.run(rounds, rest);
  console.log(`${name}: held over ${rounds} rounds`);
} catch (error) {
  console.error(`${name}: broken\n`, error);
  process.exit(1);
}
