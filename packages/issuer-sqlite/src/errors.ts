import { registerErrors } from '@rescind/revocation/errors';

/** Codes of the database file, on opening it. */
const ERRORS = registerErrors('@rescind/issuer-sqlite', {
  database_locked: { status: 500, message: 'Another process is the writer of this database' },
  database_newer: { status: 500, message: 'The database was written by a newer version' },
});

type IssuerSqliteErrors = typeof ERRORS;

declare module '@rescind/revocation/errors' {
  interface ErrorTable extends IssuerSqliteErrors {}
}
