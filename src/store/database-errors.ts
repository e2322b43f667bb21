// What SQLite says, in our own errors: a full disk and a disk that refuses are nobody's bug, and whoever waits for an answer
// must learn which it is. Knows codes of SQLite, no tables.
import type { SqliteDatabase } from 'kysely';
import { isDiskFull } from '../lib/disk.ts';
import { FreeholdError } from '../lib/errors.ts';

/** Codes (and beginnings of extended codes) that tell of the file or its disk, not of the statement. */
const aboutTheFile = /^SQLITE_(IOERR|READONLY|CANTOPEN|CORRUPT|NOTADB|PERM|AUTH|BUSY|LOCKED)/;

/**
 * @param file path of the database
 * @returns FreeholdError disk_full or file_io; anything else as it was
 */
export function databaseError(error: unknown, file: string): unknown {
  if (!(error instanceof Error) || error instanceof FreeholdError) return error;
  const code = String((error as NodeJS.ErrnoException).code ?? '');
  if (code === 'SQLITE_FULL' || isDiskFull(error)) {
    return new FreeholdError('disk_full', `The disk of the database ${file} is full, so nothing was written.`, {
      hint: 'Free some space on it and try again.',
      cause: error,
    });
  }
  if (!aboutTheFile.test(code)) return error;
  return new FreeholdError('file_io', `The database ${file} cannot be used: ${error.message}.`, {
    hint: 'Check its disk, and that its folder can be written to.',
    cause: error,
  });
}

/** The same database, failing with our errors. */
export function withOurErrors(database: SqliteDatabase, file: string): SqliteDatabase {
  const told = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw databaseError(error, file);
    }
  };
  return {
    close: () => database.close(),
    prepare(sql) {
      const statement = told(() => database.prepare(sql));
      return {
        reader: statement.reader,
        all: (parameters) => told(() => statement.all(parameters)),
        run: (parameters) => told(() => statement.run(parameters)),
        iterate: (parameters) => told(() => statement.iterate(parameters)),
      };
    },
  };
}
