import type { EpochMillis } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token';
import type { KeyPurpose, KeyState } from '../issuer-keys.ts';

/** Why a key was made. `choice`: by command, with an algorithm that is not the configured one. */
export type KeyCause = 'start' | 'schedule' | 'command' | 'choice' | 'algorithm' | 'revocation' | 'restore';

export interface KeyRow {
  readonly kid: string;
  readonly purpose: KeyPurpose;
  readonly alg: SigningAlgorithm;
  readonly state: KeyState;
  readonly cause: KeyCause;
  readonly createdAt: EpochMillis;
  readonly activatedAt: EpochMillis | null;
  /** Of a former key; null: not decided yet. */
  readonly retiresAt: EpochMillis | null;
}

/** What the database knows of the keys; the keys themselves are files elsewhere. */
export interface Keys {
  /** An `active` one is taken as active from its making on. */
  insert(key: Omit<KeyRow, 'activatedAt' | 'retiresAt'>): void;
  find(kid: string): KeyRow | undefined;
  stateOf(kid: string): KeyState | undefined;
  /** The one that signs. */
  active(purpose: KeyPurpose): string | undefined;
  next(purpose: KeyPurpose): KeyRow | undefined;
  /** The active one first, then the next, the former and the revoked. */
  all(purpose: KeyPurpose): KeyRow[];
  activate(kid: string, at: EpochMillis): void;
  /** Signs no more. `retiresAt` null: to be decided. */
  retire(kid: string, retiresAt: EpochMillis | null): void;
  revoke(kid: string): void;
  delete(kid: string): void;
}
