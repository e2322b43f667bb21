// `freehold doctor`: what this machine offers and what is wrong with it. The devices and their figures come from
// native/doctor.ts; Freehold's own circumstances (Node, home, disk, port) are looked at here. Shows; --fix repairs.
import type { Command } from 'commander';
import { type CommonOptions, finish } from '../command.ts';
import { fields } from '../output.ts';

export function addDoctor(program: Command): void {
  finish<CommonOptions & { fix?: boolean }>(
    program
      .command('doctor')
      .summary('show devices, memory, libraries and what is wrong')
      .description(
        'Looks at this machine: devices, memory, native libraries, measured speed, which operations run where.',
      )
      .option('--fix', 'Fetch the native package of a device that has none yet.'),
    ['device', 'libDir', 'port', 'host'],
    async ({ output, config }) => {
      const resolved = await config();
      const { inspectHost, hostFields } = await import('../host-report.ts');
      const host = await inspectHost(resolved);
      output.data({ host });
      for (const line of fields(hostFields(host), output.style)) output.line(line);
    },
  );
}
