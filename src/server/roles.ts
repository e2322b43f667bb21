// What each role may do: an admin everything, a member the page and the APIs, a service the APIs and the metrics that a
// program reads. Knows nothing of keys and requests.
import { FreeholdError } from '../lib/errors.ts';
import type { Role } from '../store/keys.ts';

/** The parts of the server that roles tell apart: /v1, the page with its session, /metrics. */
export type Area = 'apis' | 'page' | 'metrics';

const areas: Record<Role, readonly Area[]> = {
  admin: ['apis', 'page', 'metrics'],
  member: ['apis', 'page'],
  service: ['apis', 'metrics'],
};

const names: Record<Area, string> = { apis: 'the APIs', page: 'the page', metrics: 'the metrics' };

export const mayUse = (role: Role, area: Area): boolean => areas[role].includes(area);

/** @throws FreeholdError forbidden, naming what the role may use and which role may use this */
export function requireArea(role: Role, area: Area): void {
  if (mayUse(role, area)) return;
  const may = areas[role].map((each) => names[each]).join(' and ');
  const instead = (Object.keys(areas) as Role[]).filter((each) => each !== 'admin' && mayUse(each, area));
  throw new FreeholdError('forbidden', `A key of the role ${role} is for ${may}, not for ${names[area]}.`, {
    hint: `Make one with: freehold keys create --name NAME --role ${instead[0] ?? 'admin'}`,
  });
}

/** @throws FreeholdError forbidden */
export function requireAdmin(role: Role): void {
  if (role === 'admin') return;
  throw new FreeholdError('forbidden', `A key of the role ${role} may not do this; one of the role admin may.`, {
    hint: 'Make one with: freehold keys create --name NAME --role admin',
  });
}
