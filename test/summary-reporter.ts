// The last lines of every test run: what was left out and why, then `N passed, N failed, N skipped`.
// Tests that need something the machine may lack (Chromium, a real model, a GPU) skip themselves and
// begin their name or their group's name with `needs <thing>:`; this reporter gathers those things.
import type { Reporter, TestCase, TestModule } from 'vitest/node';

export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    let passed = 0;
    let failed = errors.length;
    let skipped = 0;
    const missing = new Map<string, number>();
    for (const module of modules) {
      if (module.state() === 'failed' && module.errors().length > 0) failed += 1;
      for (const test of module.children.allTests()) {
        const state = test.result().state;
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failed += 1;
        else {
          skipped += 1;
          const need = needOf(test);
          missing.set(need, (missing.get(need) ?? 0) + 1);
        }
      }
    }
    for (const [need, count] of missing) console.log(`left out: ${count} test${count === 1 ? '' : 's'} (${need})`);
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  }
}

function needOf(test: TestCase): string {
  const match = /needs ([^:]+):/.exec(test.fullName);
  return match ? `${match[1]} not found` : 'no reason given';
}
