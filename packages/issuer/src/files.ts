import type { Telemetry } from '@rescind/revocation';
import { RescindError, storageUnavailable } from '@rescind/revocation';
import type { Places } from './identity.ts';
import type { IssuerOptions } from './issuer.ts';
import type { PrivateDirectory } from './keys/directory.ts';
import { openPrivateDirectory } from './keys/directory.ts';
import { createHighWaterFile, createProofFile } from './keys/high-water.ts';
import { openKeyring } from './keys/keyring.ts';

/**
 * Opens the store as its only writer, and the keys.
 * @param openDirectory of the keys
 * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable`
 */
export async function openFiles(
  { store: provider, keysPath }: Pick<IssuerOptions, 'store' | 'keysPath'>,
  telemetry: Telemetry,
  openDirectory: (path: string) => PrivateDirectory = openPrivateDirectory,
): Promise<Places> {
  const store = await named(provider.name, () => provider.open(telemetry));
  try {
    const directory = await named(`keysPath ${keysPath}`, async () => openDirectory(keysPath));
    return {
      store,
      keyrings: {
        token: openKeyring(directory, 'token'),
        event: openKeyring(directory, 'event'),
      },
      highWater: createHighWaterFile(directory),
      proofs: createProofFile(directory),
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** An error of the operating system or of SQLite names the option, its path and the code. */
async function named<T>(what: string, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (error instanceof RescindError || !/^(E[A-Z]+|SQLITE_[A-Z_]+)$/.test(code)) throw error;
    throw storageUnavailable(error, `${what} (${code})`);
  }
}
