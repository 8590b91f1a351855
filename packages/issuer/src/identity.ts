import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { KeyPurpose } from './issuer-keys.ts';
import { EVENT_ALGORITHM } from './keys/event-signing.ts';
import type { HighWaterFile, ProofFile } from './keys/high-water.ts';
import type { Keyring } from './keys/keyring.ts';
import { FIRST_EPOCH_COUNTER, LOST_EPOCH_COUNTER, toEpoch } from './log/epoch.ts';
import type { Store, StoreTransaction } from './store/store.ts';

export interface Places {
  readonly store: Store;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly highWater: HighWaterFile;
  readonly proofs: ProofFile;
}

interface Establishing {
  readonly issuer: string;
  /** Of the keys of access tokens. */
  readonly algorithm: SigningAlgorithm;
}

/** The first start: an epoch and keys. Inside one transaction; key files are there before the database names them. */
export async function establish(
  tx: StoreTransaction,
  { issuer, algorithm }: Establishing,
  places: Places,
  at: EpochMillis,
): Promise<void> {
  const { keyrings, highWater, proofs } = places;
  await requireSameIssuer(issuer, tx);
  if ((await tx.meta.identity()) !== undefined) return;
  // The keys' directory remembers a log that this new database does not have: it was lost, and is to be restored.
  const isLost = highWater.read() !== undefined || proofs.read().length > 0;
  await tx.meta.openEpoch(toEpoch(isLost ? LOST_EPOCH_COUNTER : FIRST_EPOCH_COUNTER));
  await adoptKeys({ purpose: 'token', alg: algorithm }, keyrings.token, tx, at);
  await adoptKeys({ purpose: 'event', alg: EVENT_ALGORITHM }, keyrings.event, tx, at);
}

/** Files that a first start left behind, cut short before its commit, or a lost database's; else a new key. */
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
