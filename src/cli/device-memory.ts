// The memory that models will be loaded into: the graphics card's where one does the work, else the host's.
import type { AvailableMemory } from '../hub/types.ts';
import type { Config } from '../lib/config.ts';

/**
 * Asks the card in a process of its own, under a second; where no card is seen nothing is started. What keeps a card
 * from being asked will be told by whatever loads a model; until then the host's memory counts.
 * @returns undefined: the host's
 */
export async function modelMemory(
  config: Pick<Config, 'device' | 'libDir' | 'home'>,
): Promise<AvailableMemory | undefined> {
  const { deviceMemory } = await import('../native/doctor.ts');
  const { device, libDir, home } = config;
  const card = await deviceMemory({ device, libDir, home }).catch(() => undefined);
  if (!card) return undefined;
  return { totalBytes: card.totalBytes, freeBytes: card.freeBytes, device: card.description || card.name };
}
