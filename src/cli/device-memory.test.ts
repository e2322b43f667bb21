import { expect, it } from 'vitest';
import { modelMemory } from './device-memory.ts';

it('is the host’s where the processor does the work, and where no device can be asked', async () => {
  expect(await modelMemory({ device: 'cpu', libDir: '', home: '/nowhere' })).toBeUndefined();
  expect(await modelMemory({ device: 'auto', libDir: '/nowhere', home: '/nowhere' })).toBeUndefined();
});
