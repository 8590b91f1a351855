import type { PolicyDefaults } from '../clients/policy.ts';
import type { ClientRegistry } from '../clients/registry.ts';
import type { SubjectReads, SubjectRecord } from '../issuer.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Store } from '../store/store.ts';
import type { AudiencePolicy } from './audience.ts';

/** What login, refresh and renewal work with. */
export interface SessionRoom {
  readonly store: Pick<Store, 'read'>;
  readonly policy: PolicyDefaults & { readonly issuer: string };
  readonly tokenKeys: Keyring;
  readonly clients: ClientRegistry;
  readonly audiences: AudiencePolicy;
  /** Reads through the transaction, or what is committed. */
  subject(from: SubjectReads, sub: string): Promise<SubjectRecord | undefined>;
}
