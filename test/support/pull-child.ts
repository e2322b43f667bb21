// Pulls one model, for tests that kill it in the middle. Arguments: home, hub address, reference.
import { resolveConfig } from '../../src/lib/config.ts';

const [home = '', hubEndpoint = '', reference = ''] = process.argv.slice(2);
import('../../src/hub/pull.ts').then(({ pullModel }) =>
  pullModel(reference, { config: resolveConfig({ home, hubEndpoint }, {}, home).values }),
);
