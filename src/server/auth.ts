// Who is asking. One resolver for every form of auth: `x-api-key`, `Authorization: Bearer`, a signature (SigV4), the
// session cookie, and nobody in particular where auth is off. Routes see only a Principal.
import { getCookie } from 'hono/cookie';
import { createMiddleware } from 'hono/factory';
import { FreeholdError } from '../lib/errors.ts';
import { allScopes, requireRoute } from '../lib/scopes.ts';
import { findKey } from '../store/keys.ts';
import { findSession } from '../store/sessions.ts';
import { apiRouteOf, isApiPath } from './api-paths.ts';
import type { AppContext, AppEnv, Principal, Services } from './context.ts';
import { mayUse, requireAdmin, requireArea } from './roles.ts';
import { isSignedRequest, resolveSigV4 } from './sigv4-principal.ts';

export const sessionCookie = 'freehold_session';

/**
 * @throws FreeholdError unauthorized without valid credentials; signature_invalid; forbidden for a cookie that another
 * site makes a browser send
 */
export async function resolvePrincipal(c: AppContext, services: Services): Promise<Principal> {
  const presented = presentedKey(c);
  if (!services.config.auth) {
    requireSameOrigin(c);
    return { tenant: 'local', keyId: undefined, name: 'local', role: 'admin', scopes: allScopes, via: 'open' };
  }
  if (!presented && isSignedRequest(c)) return resolveSigV4(c, services);
  if (presented !== undefined) {
    const key = await findKey(services.store, presented);
    if (!key) {
      throw new FreeholdError('unauthorized', 'The API key is not valid here; it may have been revoked.', {
        hint: 'Make one with: freehold keys create --name NAME --role service',
      });
    }
    return { tenant: key.id, keyId: key.id, name: key.name, role: key.role, scopes: key.scopes, via: 'key' };
  }
  const token = getCookie(c, sessionCookie);
  const session = token === undefined ? undefined : await findSession(services.store, token);
  // a session of a role that has none is as good as ended
  if (session && mayUse(session.role, 'page')) {
    requireSameOrigin(c);
    return {
      tenant: session.keyId ?? 'owner',
      keyId: session.keyId,
      name: session.name,
      role: session.role,
      scopes: session.scopes,
      via: 'session',
    };
  }
  throw new FreeholdError('unauthorized', token === undefined ? 'No API key was given.' : 'The session has ended.', {
    hint:
      token === undefined
        ? 'Send it as `x-api-key: KEY` or `Authorization: Bearer KEY`.'
        : 'Sign in again with a key, or with the link that `freehold up` prints.',
  });
}

/**
 * What was presented as a key, if anything; an empty or malformed header counts as something. A cookie is only looked at
 * when nothing else was presented: browsers send it along by themselves.
 * @throws FreeholdError unauthorized for two that differ
 */
function presentedKey(c: AppContext): string | undefined {
  const apiKey = c.req.header('x-api-key')?.trim();
  const authorization = c.req.header('authorization');
  const bearer = authorization === undefined ? undefined : (/^bearer +(\S+) *$/i.exec(authorization)?.[1] ?? '');
  if (apiKey !== undefined && bearer !== undefined && apiKey !== bearer) throw twice();
  const presented = apiKey ?? bearer;
  if (presented && /[?&]x-amz-signature=/i.test(c.req.url)) throw twice();
  return presented;
}

/** Which of two was meant is not ours to guess: a proxy in between may have added one of them. */
const twice = () =>
  new FreeholdError('unauthorized', 'The request carries two different credentials.', {
    hint: 'Send one: `x-api-key: KEY`, `Authorization: Bearer KEY`, or a signature.',
  });

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Refuses what a page of another origin makes a browser send. Only for requests that carry no key of their own.
 * @throws FreeholdError forbidden
 */
export function requireSameOrigin(c: AppContext): void {
  if (safeMethods.has(c.req.method)) return;
  const site = c.req.header('sec-fetch-site');
  const origin = c.req.header('origin');
  const sameSite = site === undefined || site === 'same-origin' || site === 'none';
  const sameOrigin = origin === undefined || hostOf(origin) === (c.req.header('host') ?? new URL(c.req.url).host);
  if (sameSite && sameOrigin) return;
  throw new FreeholdError('forbidden', 'The request comes from a page of another origin.', {
    hint: 'Programs in other pages must send an API key.',
  });
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/**
 * Lets a request through only with a principal that may use its path, and remembers it: by the route table. A path that
 * is not in the table asks for a key too, so that whoever may not ask learns nothing from how it answers.
 */
export const authenticated = (services: Services) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const route = apiRouteOf(c.req.path);
    const scope = route?.scope ?? (isApiPath(c.req.path) ? 'unknown' : 'open');
    if (scope !== 'open' && scope !== 'session') {
      const principal = await resolvePrincipal(c, services);
      c.set('principal', principal);
      requireArea(principal.role, scope === 'metrics' ? 'metrics' : 'apis');
      if (scope !== 'unknown') requireRoute(principal.scopes, scope);
      if (route?.admin) requireAdmin(principal.role);
    }
    await next();
  });
