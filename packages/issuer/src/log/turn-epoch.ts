import { readOwnEvent } from '@rescind/feed';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { isAboutEventKeys } from '../revoke/cut-offs.ts';
import type { Unit } from '../transactions.ts';
import { counterOf, toEpoch } from './epoch.ts';
import type { EpochDraft } from './epoch-draft.ts';
import { denyRevokedEventKeys, revokedEventKids } from './event-key-denials.ts';

/**
 * Opens the epoch after the present one, inside one transaction: what still denies is said anew in it, signed by the
 * event key of now. What had not been sent of the old epoch need not be: what of it matters stands in the new one.
 *
 * @param draft what has been signed of it, by that key
 */
export async function turnEpoch(unit: Unit, draft?: EpochDraft): Promise<void> {
  const { meta, outbox } = unit.store;
  const identity = await meta.identity();
  if (identity === undefined) throw new Error('the log has no epoch');
  const at = unit.now();
  // What is left out stays dead only if the clock never shows an earlier time.
  await meta.raiseClockFloor(at);
  const rest = await outbox.liveAfter(at - CLOCK_TOLERANCE_MS, draft?.upTo ?? 0, Number.MAX_SAFE_INTEGER);
  const revocations = rest.map(({ jws }) => readOwnEvent(jws)).filter((revocation) => !isAboutEventKeys(revocation));
  const isDrafted = draft !== undefined;
  await unit.openEpoch(draft?.epoch ?? toEpoch(counterOf(identity.epoch) + 1));
  if (!isDrafted) await denyRevokedEventKeys(unit, at);
  for (const { revocation, signed } of draft?.events ?? []) unit.append(revocation, signed);
  // Those that were revoked since the draft was begun.
  if (isDrafted && draft.revokedEventKids.length < (await revokedEventKids(unit.store)).length)
    await denyRevokedEventKeys(unit, at);
  for (const revocation of revocations) unit.append(revocation);
}
