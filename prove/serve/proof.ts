// Promise: many may use one model at the same time, whatever they do, and none of them notices the others: not in what is
// answered, not in what is left behind.
import { realModelFile } from '../../test/support/real-model.ts';
import { divergence } from './divergence.ts';
import { httpPhases } from './http-phases.ts';
import { soak } from './soak.ts';

/** Progress goes to standard error. @param args --json: the figures as one JSON object; --only PHASE: soak, divergence or http */
export async function proveServe(rounds: number, args: readonly string[]): Promise<void> {
  const only = args.includes('--only') ? args[args.indexOf('--only') + 1] : undefined;
  const phases: Record<string, () => Promise<object>> = {
    soak: () => soak(rounds),
    // random weights turn last digits into other words: only of a real model does the distance of two tokens say something
    divergence: async () => {
      const file = await realModelFile();
      if (file) return divergence(file);
      throw new Error('no real model is here: npx freehold pull smollm2-135m, or name one by FREEHOLD_TEST_MODEL');
    },
    http: () => httpPhases(),
  };
  if (only && !phases[only]) throw new Error(`there is no phase ${only}; there are: ${Object.keys(phases).join(', ')}`);
  const figures: Record<string, object> = {};
  for (const [name, run] of Object.entries(phases)) {
    if (only && name !== only) continue;
    console.error(`\n${name}`);
    figures[name] = await run();
  }
  if (args.includes('--json')) {
    console.log(JSON.stringify(figures, null, 2));
    return;
  }
  for (const [phase, values] of Object.entries(figures)) {
    console.log(`\n${phase}`);
    for (const [name, value] of Object.entries(values as Record<string, number>)) {
      const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
      console.log(`  ${words.padEnd(34)} ${Number.isInteger(value) ? value : value.toFixed(1)}`);
    }
  }
}
