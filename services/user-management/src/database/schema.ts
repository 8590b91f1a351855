import type { Issuer } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import { accounts } from './migrations/accounts.ts';
import { administration } from './migrations/administration.ts';
import { first } from './migrations/first.ts';
import { names } from './migrations/names.ts';
import { recovery } from './migrations/recovery.ts';
import { registrations } from './migrations/registrations.ts';

/** SQL, or what SQL cannot compute. */
type Migration = string | ((database: Issuer['database']) => void);

/** Each entry takes the tables of ours from one version to the next, rows and all; never changed once released. */
const MIGRATIONS: readonly Migration[] = [first, accounts, administration, recovery, names, registrations];

/**
 * Our own tables, in the issuer's file; their version is the file's `user_version`.
 * @throws RescindError `database_newer`
 */
export function prepareSchema(database: Issuer['database']): void {
  const versionNow = () => Number(database.pragma('user_version', { simple: true }));
  database
    .transaction(() => {
      const version = versionNow();
      if (version > MIGRATIONS.length) {
        throw new RescindError('database_newer', {
          detail: `users of version ${version}, known is ${MIGRATIONS.length}`,
        });
      }
      for (const migration of MIGRATIONS.slice(version)) {
        if (typeof migration === 'string') database.exec(migration);
        else migration(database);
      }
      if (version < MIGRATIONS.length) database.pragma(`user_version = ${MIGRATIONS.length}`);
    })
    .immediate();
}
