// The built page. Only files that were found in its folder are served, by exact path, so no path can lead out of it;
// any other path gets index.html, since the page has its own routes. /docs is a page of its own: the APIs, to try.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isApiPath } from '../api-paths.ts';
import type { App, Services } from '../context.ts';

const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
};

export function addPageRoutes(app: App, services: Services): void {
  const { webRoot } = services;
  let files: ReadonlyMap<string, string> | undefined;

  app.get('*', async (c, next) => {
    if (isApiPath(c.req.path)) return next();
    if (!files?.has('/index.html')) files = listFiles(webRoot);
    const wanted = c.req.path === '/docs' ? '/docs.html' : c.req.path;
    const known = files.has(wanted);
    // a page from before an update asks for files that are gone: HTML in their place would only confuse it
    if (!known && c.req.path.startsWith('/assets/')) return c.text('Gone. Reload the page.\n', 404);
    const requested = known ? wanted : '/index.html';
    const file = files.get(requested);
    const content = file === undefined ? undefined : await readFile(file).catch(() => undefined);
    if (content === undefined) {
      files = undefined;
      return c.text('The page is not built. Run `npm run build`; the APIs under /v1 work without it.\n', 404);
    }
    return c.body(content, 200, {
      'content-type': contentTypes[path.extname(requested)] ?? 'application/octet-stream',
      // names under assets/ change with their content
      'cache-control': requested.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
  });
}

/** Request path -> file, for every file in the folder; empty when there is none. */
function listFiles(root: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (folder: string, prefix: string) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) visit(full, `${prefix}${entry.name}/`);
      else if (entry.isFile()) found.set(prefix + entry.name, full);
    }
  };
  try {
    visit(root, '/');
  } catch {
    return new Map();
  }
  return found;
}
