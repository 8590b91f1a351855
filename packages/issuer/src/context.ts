import type { Verifier } from '@rescind/token';
import type { ClientRegistry } from './clients/registry.ts';
import type { PolicyDefaults } from './clients/requirements.ts';
import type { SubjectReads, SubjectRecord } from './issuer.ts';
import type { KeyPurpose } from './issuer-keys.ts';
import type { Keyring } from './keys/keyring.ts';
import type { IssuerSettings } from './options.ts';
import type { AudiencePolicy } from './session/audience.ts';
import type { Store } from './store/store.ts';
import type { UserEventRecorder } from './user-events/recorder.ts';

/** The dependencies of what changes the keys. */
export interface KeyContext {
  readonly store: Pick<Store, 'read'>;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly settings: Pick<IssuerSettings, 'keyRotation' | 'eventRetentionMs' | 'telemetry'>;
}

/** The dependencies of login, refresh, renewal and revocation. */
export interface IssuerContext {
  readonly store: Pick<Store, 'read'>;
  readonly policy: PolicyDefaults & { readonly issuer: string };
  readonly tokenKeys: Keyring;
  readonly keys: KeyContext;
  readonly clients: ClientRegistry;
  readonly audiences: AudiencePolicy;
  readonly userEvents: UserEventRecorder;
  /** Reads through the transaction, or what is committed. */
  subject(from: SubjectReads, sub: string): Promise<SubjectRecord | undefined>;
  /** Verifies access tokens by the rules of every reader. */
  readonly accepting: Verifier;
  /** Verifies access tokens as the most lenient reader: until their `exp` plus the clock tolerance. */
  readonly revocable: Verifier;
  /** Does what the key schedule requires now. */
  readonly runKeySchedule: () => Promise<void>;
}
