import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { Store } from '../sql/store.ts';
import type { Unit } from '../transactions.ts';
import { revocationOf } from './appender.ts';
import { counterOf, toEpoch } from './epoch.ts';

/**
 * Opens the epoch after the present one, inside one transaction: what still denies is said anew in it, signed by the
 * event key of now. What had not been sent of the old epoch need not be: what of it matters stands in the new one.
 */
export function turnEpoch({ meta, outbox }: Store, unit: Unit): void {
  const identity = meta.identity();
  if (identity === undefined) throw new Error('the log has no epoch');
  const at = unit.now();
  // What is left out stays dead only if the clock never shows an earlier time.
  meta.clockFloor.set(at);
  const live = outbox.live(at - CLOCK_TOLERANCE_MS).map(revocationOf);
  unit.openEpoch(toEpoch(counterOf(identity.epoch) + 1));
  for (const revocation of live) unit.append(revocation);
}
