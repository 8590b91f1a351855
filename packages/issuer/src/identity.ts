import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token';
import type { KeyPurpose } from './issuer-keys.ts';
import { EVENT_ALGORITHM } from './keys/event-signing.ts';
import type { HighWaterFile, ProofFile } from './keys/high-water.ts';
import type { Keyring } from './keys/keyring.ts';
import { FIRST_EPOCH_COUNTER, LOST_EPOCH_COUNTER, toEpoch } from './log/epoch.ts';
import type { Store } from './store/store.ts';

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
export function establish({ issuer, algorithm }: Establishing, places: Places, at: EpochMillis): void {
  const { store, keyrings, highWater, proofs } = places;
  requireSameIssuer(issuer, store);
  if (store.meta.identity() !== undefined) return;
  // The keys' directory remembers a log that this new database does not have: it was lost, and is to be restored.
  const isLost = highWater.read() !== undefined || proofs.read().length > 0;
  store.meta.openEpoch(toEpoch(isLost ? LOST_EPOCH_COUNTER : FIRST_EPOCH_COUNTER));
  adoptKeys({ purpose: 'token', alg: algorithm }, keyrings.token, store, at);
  adoptKeys({ purpose: 'event', alg: EVENT_ALGORITHM }, keyrings.event, store, at);
}

/** Files that a first start left behind, cut short before its commit, or a lost database's; else a new key. */
function adoptKeys(
  { purpose, alg }: { readonly purpose: KeyPurpose; readonly alg: SigningAlgorithm },
  keyring: Keyring,
  { keys }: Store,
  at: EpochMillis,
): void {
  const found = keyring.published();
  const active = found.find((key) => key.alg === alg && keyring.signing(key.kid) !== undefined) ?? keyring.make(alg);
  const cause = 'start';
  keys.insert({ kid: active.kid, purpose, alg, state: 'active', cause, createdAt: at });
  for (const { kid, alg: held } of found) {
    if (kid !== active.kid) keys.insert({ kid, purpose, alg: held, state: 'former', cause, createdAt: at });
  }
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
