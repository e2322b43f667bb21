// Opens the one database of a deployment: SQLite through libsql, queries through kysely. Several processes may have it
// open at once (the server, `freehold keys create`): WAL lets readers go on, and a writer waits up to 5 s for another.
// Every commit reaches the disk before it returns (synchronous=FULL), so a key that was printed survives kill -9.
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import Database from 'libsql';
import { FreeholdError } from '../lib/errors.ts';
import { databaseError, withOurErrors } from './database-errors.ts';
import { migrations, type Schema } from './schema.ts';

/** An open database. Whoever opened it closes it. */
export interface Store {
  readonly db: Kysely<Schema>;
  /** Path of the database file. */
  readonly file: string;
  /**
   * Differs from what it was when anything was written since, by this process or another: what was read before is good
   * as long as it is equal. Asks SQLite each time, which takes a few microseconds.
   */
  changes(): string;
  close(): Promise<void>;
}

/** Name of the database file inside the home folder. */
export const databaseName = 'freehold.db';

/**
 * Opens `<home>/freehold.db`, creating the folder (mode 0700) and the file (mode 0600), and migrates it forward.
 * @param home folder of the deployment, `Config.home`
 * @throws FreeholdError file_io when the file cannot be opened or is no database; disk_full; store_newer when a newer
 *   release wrote it. So do all queries, but for store_newer
 */
export function openStore(home: string): Store {
  const file = path.join(home, databaseName);
  let database: Database.Database | undefined;
  try {
    if (!existsSync(home)) mkdirSync(home, { recursive: true, mode: 0o700 });
    // created by us first, so that it (and the -wal and -shm that SQLite makes alike) is never readable by others
    closeSync(openSync(file, 'a', 0o600));
    chmodSync(file, 0o600);
    database = new Database(file);
    database.exec('pragma busy_timeout = 5000');
    database.exec('pragma journal_mode = wal');
    database.exec('pragma synchronous = full');
    database.exec('pragma foreign_keys = on');
    migrate(database, file);
  } catch (cause) {
    database?.close();
    const known = databaseError(cause, file);
    if (known instanceof FreeholdError && known.code !== 'file_io') throw known;
    throw new FreeholdError('file_io', `The database ${file} cannot be opened: ${(cause as Error).message}.`, {
      cause,
      hint: 'Check that the folder is writable and its disk not full. If the file is damaged, move it away: a new one is made, and keys must be created again.',
    });
  }
  const opened = database;
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database: withOurErrors(opened, file) }) });
  // data_version changes with commits of other connections, total_changes with rows this one wrote
  const mark = opened.prepare('select data_version, total_changes() from pragma_data_version').raw();
  let closed = false;
  return {
    db,
    file,
    changes() {
      try {
        return (mark.get() as unknown as [number, number]).join();
      } catch (error) {
        throw databaseError(error, file);
      }
    },
    async close() {
      if (closed) return;
      closed = true;
      // statements that wait for the garbage collector would keep SQLite from doing this by itself
      try {
        opened.exec('pragma busy_timeout = 200');
        opened.exec('pragma wal_checkpoint(truncate)');
      } catch {
        // on a full disk, say: whoever opens it next does it, and nothing is lost
      }
      await db.destroy();
      if (opened.open) opened.close();
    },
  };
}

function migrate(database: Database.Database, file: string): void {
  const version = () =>
    Number((database.prepare('pragma user_version').all()[0] as { user_version: number }).user_version);
  if (version() === migrations.length) return;
  // immediate: of two processes that start at once, one migrates and the other finds the work done
  database.exec('begin immediate');
  try {
    const from = version();
    if (from > migrations.length) {
      throw new FreeholdError(
        'store_newer',
        `The database ${file} has version ${from}; this release knows ${migrations.length}.`,
        {
          hint: 'Run the newer Freehold that wrote it, or set another FREEHOLD_HOME.',
        },
      );
    }
    for (const statements of migrations.slice(from)) for (const statement of statements) database.exec(statement);
    database.exec(`pragma user_version = ${migrations.length}`);
    database.exec('commit');
  } catch (error) {
    database.exec('rollback');
    throw error;
  }
}
