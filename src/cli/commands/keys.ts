// `freehold keys create | list | revoke`: API keys, and the page's sign-ins, straight in the store; no server is needed,
// and a running one obeys from its next request on.
import { type Command, Option } from 'commander';
import type { ApiKey, Role } from '../../store/keys.ts';
import type { Store } from '../../store/open.ts';
import type { SessionRecord } from '../../store/sessions.ts';
import { type CommonOptions, finish, type Invocation } from '../command.ts';
import { usageError } from '../failure.ts';
import { type Style, table } from '../output.ts';

export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .summary('create, list and revoke API keys')
    .description('Creates, lists and revokes the keys that programs and people present to Freehold.');

  finish<CommonOptions & { name: string; role: Role }>(
    keys
      .command('create')
      .summary('create a key; it is shown once')
      .description('Creates a key. It is shown once, here; Freehold keeps only its SHA-256.')
      .requiredOption('--name <text>', 'Who or what will use it, 1 to 100 characters.')
      .addOption(
        new Option('--role <role>', 'admin manages, member uses the page and the APIs, service only the APIs.')
          .choices(['admin', 'member', 'service'])
          .default('member'),
      ),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const { createKey } = await import('../../store/keys.ts');
        const { options, output } = invocation;
        const { id, key } = await createKey(store, { name: options.name, role: options.role });
        output.data({ key, id, name: options.name.trim(), role: options.role });
        output.line(output.style.bold(key));
        if (!output.json)
          output.note(output.errorStyle.dim(`${options.role} key ${id}. It is shown this once: keep it.`));
      }),
  );

  finish<CommonOptions>(
    keys
      .command('list')
      .summary('list the keys')
      .description(
        'Lists every key, revoked ones too, and who is signed in to the page. Keys themselves are not kept.',
      ),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const [{ listKeys }, { listSessions }] = await Promise.all([
          import('../../store/keys.ts'),
          import('../../store/sessions.ts'),
        ]);
        const { output } = invocation;
        const [all, signIns] = [await listKeys(store), await listSessions(store)];
        output.data({
          keys: all.map((key) => ({ ...key, lastUsedAt: key.lastUsedAt ?? null, revokedAt: key.revokedAt ?? null })),
          sessions: signIns.map((session) => ({ ...session, keyId: session.keyId ?? null })),
        });
        if (all.length === 0) {
          output.prose(
            'No keys yet. `freehold up` makes the first one; `freehold keys create --name me --role admin` another.',
          );
        } else for (const line of keyTable(all, output.style, output.columns, Date.now())) output.line(line);
        const line = signInLine(signIns, Date.now());
        if (line !== undefined) output.prose(`\n${line}`);
      }),
  );

  finish<CommonOptions & { sessions?: boolean }>(
    keys
      .command('revoke')
      .summary('revoke a key, or end every sign-in of the page')
      .description(
        'Revokes a key and every sign-in made with it; a running server refuses it from its next request on.',
      )
      .argument('[id]', 'the id `freehold keys list` shows (key_…)')
      .option('--sessions', 'End every sign-in of the page, also those made with the link of `freehold up`.'),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const { output, options } = invocation;
        const given = invocation.args[0];
        if ((given === undefined) === (options.sessions !== true)) {
          throw usageError(
            'Name either a key or --sessions.',
            '`freehold keys list` shows the ids of the keys (key_…).',
          );
        }
        if (options.sessions) {
          const { endSessions } = await import('../../store/sessions.ts');
          const ended = await endSessions(store);
          output.data({ endedSessions: ended });
          output.line(`Ended ${ended === 1 ? '1 sign-in' : `${ended} sign-ins`} of the page.`);
          return;
        }
        const { listKeys, revokeKey } = await import('../../store/keys.ts');
        const { FreeholdError } = await import('../../lib/errors.ts');
        const id = String(given);
        if (!(await revokeKey(store, id))) {
          const known = (await listKeys(store)).find((key) => key.id === id);
          throw new FreeholdError(
            'not_found',
            known ? `The key ${id} is revoked already.` : `There is no key with the id "${id}".`,
            { hint: '`freehold keys list` shows the ids (key_…); a key itself (fh_…) cannot be looked up here.' },
          );
        }
        output.data({ revoked: id });
        output.line(`Revoked ${id}.`);
      }),
  );
}

async function withStore(invocation: Invocation<CommonOptions>, work: (store: Store) => Promise<void>): Promise<void> {
  const { values } = await invocation.config();
  const { openStore } = await import('../../store/open.ts');
  const store = openStore(values.home);
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

/** Who is signed in to the page, in a sentence; undefined when nobody is. @param nowMs milliseconds since 1970 */
export function signInLine(sessions: readonly SessionRecord[], nowMs: number): string | undefined {
  const last = sessions.at(-1);
  if (!last) return undefined;
  const byLink = sessions.filter(({ keyId }) => keyId === undefined).length;
  const links = byLink === 0 ? '' : `, ${byLink} of them with the link of \`freehold up\``;
  return `Signed in to the page: ${sessions.length}${links}; the last one ${ago(last.createdAt, nowMs)}. To end all: freehold keys revoke --sessions`;
}

/** Keys as a table. @param nowMs milliseconds since 1970 */
export function keyTable(keys: readonly ApiKey[], style: Style, columns: number, nowMs: number): string[] {
  // a narrow terminal needs the room for the name; the id says which key it is
  const prefixes = columns >= 100;
  return table(
    [
      { title: 'ID' },
      { title: 'NAME', shrinks: true },
      { title: 'ROLE' },
      ...(prefixes ? [{ title: 'KEY', paint: style.dim }] : []),
      { title: 'CREATED' },
      { title: 'USED' },
    ],
    keys.map((key) => [
      key.id,
      key.name,
      key.role,
      ...(prefixes ? [`${key.prefix}…`] : []),
      ago(key.createdAt, nowMs),
      key.revokedAt !== undefined ? 'REVOKED' : key.lastUsedAt === undefined ? 'never' : ago(key.lastUsedAt, nowMs),
    ]),
    style,
    columns,
  );
}

/** `just now`, `5 min ago`, `3 h ago`, then the date. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = (nowMs - thenMs) / 1000;
  if (seconds < 90) return 'just now';
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(thenMs).toISOString().slice(0, 10);
}
