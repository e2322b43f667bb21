import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { allScopes, mayUseModel, mayUseRoute, requireRoute, routeScopes } from './scopes.ts';

describe('scopes', () => {
  it('are what they name, or everything', () => {
    for (const scope of routeScopes) expect(mayUseRoute(allScopes, scope)).toBe(true);
    const some = { routes: ['chat', 'files'] as const, models: ['a'] };
    expect(routeScopes.filter((scope) => mayUseRoute(some, scope))).toEqual(['chat', 'files']);
    expect(() => requireRoute(some, 'metrics')).toThrow(
      expect.objectContaining({
        code: 'forbidden',
        message: 'The key has no scope "metrics"; it has "chat", "files".',
        hint: expect.stringContaining('--scopes chat,files,metrics'),
      }),
    );
    expect(mayUseModel(some, ['b', 'a'])).toBe(true);
    expect(mayUseModel(some, ['b'])).toBe(false);
    expect(mayUseModel(some, ['*'])).toBe(false);
    expect(mayUseModel(allScopes, [])).toBe(true);
  });

  it('are all explained in docs/guide/keys.md', () => {
    const page = readFileSync(path.join(import.meta.dirname, '../../docs/guide/keys.md'), 'utf8');
    const explained = [...page.matchAll(/^\| `(\w+)` \| .*(?:messages|\/|models)/gm)].map(([, scope]) => scope);
    expect(explained).toEqual([...routeScopes]);
  });
});
