import type { EpochMillis } from '@rescind/revocation';
import type { SigningAlgorithm } from '@rescind/token/signing';
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

/** What the store knows of the keys; the keys themselves are files elsewhere. */
export interface KeyReads {
  find(kid: string): Promise<KeyRow | undefined>;
  /** The kid of the one that signs. */
  active(purpose: KeyPurpose): Promise<string | undefined>;
  next(purpose: KeyPurpose): Promise<KeyRow | undefined>;
  /** The active one first, then the next, the former and the revoked; by their age. */
  all(purpose: KeyPurpose): Promise<KeyRow[]>;
}

/** Of each purpose at most one key is `active`, and at most one `next`: a second one is rejected. */
export interface Keys extends KeyReads {
  /** An `active` one is taken as active from its making on. */
  insert(key: Omit<KeyRow, 'activatedAt' | 'retiresAt'>): Promise<void>;
  activate(kid: string, at: EpochMillis): Promise<void>;
  /** Signs no more. `retiresAt` null: to be decided. */
  retire(kid: string, retiresAt: EpochMillis | null): Promise<void>;
  revoke(kid: string): Promise<void>;
  delete(kid: string): Promise<void>;
}
