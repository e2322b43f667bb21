// `/api/session`: the page signs in with the one-time token of `freehold up` or with a key, and gets a cookie that
// scripts cannot read.
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { z } from 'zod';
import { FreeholdError } from '../../lib/errors.ts';
import { findKey, type Role } from '../../store/keys.ts';
import { createSession, deleteSession, sessionLifetimeMs } from '../../store/sessions.ts';
import { validate } from '../../wire/validate.ts';
import { requireSameOrigin, resolvePrincipal, sessionCookie } from '../auth.ts';
import { readJson } from '../body.ts';
import type { App, Services } from '../context.ts';
import { requireArea } from '../roles.ts';

const signInSchema = z.union([
  z.object({ token: z.string().min(1).max(200) }),
  z.object({ key: z.string().min(1).max(200) }),
]);

export function addSessionRoutes(app: App, services: Services): void {
  app.post('/api/session', async (c) => {
    requireSameOrigin(c);
    const given = validate(signInSchema, await readJson(c, 4096), 'dots');
    const owner = await ownerOf(given, services);
    const token = await createSession(services.store, owner);
    setCookie(c, sessionCookie, token, {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      maxAge: sessionLifetimeMs / 1000,
      secure: new URL(c.req.url).protocol === 'https:',
    });
    return c.json({ name: owner.name, role: owner.role });
  });
  app.get('/api/session', async (c) => {
    const { name, role } = await resolvePrincipal(c, services);
    requireArea(role, 'page');
    return c.json({ name, role });
  });
  app.delete('/api/session', async (c) => {
    requireSameOrigin(c);
    const token = getCookie(c, sessionCookie);
    if (token !== undefined) await deleteSession(services.store, token);
    deleteCookie(c, sessionCookie, { path: '/' });
    return c.body(null, 204);
  });
}

async function ownerOf(
  given: z.output<typeof signInSchema>,
  services: Services,
): Promise<{ keyId?: string; name: string; role: Role }> {
  if ('token' in given) {
    if (services.signIn.redeem(given.token)) return { name: 'owner', role: 'admin' };
    throw new FreeholdError(
      'unauthorized',
      'The sign-in link is not valid: each works once, for 24 hours, until a restart.',
      {
        hint: 'Restart Freehold for a new one, or sign in with a key (freehold keys create).',
      },
    );
  }
  const key = await findKey(services.store, given.key.trim());
  if (key) requireArea(key.role, 'page');
  if (key) return { keyId: key.id, name: key.name, role: key.role };
  throw new FreeholdError('unauthorized', 'The API key is not valid here; it may have been revoked.', {
    hint: 'Make one with: freehold keys create --name NAME --role member',
  });
}
