import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/support/app.ts';
import { createKey, type Role } from '../store/keys.ts';
import { createSession } from '../store/sessions.ts';

let test: TestApp;
beforeAll(async () => {
  test = await createTestApp();
});
afterAll(() => test.stop());

const prompt = { model: 'default', max_tokens: 5, messages: [{ role: 'user', content: 'hi' }] };
const { max_tokens: _, ...counted } = prompt;
const roles: Role[] = ['admin', 'member', 'service'];

/** Status of each route for each role, with the role's key in the header. */
const table: [method: string, path: string, body: unknown, statuses: Record<Role, number>][] = [
  ['POST', '/v1/messages', prompt, { admin: 200, member: 200, service: 200 }],
  ['POST', '/v1/messages/count_tokens', counted, { admin: 200, member: 200, service: 200 }],
  ['POST', '/v1/chat/completions', prompt, { admin: 200, member: 200, service: 200 }],
  ['GET', '/v1/models', undefined, { admin: 200, member: 200, service: 200 }],
  ['GET', '/v1/models/fake', undefined, { admin: 200, member: 200, service: 200 }],
  ['GET', '/api/session', undefined, { admin: 200, member: 200, service: 403 }],
  ['GET', '/metrics', undefined, { admin: 200, member: 403, service: 200 }],
  ['GET', '/health', undefined, { admin: 200, member: 200, service: 200 }],
];

describe('what a role may use', () => {
  it.each(
    table.flatMap(([method, path, body, statuses]) =>
      roles.map((role) => ({ method, path, role, status: statuses[role], body })),
    ),
  )('$method $path as $role: $status', async ({ method, path, role, status, body }) => {
    const { key } = await createKey(test.services.store, { name: role, role });
    const response = await test.send(method, path, body, { 'x-api-key': key });
    expect(response.status).toBe(status);
    if (status === 403) expect(await response.text()).toMatch(/role (member|service).*--role \w+/);
  });

  it.each([
    ['admin', 200],
    ['member', 200],
    ['service', 403],
  ] as const)('signing in to the page as %s: %i', async (role, status) => {
    const { key } = await createKey(test.services.store, { name: role, role });
    const response = await test.send('POST', '/api/session', { key }, { 'x-api-key': undefined });
    expect(response.status).toBe(status);
    expect(response.headers.has('set-cookie')).toBe(status === 200);
  });

  it('ends a session that a service key has from before', async () => {
    const { id } = await createKey(test.services.store, { name: 'old', role: 'service' });
    const token = await createSession(test.services.store, { keyId: id, name: 'old', role: 'service' });
    const cookie = { 'x-api-key': undefined, cookie: `freehold_session=${token}` };
    expect((await test.send('GET', '/v1/models', undefined, cookie)).status).toBe(401);
  });
});
