// `freehold keys create | list | rotate | revoke`: API keys, and the page's sign-ins, straight in the store; no server is needed,
// and a running one obeys from its next request on.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { KeyScopes, RouteScope } from '../../lib/scopes.ts';
import type { ApiKey, Role } from '../../store/keys.ts';
import type { Store } from '../../store/open.ts';
import type { SessionRecord } from '../../store/sessions.ts';
import { type CommonOptions, finish, type Invocation } from '../command.ts';
import { usageError } from '../failure.ts';
import { type Style, table } from '../output.ts';
import { parseDuration, parseMoment } from '../time-flags.ts';
import { createAws, isAwsId, listAws, revokeAws } from './aws-credentials.ts';

interface CreateOptions {
  name: string;
  role: Role;
  scopes?: string[];
  models?: string[];
  expires?: number;
  type: 'key' | 'aws';
}

export function addKeys(program: Command): void {
  const keys = program
    .command('keys')
    .summary('create, list, rotate and revoke API keys')
    .description('Creates, lists, rotates and revokes the keys that programs and people present to Freehold.');

  finish<CommonOptions & CreateOptions>(
    keys
      .command('create')
      .summary('create a key; it is shown once')
      .description(
        'Creates a key. It is shown once, here; Freehold keeps only its SHA-256. Of the type aws it keeps the secret encrypted, as signatures cannot be verified without it.',
      )
      .requiredOption('--name <text>', 'Who or what will use it, 1 to 100 characters.')
      .addOption(
        new Option('--role <role>', 'admin manages, member uses the page and the APIs, service only the APIs.')
          .choices(['admin', 'member', 'service'])
          .default('member'),
      )
      .option(
        '--scopes <list>',
        'What it may be used for, with commas between: chat, embeddings, rerank, models, files, responses, metrics. Default: everything.',
        names,
      )
      .option('--models <list>', 'The only models it may use, with commas between. Default: all.', names)
      .option('--expires <time>', 'From when on it is refused: 30d, 1y, 2027-01-31. Default: never.', expiry)
      .addOption(
        new Option('--type <type>', 'aws makes an access key id and a secret that signs requests, for the AWS SDKs.')
          .choices(['key', 'aws'])
          .default('key'),
      ),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const { createKey } = await import('../../store/keys.ts');
        const { options, output } = invocation;
        const { name, role, expires, type } = options;
        const scopes: KeyScopes = {
          // the store refuses what is no scope
          routes: (options.scopes ?? ['*']) as RouteScope[],
          models: options.models ?? ['*'],
        };
        const wanted = { name, role, scopes, ...(expires === undefined ? {} : { expiresAt: expires }) };
        if (type === 'aws') return createAws(store, output, wanted);
        const { id, key } = await createKey(store, wanted);
        output.data({ key, id, name: name.trim(), role, scopes, expiresAt: expires ?? null });
        output.line(output.style.bold(key));
        if (!output.json) {
          const until = expires === undefined ? '' : ` Good until ${moment(expires)}.`;
          output.note(output.errorStyle.dim(`${role} key ${id}. It is shown this once: keep it.${until}`));
        }
      }),
  );

  finish<CommonOptions>(
    keys
      .command('list')
      .summary('list the keys')
      .description(
        'Lists every key with its state and limits, revoked ones too, and who is signed in to the page. Keys themselves are not kept.',
      ),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const [{ keyState, listKeys }, { listSessions }] = await Promise.all([
          import('../../store/keys.ts'),
          import('../../store/sessions.ts'),
        ]);
        const { output } = invocation;
        const [all, signIns, aws] = [await listKeys(store), await listSessions(store), await listAws(store)];
        output.data({
          keys: all.map((key) => ({
            ...key,
            state: keyState(key, Date.now()),
            lastUsedAt: key.lastUsedAt ?? null,
            revokedAt: key.revokedAt ?? null,
            expiresAt: key.expiresAt ?? null,
            rotatedAt: key.rotatedAt ?? null,
            previousUntil: key.previousUntil ?? null,
          })),
          awsCredentials: aws.shown,
          sessions: signIns.map((session) => ({ ...session, keyId: session.keyId ?? null })),
        });
        const rows = [...all, ...aws.rows];
        if (rows.length === 0) {
          output.prose(
            'No keys yet. `freehold up` makes the first one; `freehold keys create --name me --role admin` another.',
          );
        } else for (const line of keyTable(rows, output.style, output.columns, Date.now())) output.line(line);
        const line = signInLine(signIns, Date.now());
        if (line !== undefined) output.prose(`\n${line}`);
      }),
  );

  finish<CommonOptions & { grace: number; expires?: number }>(
    keys
      .command('rotate')
      .summary('give a key a new secret; it is shown once')
      .description(
        'Gives a key a new secret: it keeps its id, its limits and what it owns. The old secret is good for a grace period, so that programs can be changed without a gap.',
      )
      .argument('<id>', 'the id `freehold keys list` shows (key_…)')
      .addOption(
        new Option('--grace <time>', 'How long the old secret is good: 0 (not at all) to 30d.')
          .argParser(parseDuration)
          .default(24 * 3600_000, '24h'),
      )
      .option('--expires <time>', 'A new expiry: 30d, 1y, 2027-01-31. Default: the one it has.', expiry),
    [],
    (invocation) =>
      withStore(invocation, async (store) => {
        const { rotateKey } = await import('../../store/keys.ts');
        const { options, output } = invocation;
        const id = String(invocation.args[0]);
        const { grace: graceMs, expires } = options;
        const { key, previousUntil } = await rotateKey(store, id, {
          graceMs,
          ...(expires === undefined ? {} : { expiresAt: expires }),
        });
        output.data({ key, id, previousUntil: previousUntil ?? null });
        output.line(output.style.bold(key));
        const old = previousUntil === undefined ? 'is refused from now on' : `is good until ${moment(previousUntil)}`;
        if (!output.json)
          output.note(
            output.errorStyle.dim(`The new secret of ${id}. It is shown this once: keep it. The old one ${old}.`),
          );
      }),
  );

  finish<CommonOptions & { sessions?: boolean }>(
    keys
      .command('revoke')
      .summary('revoke a key, or end every sign-in of the page')
      .description(
        'Revokes a key and every sign-in made with it; a running server refuses it from its next request on.',
      )
      .argument('[id]', 'the id `freehold keys list` shows (key_…, aws_…)')
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
        if (isAwsId(String(given))) return revokeAws(store, output, String(given));
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

/** Keys as a table; columns that no key needs are left out. @param nowMs milliseconds since 1970 */
export function keyTable(keys: readonly ApiKey[], style: Style, columns: number, nowMs: number): string[] {
  // a narrow terminal needs the room for the name; the id says which key it is
  const prefixes = columns >= 100;
  const limits = keys.some((key) => limitsOf(key) !== '');
  const ends = keys.some(({ expiresAt, previousUntil }) => expiresAt !== undefined || (previousUntil ?? 0) > nowMs);
  return table(
    [
      { title: 'ID' },
      { title: 'NAME', shrinks: true },
      { title: 'ROLE' },
      ...(prefixes ? [{ title: 'KEY', paint: style.dim }] : []),
      ...(limits ? [{ title: 'ONLY FOR' }] : []),
      { title: 'CREATED' },
      { title: 'USED' },
      ...(ends ? [{ title: 'ENDS' }] : []),
    ],
    keys.map((key) => [
      key.id,
      key.name,
      key.role,
      ...(prefixes ? [`${key.prefix}…`] : []),
      ...(limits ? [limitsOf(key)] : []),
      ago(key.createdAt, nowMs),
      key.revokedAt !== undefined ? 'REVOKED' : key.lastUsedAt === undefined ? 'never' : ago(key.lastUsedAt, nowMs),
      ...(ends ? [endOf(key, nowMs)] : []),
    ]),
    style,
    columns,
  );
}

/** `chat, embeddings; models qwen3-4b`; empty for a key without limits. */
function limitsOf({ scopes: { routes, models } }: ApiKey): string {
  const parts = routes.includes('*') ? [] : [routes.join(', ')];
  if (!models.includes('*')) parts.push(`models ${models.join(', ')}`);
  return parts.join('; ');
}

function endOf({ expiresAt, previousUntil, revokedAt }: ApiKey, nowMs: number): string {
  if (revokedAt !== undefined) return '';
  if (expiresAt !== undefined && expiresAt <= nowMs) return 'EXPIRED';
  const parts = expiresAt === undefined ? [] : [moment(expiresAt)];
  if (previousUntil !== undefined && previousUntil > nowMs) parts.push(`old secret ${moment(previousUntil)}`);
  return parts.join(', ');
}

/** `2027-01-31 14:05 UTC`. */
const moment = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** A parser for lists with commas. @throws InvalidArgumentError for one without anything, or with an empty part */
function names(given: string): string[] {
  const parts = given.split(',').map((part) => part.trim());
  if (parts.includes('')) throw new InvalidArgumentError('Expected one or more names with commas between.');
  return [...new Set(parts)];
}

const expiry = (given: string) => parseMoment(given);

/** `just now`, `5 min ago`, `3 h ago`, then the date. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = (nowMs - thenMs) / 1000;
  if (seconds < 90) return 'just now';
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return new Date(thenMs).toISOString().slice(0, 10);
}
