import type { EventEncoder } from '@rescind/feed';
import { EVENT_KID, eventTypeName } from '@rescind/feed';
import type { EpochMillis, Revocation } from '@rescind/revocation';
import { toRow } from '@rescind/revocation';
import type { RevocationRecord } from '../issuer-revocations.ts';
import { createId } from '../session/mint.ts';
import type { StoreTransaction } from '../store/store.ts';

/** An event that was signed for its place before. */
export interface SignedEvent {
  readonly id: string;
  readonly at: EpochMillis;
  readonly jws: string;
}

/** An event that has no place in the log yet. */
export interface PlannedEvent {
  readonly revocation: Revocation;
  readonly at: EpochMillis;
  readonly signed: SignedEvent | undefined;
  /** Its `epoch` and `seq` throw until `place` has been called. */
  readonly record: RevocationRecord;
  place(epoch: string, seq: number): void;
}

export function planEvent(revocation: Revocation, at: EpochMillis, signed?: SignedEvent): PlannedEvent {
  const { txn } = revocation;
  const later = (name: string) => ({
    enumerable: true,
    configurable: true,
    get(): never {
      throw new Error(`the ${name} of a revocation is known after the commit: inside the transaction it has its txn`);
    },
  });
  const record = Object.defineProperties({ txn } as RevocationRecord, { epoch: later('epoch'), seq: later('seq') });
  return {
    revocation,
    at,
    signed,
    record,
    place(epoch, seq) {
      for (const [name, value] of Object.entries({ epoch, seq })) {
        Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
      }
    },
  };
}

/** Writes the log, inside a transaction and last of all. */
export interface Appender {
  /** Numbers events, signs those that are not signed, and puts them, with their cut-offs, at the head. */
  append(tx: StoreTransaction, events: readonly PlannedEvent[]): Promise<void>;
}

/** @param encoderOf of the event key with this kid; undefined: there is none */
export function createAppender(encoderOf: (kid: string | undefined) => EventEncoder): Appender {
  return {
    async append(tx, events) {
      const identity = await tx.meta.identity();
      if (identity === undefined) throw new Error('the log has no epoch');
      const encoder = encoderOf(await tx.keys.active('event'));
      const own = await tx.meta.issuer();
      const { epoch } = identity;
      let { head, last } = identity;
      for (const { revocation, at: now, signed, place } of events) {
        const { txn, reason, cutOffs } = revocation;
        const seq = head + 1;
        const { id = createId(), at = now } = signed ?? {};
        const jws = signed?.jws ?? encoder.event({ ...revocation, epoch, seq, id, prev: last, at });
        const expiresAt = Math.max(...cutOffs.map((cutOff) => cutOff.expiresAt));
        const type = eventTypeName(revocation);
        await tx.outbox.append({ epoch, seq, jti: id, txn, type, jws, expiresAt, appendedAt: at });
        for (const cutOff of cutOffs) {
          if (cutOff.claim !== EVENT_KID) await tx.revocations.merge(toRow(cutOff, { txn, reason, epoch, seq }));
          if (cutOff.iss !== own) await tx.otherIssuers.add(cutOff.iss);
        }
        place(epoch, seq);
        [head, last] = [seq, id];
      }
      await tx.meta.moveHead(head, last ?? '');
    },
  };
}
