import type { DecodedRecord, EventDecoder } from '@rescind/feed/event';
import { isSigned } from '@rescind/feed/event';
import type { EpochMillis, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { HighWatermarkFile, ProofFile } from '../keys/high-watermark.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { ReadOnlyLatch } from '../storage.ts';
import type { LogIdentity } from '../store/log.ts';
import type { Store } from '../store/store.ts';
import { counterOf } from './epoch.ts';

/**
 * Detects that the database is older than the log that was made from it, or that another process signs with its event key:
 * in both cases a signed record has a position that the log does not have.
 */
export interface RestoreDetector {
  /** Checks, at the start, the high-water mark, the keys, and the stored restore evidence. */
  checkFiles(): void;
  /** Checks a signed event or heartbeat. @throws RescindError `event_invalid` when the log's keys did not sign it */
  prove(jws: string): Promise<void>;
  /** Checks records of any origin: those that this log has not signed are ignored. */
  proveAll(records: readonly string[]): Promise<void>;
}

interface DetectorOptions {
  readonly store: Store;
  readonly decoder: EventDecoder;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
  readonly highWatermark: HighWatermarkFile;
  readonly proofs: ProofFile;
  readonly latch: ReadOnlyLatch;
  readonly telemetry: Telemetry;
  /** When this process started, by the issuer's clock: a restored database may have forgotten what was signed before. */
  readonly startedAt: () => EpochMillis;
  /** Revokes the event key that signs, at once. */
  readonly revokeStolenKey: (kid: string) => Promise<void>;
}

/** The position of a signed text in the log; `undefined`: it is not signed by the log. */
function positionIn(decoder: EventDecoder, jws: string): LogPosition | undefined {
  return toPosition(decoder.decode(jws));
}

/** Whether a record revokes the key that signed it. The issuer's own record of that kind is not signed by the active key any more. */
function revokesItself(record: DecodedRecord): boolean {
  return record.kind === 'event' && record.kills.includes(record.kid);
}

/** The position of a decoded record in the log; `undefined`: it is not signed by the log. */
export function toPosition(record: DecodedRecord): LogPosition | undefined {
  if (record.kind === 'heartbeat') return { epoch: record.epoch, seq: record.head, id: record.headId };
  if (record.kind === 'event' || record.kind === 'not-understood') return record;
  return undefined;
}

export function createRestoreDetector({ store, decoder, ...files }: DetectorOptions): RestoreDetector {
  const { keyrings, highWatermark, proofs, latch, telemetry, startedAt, revokeStolenKey } = files;

  function because(point: LogPosition): string | null {
    const own = store.log.identity();
    return own === undefined ? 'the database has no log' : reasonOfRestore(point, own, store.log.idAt);
  }

  function behindHighWater(mark: ReturnType<HighWatermarkFile['read']>): string | null {
    if (mark === 'unreadable') return 'the high-water mark beside the keys cannot be read';
    const own = store.log.identity();
    if (mark === undefined) {
      // An interrupted first start has minted nothing yet.
      const isNew = own?.head === 0 && store.log.greatestExp() === 0;
      return isNew ? null : 'the high-water mark beside the keys is missing';
    }
    const reason = because({ epoch: mark.epoch, seq: mark.head, id: mark.id });
    if (reason !== null) return reason;
    if (mark.epoch === own?.epoch || mark.next === own?.epoch) return null;
    return `the high-water mark is of another epoch, ${mark.epoch}`;
  }

  /** Why the key files show that the database was restored: by the database a key signs that has retired. Null: they do not. */
  function behindKeys(): string | null {
    const purpose = (['token', 'event'] as const).find((one) => keyrings[one].isAhead());
    return purpose === undefined ? null : `the ${purpose} key that signs in it has retired since`;
  }

  function refuse(reason: string): void {
    if (latch.refusing() === null) telemetry.log('error', 'database_restored', { reason });
    latch.refuse(reason);
  }

  /**
   * Whether a record of the active event key proves that the key was stolen. If mark and key files agree with the database, it is
   * the latest state of the log, unless all of them were restored together: records that were signed before this process
   * began may then be forgotten ones, and do not count. A record by which the key revokes itself always counts.
   */
  function isStolen(record: DecodedRecord): boolean {
    if (!isSigned(record) || record.kid !== keyrings.event.activeKid()) return false;
    if (latch.refusing() !== null || behindHighWater(highWatermark.read()) !== null || behindKeys() !== null)
      return false;
    if (revokesItself(record)) return true;
    return record.epoch === store.log.identity()?.epoch && record.at > startedAt();
  }

  /** A key that had retired when an epoch was opened has signed nothing in it: its later signatures are forged. */
  function isOfFormerKey({ kid, epoch }: Extract<DecodedRecord, { kid: string }>): boolean {
    return keyrings.event.stateOf(kid) === 'former' && epoch >= (store.log.identity()?.epoch ?? '');
  }

  async function check(jws: string, record: DecodedRecord): Promise<void> {
    const point = toPosition(record);
    const reason = point === undefined ? null : because(point);
    const isElsewhere = reason !== null || revokesItself(record);
    if (!isElsewhere || (isSigned(record) && isOfFormerKey(record))) return;
    if (isSigned(record) && isStolen(record)) {
      telemetry.count('rescind_event_keys_stolen_total');
      telemetry.log('error', 'event_key_stolen', { kid: record.kid, reason });
      await revokeStolenKey(record.kid);
      return;
    }
    if (reason === null) return;
    // Stored, so that writes stay refused after a restart, and the restore knows how far the log had advanced.
    proofs.add(jws);
    refuse(reason);
  }

  return {
    checkFiles() {
      for (const reason of [behindHighWater(highWatermark.read()), behindKeys()]) if (reason !== null) refuse(reason);
      for (const jws of proofs.read()) {
        const point = positionIn(decoder, jws);
        const reason = point === undefined ? null : because(point);
        if (reason !== null) refuse(reason);
      }
    },
    async prove(jws) {
      const record = decoder.decode(jws);
      if (!isSigned(record)) throw new RescindError('event_invalid');
      await check(jws, record);
    },
    async proveAll(records) {
      for (const jws of records) await check(jws, decoder.decode(jws));
    },
  };
}

/** A position in a log: of an event, or the head in a heartbeat or in the high-watermark file. */
export interface LogPosition {
  readonly epoch: string;
  readonly seq: number;
  /** The id (`jti`) of the event there; null at 0. */
  readonly id: string | null;
}

/**
 * Why a position that was certainly in this log shows that the database is not the latest state of the log; null when
 * it does not.
 *
 * @param idAt the id of the event with this seq, as far as the outbox still has it
 */
export function reasonOfRestore(
  point: LogPosition,
  own: LogIdentity,
  idAt: (seq: number) => string | undefined,
): string | null {
  if (point.epoch !== own.epoch) {
    if (isFormer(point.epoch, own.epoch)) return null;
    return `the log had reached epoch ${point.epoch}, the database is at ${own.epoch}`;
  }
  if (point.seq > own.head) return `the log had reached event ${point.seq}, the database ends at ${own.head}`;
  const held = point.seq === own.head ? own.last : idAt(point.seq);
  if (held === undefined || held === point.id) return null;
  return `event ${point.seq} of the log is another than that of the database`;
}

/** Whether an epoch came before. One with the same counter did not: it is of another history of the log. */
export function isFormer(epoch: string, own: string): boolean {
  return counterOf(epoch) < counterOf(own);
}
