import type { EpochMillis, Revocation } from '@rescind/revocation';
import { inParts } from '../revoke/append.ts';
import { denyEventKid } from '../revoke/cut-offs.ts';
import { createId } from '../session/mint.ts';
import type { StoreReads } from '../store/store.ts';
import type { Unit } from '../transactions.ts';

const REASON = 'event_key_revoked';

/** Every event key that was ever revoked. */
export async function revokedEventKids({ keys }: Pick<StoreReads, 'keys'>): Promise<string[]> {
  return (await keys.all('event')).flatMap(({ kid, state }) => (state === 'revoked' ? [kid] : []));
}

/** What an epoch begins with: a reader that knew one of these keys is not to believe it again. */
export async function denialsOfEventKeys(
  { keys, meta }: Pick<StoreReads, 'keys' | 'meta'>,
  at: EpochMillis,
): Promise<Revocation[]> {
  const issuer = (await meta.issuer()) ?? '';
  const cutOffs = (await revokedEventKids({ keys })).map((kid) => denyEventKid(issuer, kid, at));
  return inParts({ txn: createId(), reason: REASON, cutOffs });
}

export async function denyRevokedEventKeys(unit: Unit, at: EpochMillis): Promise<void> {
  for (const revocation of await denialsOfEventKeys(unit.store, at)) unit.append(revocation);
}

/** The end of the present epoch: its key revokes itself, signing for the last time. */
export async function appendLastWord(unit: Unit, kid: string): Promise<void> {
  const { outbox, meta, lastWords } = unit.store;
  const cutOffs = [denyEventKid((await meta.issuer()) ?? '', kid, unit.now())];
  const record = unit.append({ txn: createId(), reason: REASON, cutOffs });
  await unit.flush();
  const { txn, epoch } = record;
  for (const { jws } of await outbox.ofTxn(txn)) await lastWords.add({ epoch, jws });
}
