import type { EpochMillis } from '@rescind/revocation';
import { denyEventKid } from '../revoke/denials.ts';
import { inParts } from '../revoke/parts.ts';
import { createId } from '../session/mint.ts';
import type { Store } from '../store/store.ts';
import type { Unit } from '../transactions.ts';
import type { Revocation } from './appender.ts';

const REASON = 'event_key_revoked';

/** Every event key that was ever revoked. */
export function revokedEventKids({ keys }: Pick<Store, 'keys'>): string[] {
  return keys.all('event').flatMap(({ kid, state }) => (state === 'revoked' ? [kid] : []));
}

/** What an epoch begins with: a reader that knew one of these keys is not to believe it again. */
export function denialsOfEventKeys({ keys, meta }: Pick<Store, 'keys' | 'meta'>, at: EpochMillis): Revocation[] {
  const issuer = meta.issuer() ?? '';
  const deny = revokedEventKids({ keys }).map((kid) => denyEventKid(issuer, kid, at));
  const txn = createId();
  return inParts(deny).map((part) => ({ txn, reason: REASON, deny: part }));
}

export function denyRevokedEventKeys(store: Store, unit: Unit, at: EpochMillis): void {
  for (const revocation of denialsOfEventKeys(store, at)) unit.append(revocation);
}

/** The end of the present epoch: its key revokes itself, signing for the last time. */
export function appendLastWord({ outbox, meta, lastWords }: Store, unit: Unit, kid: string): void {
  const deny = [denyEventKid(meta.issuer() ?? '', kid, unit.now())];
  const { epoch, seq } = unit.append({ txn: createId(), reason: REASON, deny });
  const [row] = outbox.read(seq - 1, 1);
  if (row !== undefined) lastWords.add({ epoch, jws: row.jws });
}
