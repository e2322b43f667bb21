// What a key may be limited to: groups of routes and names of models. Knows no routes and no store; the route table says
// which scope each path has.
import { FreeholdError } from './errors.ts';

/** The groups of routes that a key can be limited to. */
export const routeScopes = ['chat', 'embeddings', 'rerank', 'models', 'files', 'responses', 'metrics'] as const;

export type RouteScope = (typeof routeScopes)[number];

/** What a key may use. `*` alone in a list stands for everything, also what comes with later releases. */
export interface KeyScopes {
  routes: readonly (RouteScope | '*')[];
  /** Names of models as callers write them, `default` and `MODEL+ADAPTER` among them. */
  models: readonly string[];
}

/** A key without limits: every key from before there were scopes. */
export const allScopes: KeyScopes = { routes: ['*'], models: ['*'] };

export const mayUseRoute = ({ routes }: KeyScopes, scope: RouteScope): boolean =>
  routes.includes('*') || routes.includes(scope);

/** @throws FreeholdError forbidden, naming the scope and those the key has */
export function requireRoute(scopes: KeyScopes, scope: RouteScope): void {
  if (mayUseRoute(scopes, scope)) return;
  throw new FreeholdError(
    'forbidden',
    `The key has no scope "${scope}"; it has ${scopes.routes.map((each) => `"${each}"`).join(', ')}.`,
    { hint: `Make one with: freehold keys create --name NAME --scopes ${[...scopes.routes, scope].join(',')}` },
  );
}

/**
 * Whether a key may use a model that answers to any of these names: the name that was asked for and the model's own, so
 * that a key for `default` follows the operator's choice, and one for a model may also ask for it as `default`.
 */
export const mayUseModel = ({ models }: KeyScopes, names: readonly string[]): boolean =>
  models.includes('*') || names.some((name) => models.includes(name));
