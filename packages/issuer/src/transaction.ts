import type { EventEncoder } from '@rescind/feed/event';
import { EVENT_KID, eventTypeName } from '@rescind/feed/event';
import type { EpochMillis, Telemetry } from '@rescind/revocation';
import { recordStep, systemClock } from '@rescind/revocation';
import type { Revocation } from '@rescind/revocation/cut-off';
import { toRow } from '@rescind/revocation/cut-off';
import type { IssuerClock } from '@rescind/revocation/issuer-clock';
import { aliveAt, isLeading } from '@rescind/revocation/issuer-clock';
import type { RevocationRecord } from './issuer-revocations.ts';
import { createId } from './session/refresh-token.ts';
import type { StoreTransaction } from './store/store.ts';

/** An event that was signed earlier, for its position in the log. */
export interface SignedEvent {
  readonly id: string;
  readonly at: EpochMillis;
  readonly jws: string;
}

/** An event that has no position in the log yet. */
interface PlannedEvent {
  readonly revocation: Revocation;
  readonly at: EpochMillis;
  readonly signed: SignedEvent | undefined;
  /** Its `epoch` and `seq` throw until `setPosition` has been called. */
  readonly record: RevocationRecord;
  setPosition(epoch: string, seq: number): void;
}

function planEvent(revocation: Revocation, at: EpochMillis, signed?: SignedEvent): PlannedEvent {
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
    setPosition(epoch, seq) {
      for (const [name, value] of Object.entries({ epoch, seq })) {
        Object.defineProperty(record, name, { value, enumerable: true, configurable: true, writable: true });
      }
    },
  };
}

/** One transaction of the issuer: its times, the tables of the store, and the log. */
export interface Transaction {
  readonly store: StoreTransaction;
  /** The time of a token. @throws RescindError `clock_parted` */
  mintTime(): EpochMillis;
  /** T, the same for the whole transaction unless a token was minted after the first call. @throws RescindError `clock_ahead` */
  cutOffTime(): EpochMillis;
  /** The present time, for rows by which nothing is denied. */
  now(): EpochMillis;
  /** `isLeading` of the issuer's clock. */
  leads(): boolean;
  /** `aliveAt` of the issuer's clock. */
  aliveAt(): EpochMillis;
  /**
   * Plans an event: it is numbered, signed and inserted last before the commit. `epoch` and `seq` of what is returned are there
   * only afterwards: reading them before throws.
   * @param signed the event, already signed by the present key for exactly this position
   */
  append(revocation: Revocation, signed?: SignedEvent): RevocationRecord;
  /** Numbers, signs and inserts what is planned: before the key that signs changes, and before the outbox is read. */
  flush(): Promise<void>;
  /** Opens another epoch: the outbox is empty, and the next event is the first of the new epoch. */
  openEpoch(epoch: string): Promise<void>;
  /** When `work` rejects, its writes are undone, and the rest of the transaction remains. */
  savepoint<T>(work: () => Promise<T>): Promise<T>;
  /** Runs when the transaction is durable. A failure of it is only logged. */
  afterCommit(work: () => void | Promise<void>): void;
}

interface TransactionOptions {
  readonly tx: StoreTransaction;
  readonly issuerClock: IssuerClock;
  readonly encoderOf: (kid: string | undefined) => EventEncoder;
  announceEpoch(epoch: string): void;
  readonly after: (() => void | Promise<void>)[];
  readonly telemetry: Telemetry;
}

export function createTransaction({
  tx,
  issuerClock,
  encoderOf,
  announceEpoch,
  after,
  telemetry,
}: TransactionOptions): Transaction & { isLogChanged(): boolean } {
  let cutOff: EpochMillis | undefined;
  let isChanged = false;
  const planned: PlannedEvent[] = [];
  /** The number of events that were planned outside of the savepoint. */
  let plannedOutside = 0;

  async function flush(): Promise<void> {
    // The rollback of the savepoint would remove them.
    if (plannedOutside > 0) throw new Error('events that were planned before a savepoint cannot be written in it');
    if (planned.length > 0) await appendEvents(tx, encoderOf, planned.splice(0));
  }

  return {
    store: tx,
    mintTime() {
      cutOff = undefined;
      return issuerClock.mint();
    },
    cutOffTime() {
      cutOff ??= issuerClock.cutOff();
      return cutOff;
    },
    now: () => issuerClock.now(),
    leads: () => isLeading(issuerClock),
    aliveAt: () => aliveAt(issuerClock),
    append(revocation, signed) {
      isChanged = true;
      const event = planEvent(revocation, issuerClock.now(), signed);
      planned.push(event);
      const { txn } = revocation;
      if (telemetry.step !== undefined) {
        const startMs = systemClock.now();
        after.push(() => {
          const { epoch, seq } = event.record;
          recordStep(telemetry, () => ({ name: 'rescind.revoke', txn, startMs, endMs: systemClock.now(), epoch, seq }));
        });
      }
      return event.record;
    },
    flush,
    async openEpoch(epoch) {
      await flush();
      isChanged = true;
      announceEpoch(epoch);
      await tx.meta.openEpoch(epoch);
      await tx.outbox.deleteOtherEpochs();
    },
    async savepoint(work) {
      const [events, hooks] = [planned.length, after.length];
      plannedOutside = events;
      try {
        return await tx.savepoint(work);
      } catch (error) {
        planned.length = Math.min(events, planned.length);
        after.length = hooks;
        throw error;
      } finally {
        plannedOutside = 0;
      }
    },
    afterCommit(work) {
      after.push(work);
    },
    isLogChanged: () => isChanged,
  };
}

/** Numbers events, signs those that are not signed, and inserts them, with their cut-offs, at the head. */
async function appendEvents(
  tx: StoreTransaction,
  encoderOf: TransactionOptions['encoderOf'],
  events: readonly PlannedEvent[],
): Promise<void> {
  const identity = await tx.meta.identity();
  if (identity === undefined) throw new Error('the log has no epoch');
  const encoder = encoderOf(await tx.keys.active('event'));
  const own = await tx.meta.issuer();
  const { epoch } = identity;
  let { head, last } = identity;
  for (const { revocation, at: now, signed, setPosition } of events) {
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
    setPosition(epoch, seq);
    [head, last] = [seq, id];
  }
  await tx.meta.moveHead(head, last ?? '');
}
