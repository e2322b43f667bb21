// What travels with a request through middleware and routes, and what the routes are given to work with.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, Hono } from 'hono';
import type { PullProgress } from '../hub/types.ts';
import type { Config } from '../lib/config.ts';
import type { ErrorCode } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { KeyScopes } from '../lib/scopes.ts';
import type { Role } from '../store/keys.ts';
import type { Store } from '../store/open.ts';
import type { ServedModel } from '../wire/models.ts';
import type { BodyBudget } from './body-budget.ts';
import type { Metrics } from './metrics.ts';
import type { ModelRegistry } from './model-registry.ts';
import type { SignInTokens } from './sign-in.ts';

/** Whoever a request acts for. */
export interface Principal {
  /** Fairness, prefix cache and, later, ownership are scoped to it. */
  tenant: string;
  /** The key's id, when there is one; safe to log. */
  keyId: string | undefined;
  name: string;
  role: Role;
  /** What its key is limited to; the route's scope was checked before the route is called, the model's is in `requireModel`. */
  scopes: KeyScopes;
  via: 'key' | 'session' | 'open' | 'signature';
}

export interface Services {
  config: Config;
  store: Store;
  models: ModelRegistry;
  /** Models on this machine, `default` first. */
  listModels(): Promise<ServedModel[]>;
  /** Default: models neither come nor go through the server. */
  hub?: ModelHub;
  signIn: SignInTokens;
  metrics: Metrics;
  logger: Logger;
  /** Of this release. */
  version: string;
  /** Folder of the built page. */
  webRoot: string;
  /** Aborted when the server ends: generations are cut short then. Default: it never does. */
  stopping?: AbortSignal;
  /** How patient to be with a reader; tests are less. */
  streams?: StreamLimits;
}

/** Fetching and removing models, as src/hub does. */
export interface ModelHub {
  /**
   * @param reference a name of the catalogue, or `hf:owner/repo[:quantisation]`
   * @throws FreeholdError as `pullModel`
   */
  pull(
    reference: string,
    options: { signal: AbortSignal; onProgress: (progress: PullProgress) => void },
  ): Promise<unknown>;
  /** @throws FreeholdError as `removeLocalModel` */
  remove(name: string): Promise<void>;
}

export interface StreamLimits {
  /** Most bytes an answer may wait for its reader. Default 4 MB. */
  undeliveredBytes?: number;
  /** Longest a reader may take nothing while something waits, in milliseconds. Default 2 minutes. */
  stallMs?: number;
  /** A stream that is silent this long sends something harmless, in milliseconds. Default 15 s. */
  keepAliveMs?: number;
}

export interface AppEnv {
  Bindings: {
    /** Node's own request and response; absent where a test calls the app without a socket. */
    incoming?: IncomingMessage;
    outgoing?: ServerResponse;
  };
  Variables: {
    requestId: string;
    /** Set on every route but /health, the page and POST /api/session. */
    principal: Principal;
    /** `performance.now()` at arrival. */
    arrivedMs: number;
    /** The body, where it was read before the route was called: to verify a signature. */
    body?: Uint8Array | undefined;
    /** The room for bodies that are being read. */
    bodies: BodyBudget;
    /** Facts for the request's log line and metrics. */
    facts: RequestFacts;
  };
}

/** Gathered while a request is answered. Never holds text of the caller. */
export interface RequestFacts {
  model?: string;
  errorCode?: ErrorCode;
  inputTokens?: number;
  outputTokens?: number;
  timeToFirstTokenMs?: number;
  /** Set when the answer is a stream: called with the log line's rest at its end. */
  streaming?: boolean;
}

export type App = Hono<AppEnv>;
export type AppContext = Context<AppEnv>;
