import path from 'node:path';
import { expect, it } from 'vitest';
import {
  type ConfigKey,
  configSchema,
  environmentName,
  operatorOnlyKeys,
  resolveConfig,
  secretConfigKeys,
} from './config.ts';

// to write it anew: npx vitest run src/lib/settings-page.test.ts -u
it('docs/guide/settings.md lists exactly the settings', async () => {
  const defaults = resolveConfig({ home: '/home' }, {}, '/nowhere').values;
  const rows = (Object.keys(configSchema.shape) as ConfigKey[]).map((key) => {
    const fallback = key === 'home' ? '`~/.freehold`' : String(defaults[key]) === '' ? '' : `\`${defaults[key]}\``;
    return `| \`${key}\` | \`${environmentName(key)}\` | ${fallback} | ${configSchema.shape[key].description}${secretConfigKeys.has(key) ? ' Never printed. It has no flag: lists of processes show flags.' : ''} |`;
  });
  const page = [
    '# Settings',
    '',
    'A flag wins over the environment, the environment over `freehold.config.json` in the folder Freehold is started from (`FREEHOLD_CONFIG` names another',
    'file), the file over the default. `freehold config` prints each value and where it came from. A flag is the setting in kebab case',
    '(`--context-tokens`), `--model` for `defaultModel` and `--no-auth` for `auth`; the file holds one JSON object.',
    '',
    `A file that is merely found in the current folder may not set ${[...operatorOnlyKeys].map((key) => `\`${key}\``).join(', ')}: a strange folder could`,
    'bring libraries of its own, or send your token elsewhere. Flags, the environment and a file named by `FREEHOLD_CONFIG` may.',
    '',
    '| setting | environment | default | |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot(path.join(import.meta.dirname, '../../docs/guide/settings.md'));
});
