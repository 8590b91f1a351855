import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Store } from '../sql/store.ts';
import type { Unit } from '../transactions.ts';
import { revocationOf } from './appender.ts';
import { counterOf, toEpoch } from './epoch.ts';
import type { EpochDraft } from './epoch-draft.ts';

/**
 * Opens the epoch after the present one, inside one transaction: what still denies is said anew in it, signed by the
 * event key of now. What had not been sent of the old epoch need not be: what of it matters stands in the new one.
 *
 * @param draft what has been signed of it, by that key
 */
export function turnEpoch({ meta, outbox }: Store, unit: Unit, draft?: EpochDraft): void {
  const identity = meta.identity();
  if (identity === undefined) throw new Error('the log has no epoch');
  const at = unit.now();
  // What is left out stays dead only if the clock never shows an earlier time.
  meta.clockFloor.set(at);
  const rest = outbox.liveAfter(at - CLOCK_TOLERANCE_MS, draft?.upTo ?? 0, Number.MAX_SAFE_INTEGER);
  const revocations = rest.map(revocationOf);
  unit.openEpoch(draft?.epoch ?? toEpoch(counterOf(identity.epoch) + 1));
  for (const { revocation, signed } of draft?.events ?? []) unit.append(revocation, signed);
  for (const revocation of revocations) unit.append(revocation);
}
