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
 * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`
 */
export function openFiles({ databasePath, keysPath }: Pick<IssuerOptions, 'databasePath' | 'keysPath'>): OpenFiles {
  const connection = openConnection(databasePath);
  try {
    const store = createStore(connection.database);
    const directory = openPrivateDirectory(keysPath);
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
