import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { HighWaterFile, ProofFile } from './keys/high-water.ts';
import type { Keyring } from './keys/keyring.ts';
import { FIRST_EPOCH_COUNTER, LOST_EPOCH_COUNTER, toEpoch } from './log/epoch.ts';
import type { KeyPurpose } from './sql/keys.ts';
import type { Store } from './sql/store.ts';

export interface Places {
  readonly store: Store;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly highWater: HighWaterFile;
  readonly proofs: ProofFile;
}

/** The first start: an epoch and keys. Inside one transaction; key files are there before the database names them. */
export function establish(issuer: string, { store, keyrings, highWater, proofs }: Places, at: EpochMillis): void {
  requireSameIssuer(issuer, store);
  if (store.meta.identity() !== undefined) return;
  // The keys' directory remembers a log that this new database does not have: it was lost, and is to be restored.
  const isLost = highWater.read() !== undefined || proofs.read().length > 0;
  store.meta.openEpoch(toEpoch(isLost ? LOST_EPOCH_COUNTER : FIRST_EPOCH_COUNTER));
  for (const purpose of ['token', 'event'] as const) adoptKeys(purpose, keyrings[purpose], store, at);
}

/** Files that a first start left behind, cut short before its commit, or a lost database's; else a new key. */
function adoptKeys(purpose: KeyPurpose, keyring: Keyring, { keys }: Store, at: EpochMillis): void {
  const [first = keyring.make().kid, ...others] = keyring.kids();
  keys.insert(first, purpose, 'active', at);
  for (const kid of others) keys.insert(kid, purpose, 'former', at);
}

function requireSameIssuer(issuer: string, { meta }: Store): void {
  const known = meta.issuer();
  if (known === null) meta.setIssuer(issuer);
  else if (known !== issuer) {
    throw new RescindError('configuration_invalid', {
      detail: `the database is that of issuer ${known}, not ${issuer}`,
    });
  }
}
