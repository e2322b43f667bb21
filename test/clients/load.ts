// Loads a client of another vendor for the conformance tests. They are installed in this folder and not in the root,
// whose install is to stay small; types are the caller's to name.
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Where the clients are installed. */
export const clientsFolder = import.meta.dirname;

/**
 * Loads a package of test/clients/node_modules, e.g. `ollama` or `@ai-sdk/openai`; a subpath is possible.
 * @returns the package's exports
 * @throws Error that names the command to install it, where it is missing
 */
export async function client<Exports>(name: string): Promise<Exports> {
  const [first = '', second = ''] = name.split('/');
  const packageName = first.startsWith('@') ? `${first}/${second}` : first;
  if (!existsSync(path.join(clientsFolder, 'node_modules', packageName, 'package.json'))) {
    throw new Error(`${packageName} is not installed in test/clients. Install it with: npm run clients`);
  }
  // resolved from this file's own folder, where node_modules is
  return import(/* @vite-ignore */ name);
}
