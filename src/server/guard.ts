// What every request passes first: an id, the Host check against DNS rebinding, security headers, and at the end one
// log line and the metrics. Knows nothing of routes.
import { createMiddleware } from 'hono/factory';
import { FreeholdError } from '../lib/errors.ts';
import { newId } from '../lib/ids.ts';
import type { Logger } from '../lib/log.ts';
import { isLoopback } from '../lib/loopback.ts';
import { answerError } from './answer-error.ts';
import { routeOf } from './api-paths.ts';
import { createBodyBudget } from './body-budget.ts';
import type { AppContext, AppEnv, Principal, RequestFacts, Services } from './context.ts';
import { isExpectedEnd } from './stopping.ts';

/** The page loads nothing from elsewhere and runs no inline script. */
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const securityHeaders = Object.entries({
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
});

/** All bodies together may be as large as so many of the largest. */
const largestBodiesAtOnce = 4;

export const guard = (services: Services) => {
  const bodies = createBodyBudget(largestBodiesAtOnce * services.config.bodyLimitBytes);
  return createMiddleware<AppEnv>(async (c, next) => {
    const requestId = newId('req');
    c.set('requestId', requestId);
    c.set('bodies', bodies);
    c.set('arrivedMs', performance.now());
    const facts: RequestFacts = {};
    c.set('facts', facts);
    c.header('request-id', requestId);
    c.header('x-request-id', requestId);
    for (const [name, value] of securityHeaders) c.header(name, value);
    if (isLoopback(services.config.host) && !namesThisMachine(c)) {
      c.res = answerError(c, services, wrongHost(services.config.host));
    } else {
      await next();
    }
    // a stream reports at its own end
    if (!facts.streaming) report(c, services, c.res.status);
  });
};

/** Whether all names that the request has for this server are loopback's: a Host header does not outweigh the others. */
function namesThisMachine(c: AppContext): boolean {
  const incoming = c.env?.incoming as { authority?: string; url?: string } | undefined;
  // HTTP/2 has an authority; a target may be a whole address
  const names = [c.req.header('host'), incoming?.authority, addressOf(incoming?.url)].filter(
    (name) => name !== undefined,
  );
  if (names.length === 0) names.push(new URL(c.req.url).host);
  return names.every((name) => isLoopback(name.replace(/:\d*$/, '')));
}

const addressOf = (target = '') => /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1];

function wrongHost(bound: string): FreeholdError {
  return new FreeholdError(
    'forbidden',
    'The Host header names another machine, and this server listens to its own only.',
    {
      hint: `Use http://${bound}, or listen beyond this machine: freehold up --host 0.0.0.0`,
    },
  );
}

const requestLogs = new WeakMap<Logger, Logger>();

/** The same log, not searched for secrets, which takes longer than to write the line: what it is given holds none. */
function requestLogOf(logger: Logger): Logger {
  const known = requestLogs.get(logger);
  if (known) return known;
  const requestLog = logger.child({}, { redact: [] });
  requestLogs.set(logger, requestLog);
  return requestLog;
}

/** One log line and the metrics of an answered request. Never a prompt, never a key. */
export function report(c: AppContext, services: Services, status: number): void {
  const facts = c.get('facts');
  const durationMs = performance.now() - c.get('arrivedMs');
  services.metrics.request({ method: c.req.method, route: routeOf(c.req.path), status, durationMs });
  requestLogOf(services.logger)[status >= 500 && !isExpectedEnd(facts.errorCode) ? 'error' : 'info'](
    {
      method: c.req.method,
      path: c.req.path,
      status,
      ms: Math.round(durationMs * 10) / 10,
      // none where nobody was let in
      keyId: (c.get('principal') as Principal | undefined)?.keyId,
      traceId: c.get('requestId'),
      ...facts,
      streaming: undefined,
    },
    'request',
  );
}
