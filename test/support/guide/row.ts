// The rows of docs/guide/supported.md: a feature, whether it is supported, why, and the request that shows it. Helpers to
// write them shortly; the rows stand in the files beside this one, one for each protocol.

export type Supported = 'yes' | 'partly' | 'no' | 'ignored';

export interface Probe {
  method: string;
  path: string;
  /** Sent as JSON; undefined: no body. */
  body?: object;
  headers?: Record<string, string>;
  /** What the page shows of the body: the part that matters. */
  shown?: object;
  /** Expected. */
  status: number;
}

export interface Row {
  feature: string;
  supported: Supported;
  /** What to know of it; empty where there is nothing. */
  why: string;
  probe: Probe;
}

export const row = (feature: string, supported: Supported, why: string, probe: Probe): Row => ({
  feature,
  supported,
  why,
  probe,
});

/** A POST to one path, of a body that works with something added. */
export const post =
  (path: string, base: object, headers?: Record<string, string>) =>
  (added: object = {}, status = 200): Probe => ({
    method: 'POST',
    path,
    body: { ...base, ...added },
    shown: added,
    status,
    ...(headers ? { headers } : {}),
  });

export const get = (path: string, status = 200, headers?: Record<string, string>): Probe => ({
  method: 'GET',
  path,
  status,
  ...(headers ? { headers } : {}),
});

export const hello = [{ role: 'user', content: 'hi' }];

/** A schema any object satisfies. */
export const anyObject = { type: 'object' };
