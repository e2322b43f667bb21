import { describe, expect, it } from 'vitest';
import { apiRouteOf, apiRoutes, isApiPath, protocolOfPath, routeOf, writtenPath } from './api-paths.ts';

describe('the table of routes', () => {
  it('names each path once, with methods', () => {
    const paths = apiRoutes.map(writtenPath);
    expect(new Set(paths).size).toBe(paths.length);
    for (const { methods } of apiRoutes) expect(methods.length).toBeGreaterThan(0);
  });

  it.each(apiRoutes)('$path is found by a path of it, under its written name', (route) => {
    const path = route.path.replace(/:\w+\{\.\+\}/g, 'a/b').replace(/:\w+/g, 'a:b');
    expect(apiRouteOf(path)).toBe(route);
    expect(routeOf(path)).toBe(writtenPath(route));
    expect(isApiPath(path)).toBe(true);
  });

  it.each([
    ['/v1/nothing', 'unknown'],
    ['/v1/messages/', 'unknown'],
    ['/v1/models/', 'unknown'],
    ['/v1', 'unknown'],
    ['/api/x', 'unknown'],
    ['/', 'page'],
    ['/models', 'page'],
    ['/v1x', 'page'],
    ['//v1/models', 'page'],
  ])('%s is %s', (path, route) => {
    expect(routeOf(path)).toBe(route);
    expect(isApiPath(path)).toBe(route === 'unknown');
  });

  it.each([
    ['/v1/messages', undefined, 'anthropic'],
    ['/v1/messages/what', undefined, 'anthropic'],
    ['/v1/chat/completions', '2023-06-01', 'openai'],
    ['/v1/models', undefined, 'openai'],
    ['/v1/models', '2023-06-01', 'anthropic'],
    ['/v1/nothing', '2023-06-01', 'anthropic'],
    ['/model/m/what', undefined, 'bedrock'],
    ['/api/what', undefined, 'ollama'],
    ['/api/session', undefined, 'ours'],
  ])('%s with anthropic-version %s answers as %s', (path, version, protocol) => {
    expect(protocolOfPath(path, version)).toBe(protocol);
  });
});
