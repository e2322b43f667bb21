// The socket: listening, its time limits, and how it ends. Knows HTTP and nothing of what is served.
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer, getRequestListener } from '@hono/node-server';
import type { Config } from '../lib/config.ts';
import { FreeholdError } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { settledWithin } from '../lib/settled.ts';
import type { App } from './context.ts';
import { acceptHttp2 } from './http2.ts';

/** Longest a request's headers, and a whole request, may take to arrive, in milliseconds. */
const headersTimeoutMs = 20_000;
const requestTimeoutMs = 120_000;
/** Longer than clients keep an idle connection, so that none is closed under a request. */
const idleMs = 75_000;

export interface Listening {
  port: number;
  /**
   * Takes no more connections, waits for requests in flight as long as allowed, runs `between`, ends what is left.
   * @param graceMs how long requests may go on
   * @param between what makes the rest fail properly, e.g. ending generations and closing the models
   */
  close(graceMs: number, between: () => Promise<void>): Promise<void>;
}

/** @throws FreeholdError unsafe_bind when auth is off and others could reach the address */
export function requireSafeBind({ host, auth }: Config): void {
  if (auth || isLoopback(host)) return;
  throw new FreeholdError(
    'unsafe_bind',
    `Refusing to listen on ${host} with authentication off: anyone could use it.`,
    {
      hint: 'Turn authentication on (leave out --no-auth and FREEHOLD_AUTH=false), or listen on 127.0.0.1.',
      field: 'host',
    },
  );
}

/** @throws FreeholdError port_in_use; config_invalid for an address that is not this machine's */
export async function listen(app: App, { host, port }: Config): Promise<Listening> {
  const server = createAdaptorServer({
    fetch: app.fetch,
    hostname: host,
    serverOptions: {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: 5000,
    },
  }) as Server;
  const http2 = acceptHttp2(server, getRequestListener(app.fetch, { hostname: host }), { idleMs, requestTimeoutMs });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(listenError(cause, host, port)));
    server.listen(port, host.replace(/^\[|\]$/g, ''), resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close(graceMs, between) {
      const drained = new Promise<void>((resolve) => server.close(() => resolve()));
      http2.close();
      // a connection kept alive becomes idle only when its answer is out
      const sweep = setInterval(() => server.closeIdleConnections(), 20);
      try {
        await settledWithin(drained, graceMs);
        await between();
        // what just failed gets a moment to tell its caller
        await settledWithin(drained, 500);
      } finally {
        clearInterval(sweep);
        server.closeAllConnections();
        http2.destroy();
      }
      await drained;
    },
  };
}

function listenError(cause: NodeJS.ErrnoException, host: string, port: number): FreeholdError {
  switch (cause.code) {
    case 'EADDRINUSE':
      return new FreeholdError('port_in_use', `Port ${port} on ${host} is in use by another program.`, {
        hint: `Stop that program, or choose another port: freehold up --port ${port === 65535 ? 8080 : port + 1} (0 takes a free one).`,
        cause,
      });
    case 'EACCES':
      return new FreeholdError('config_invalid', `Listening on port ${port} is not allowed for this user.`, {
        hint: 'Choose a port above 1023: freehold up --port 8080',
        field: 'port',
        cause,
      });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new FreeholdError('config_invalid', `"${host}" is not an address of this machine.`, {
        hint: 'Use 127.0.0.1 for this machine only, or 0.0.0.0 for all its addresses.',
        field: 'host',
        cause,
      });
    default:
      return new FreeholdError('config_invalid', `Cannot listen on ${host} port ${port}: ${cause.message}.`, { cause });
  }
}
