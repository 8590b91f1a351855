import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
import type { Revoked } from './issuer-revocations.ts';

/** `token`: access tokens. `event`: the events and heartbeats of the log. */
export type KeyPurpose = 'token' | 'event';
/**
 * `next`: published, and signs nothing yet. `active`: signs. `former`: signs nothing any more, and is published until
 * nothing it signed is of use. `revoked`: published no more, and what it signed is refused.
 */
export type KeyState = 'next' | 'active' | 'former' | 'revoked';

/** When keys are changed. */
export interface KeyRotation {
  /** How long a key of access tokens signs. Default 30 days; `'never'`: until `rotate`. */
  readonly everyMs?: DurationMs | 'never';
  /** How long the key of events signs. Each change opens an epoch, which every reader reads from its beginning. Default 90 days. */
  readonly eventEveryMs?: DurationMs | 'never';
  /**
   * How long a key is published before it signs: longer than the caches between here and the readers keep a key set, and
   * longer than readers wait between two fetches. Default 10 minutes, 1 s to 1 day, and less than the two above.
   */
  readonly publishBeforeMs?: DurationMs;
  /** Of the keys of access tokens; a change of it is a rotation. Default `RS256`. Events are always RS256. */
  readonly algorithm?: SigningAlgorithm;
}

export interface KeyView {
  /** Its RFC 7638 thumbprint. */
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly alg: SigningAlgorithm;
  readonly state: KeyState;
  readonly createdAt: EpochMillis;
  /** When it began to sign; of a `next` key when it will at the earliest; null if it never did. */
  readonly activatedAt: EpochMillis | null;
  /** Of a `former` key: when it is forgotten. */
  readonly retiresAt: EpochMillis | null;
}

export interface RotateKey {
  readonly purpose: KeyPurpose;
  /** Of this one key. Default: the configured one. */
  readonly alg?: SigningAlgorithm;
}

export interface RevokeKey {
  readonly kid: string;
  /** A stable word, such as `key_compromised`. */
  readonly reason: string;
}

/** Where the revocation of a key stands in the log, and which keys it is about. */
interface KeyRevocation extends Revoked {
  /** The key, and the next one, which lay beside it, if it was the one that signs. */
  readonly revokedKids: readonly string[];
  /** The key of this purpose that signs now. */
  readonly signingKid: string;
}

/** The keys as they are committed. */
export interface IssuerKeys {
  /** All that are not forgotten, `active` first. */
  list(): Promise<KeyView[]>;
}

/** What an administrator does with the keys, inside a transaction. */
export interface KeyCommands {
  /**
   * Publishes the next key, which signs after `publishBeforeMs`; no session ends. Returns the one that is published
   * already, if there is one (of this `alg`, if it was given).
   * @throws TypeError for a purpose or an algorithm that is none
   */
  rotate(rotation: RotateKey): Promise<KeyView>;
  /**
   * Revokes a compromised key at once: what it signed is refused by every reader as soon as the event has reached it, and
   * if it is the one that signs, a new one, made now, signs from the same transaction on.
   * @throws RescindError `key_unknown`
   */
  revoke(revocation: RevokeKey): Promise<KeyRevocation>;
}
