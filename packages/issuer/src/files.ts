import { RescindError, storageUnavailable } from '@rescind/revocation';
import type { Places } from './identity.ts';
import type { IssuerOptions } from './issuer.ts';
import { openPrivateDirectory } from './keys/directory.ts';
import { createHighWaterFile, createProofFile } from './keys/high-water.ts';
import { openKeyring } from './keys/keyring.ts';
import type { Connection } from './sql/connection.ts';
import { openConnection } from './sql/connection.ts';
import { createStore } from './sql/store.ts';

export interface OpenFiles extends Places {
  readonly connection: Connection;
}

/**
 * The database as its only writer, and the keys.
 * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable`
 */
export function openFiles({ databasePath, keysPath }: Pick<IssuerOptions, 'databasePath' | 'keysPath'>): OpenFiles {
  const connection = named('databasePath', databasePath, () => openConnection(databasePath));
  try {
    const store = createStore(connection.database);
    const directory = named('keysPath', keysPath, () => openPrivateDirectory(keysPath));
    return {
      connection,
      store,
      keyrings: {
        token: openKeyring(directory, store.keys, 'token'),
        event: openKeyring(directory, store.keys, 'event'),
      },
      highWater: createHighWaterFile(directory),
      proofs: createProofFile(directory),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** An error of the operating system or of SQLite names the option, its path and the code. */
function named<T>(option: 'databasePath' | 'keysPath', path: string, open: () => T): T {
  try {
    return open();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (error instanceof RescindError || !/^(E[A-Z]+|SQLITE_[A-Z_]+)$/.test(code)) throw error;
    throw storageUnavailable(error, `${option} ${path} (${code})`);
  }
}
