import type { DurationMs, EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { storageUnavailable } from '@rescind/revocation/storage';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { EventJwks, IssuerOptions } from './issuer.ts';
import type { KeyPurpose } from './issuer-keys.ts';
import type { PrivateDirectory } from './keys/directory.ts';
import { openPrivateDirectory } from './keys/directory.ts';
import type { HighWatermarkFile, ProofFile } from './keys/high-watermark.ts';
import { createHighWatermarkFile, createProofFile } from './keys/high-watermark.ts';
import type { Keyring } from './keys/keyring.ts';
import { openKeyring } from './keys/keyring.ts';
import { FIRST_EPOCH_COUNTER, LOST_EPOCH_COUNTER, toEpoch } from './log/epoch.ts';
import { EVENT_ALGORITHM } from './log/source.ts';
import type { Store, StoreTransaction } from './store/store.ts';

/**
 * Opens the store as its only writer, and the keys.
 * @param openDirectory of the keys
 * @throws RescindError `database_locked`, `database_newer`, `configuration_invalid`, `storage_unavailable`
 */
export async function openFiles(
  { store: provider, keysPath }: Pick<IssuerOptions, 'store' | 'keysPath'>,
  telemetry: Telemetry,
  openDirectory: (path: string) => PrivateDirectory = openPrivateDirectory,
): Promise<IssuerFiles> {
  const store = await named(provider.name, () => provider.open(telemetry));
  try {
    const directory = await named(`keysPath ${keysPath}`, async () => openDirectory(keysPath));
    return {
      store,
      keyrings: {
        token: openKeyring(directory, 'token'),
        event: openKeyring(directory, 'event'),
      },
      highWatermark: createHighWatermarkFile(directory),
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

export interface IssuerFiles {
  readonly store: Store;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly highWatermark: HighWatermarkFile;
  readonly proofs: ProofFile;
}

interface EstablishInput {
  readonly issuer: string;
  /** Of the keys of access tokens. */
  readonly algorithm: SigningAlgorithm;
}

/** The first start: an epoch and keys. Inside one transaction; key files are there before the database names them. */
export async function establish(
  tx: StoreTransaction,
  { issuer, algorithm }: EstablishInput,
  places: IssuerFiles,
  at: EpochMillis,
): Promise<void> {
  const { keyrings, highWatermark, proofs } = places;
  await requireSameIssuer(issuer, tx);
  if ((await tx.meta.identity()) !== undefined) return;
  // The keys' directory remembers a log that this new database does not have: it was lost, and is to be restored.
  const isLost = highWatermark.read() !== undefined || proofs.read().length > 0;
  await tx.meta.openEpoch(toEpoch(isLost ? LOST_EPOCH_COUNTER : FIRST_EPOCH_COUNTER));
  await adoptKeys({ purpose: 'token', alg: algorithm }, keyrings.token, tx, at);
  await adoptKeys({ purpose: 'event', alg: EVENT_ALGORITHM }, keyrings.event, tx, at);
}

/** Uses the keys whose files an interrupted first start or a lost database left behind; otherwise makes a new key. */
async function adoptKeys(
  { purpose, alg }: { readonly purpose: KeyPurpose; readonly alg: SigningAlgorithm },
  keyring: Keyring,
  { keys }: StoreTransaction,
  at: EpochMillis,
): Promise<void> {
  const found = keyring.published();
  const active = found.find((key) => key.alg === alg && keyring.signing(key.kid) !== undefined) ?? keyring.make(alg);
  const cause = 'start';
  await keys.insert({ kid: active.kid, purpose, alg, state: 'active', cause, createdAt: at });
  for (const { kid, alg: held } of found) {
    if (kid !== active.kid) await keys.insert({ kid, purpose, alg: held, state: 'former', cause, createdAt: at });
  }
}

async function requireSameIssuer(issuer: string, { meta }: StoreTransaction): Promise<void> {
  const known = await meta.issuer();
  if (known === null) await meta.setIssuer(issuer);
  else if (known !== issuer) {
    throw new RescindError('configuration_invalid', {
      detail: `the database is that of issuer ${known}, not ${issuer}`,
    });
  }
}

/** Makes key files and high-water mark agree with the database, which must be the latest state of the log. */
export function confirm({ store, keyrings, highWatermark }: IssuerFiles): void {
  // A crash between the writes of a file and its row, or after a commit, leaves files that differ from the rows.
  for (const keyring of [keyrings.token, keyrings.event]) keyring.reconcileFiles();
  const identity = store.log.identity();
  if (identity !== undefined) highWatermark.write({ epoch: identity.epoch, head: identity.head, id: identity.last });
}

/** The published event keys, the epoch of the log, and the key that signs it: readers follow this epoch, signed by this key, only. */
export function eventJwksOf({ store, keyrings }: IssuerFiles): EventJwks {
  const published = keyrings.event.jwks();
  return {
    ...published,
    epoch: store.log.identity()?.epoch ?? '',
    epoch_kid: keyrings.event.active(store.log.eventKid()).kid,
  };
}

/** The age of the epoch, by the time of its first event. An epoch without an event has age 0, one without its first event infinity. */
export function epochAgeOf({ store }: IssuerFiles, now: EpochMillis): DurationMs {
  const bottom = store.log.lowest();
  if (bottom?.seq === 1) return Math.max(0, now - bottom.appendedAt);
  return store.log.identity()?.head === 0 ? 0 : Number.POSITIVE_INFINITY;
}
