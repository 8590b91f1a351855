import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { AuditEntry, AuditRecord, AuditTable } from './table.ts';

/** The audit of administrators' commands. */
export interface Audit {
  /** Writes a command inside its transaction: both are durable, or neither. */
  record(record: AuditRecord): AuditEntry;
  /** Logs an entry after its transaction is durable. */
  committed(entry: AuditEntry): void;
  /** Writes a refused command. Beyond a limit it is only counted. Never throws. */
  refused(record: AuditRecord): Promise<void>;
}

export interface AuditOptions {
  readonly issuer: Pick<Issuer, 'transaction'>;
  readonly table: Pick<AuditTable, 'append'>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The actor of changed configuration files. */
export const CONFIGURATION = 'configuration';

/** The actor of a request that was not authenticated. */
export const UNKNOWN = 'unknown';

/** Refusals that are written in a minute. Unauthenticated requests have a limit of their own, so that they displace no others. */
const REFUSALS_A_MINUTE = { each: 10, all: 60 };
const STRANGERS_A_MINUTE = { each: 5, all: 10 };

export function createAudit({ issuer, table, clock, telemetry }: AuditOptions): Audit {
  const known = createMinuteLimit({ ...REFUSALS_A_MINUTE, clock });
  const strangers = createMinuteLimit({ ...STRANGERS_A_MINUTE, clock });
  // SQLite does not store a lone surrogate, and the hash is that of the stored text.
  const record = (entry: AuditRecord) => {
    const targets = entry.targets.map((target) => target.toWellFormed());
    return table.append({ ...entry, targets, why: entry.why?.toWellFormed() ?? null }, clock.now());
  };

  const committed = ({ seq, hash, who, operation, result }: AuditEntry) =>
    telemetry.log(result === 'done' ? 'info' : 'warn', 'admin_act', { who, operation, result, auditSeq: seq, hash });

  const dropped = (reason: string) => telemetry.count('rescind_audit_dropped_total', { reason });

  return {
    record,
    committed,
    async refused(refusal) {
      const limit = refusal.who === UNKNOWN ? strangers : known;
      if (!limit.take(`${refusal.who} ${refusal.operation}`)) return dropped('too_many');
      try {
        committed(await issuer.transaction(() => record(refusal)));
      } catch (error) {
        const code = error instanceof RescindError ? error.code : 'internal';
        dropped(code);
        telemetry.log('error', 'audit_failed', { who: refusal.who, operation: refusal.operation, code });
      }
    },
  };
}

/** A limit of events in a minute, for each key and for all together. */
export interface MinuteLimit {
  /** Counts one event of `key`. Returns false, and counts nothing, if the limit is reached. */
  take(key: string): boolean;
}

const MINUTE_MS: DurationMs = 60_000;

/**
 * @param options.each most events of one key in a minute
 * @param options.all most events of all keys together, which bounds the memory too
 */
export function createMinuteLimit(options: {
  readonly each: number;
  readonly all: number;
  readonly clock: Clock;
}): MinuteLimit {
  const { each, all, clock } = options;
  const taken = new Map<string, number>();
  let [total, until] = [0, 0];
  return {
    take(key) {
      if (clock.monotonic() >= until) {
        taken.clear();
        [total, until] = [0, clock.monotonic() + MINUTE_MS];
      }
      const before = taken.get(key) ?? 0;
      if (before >= each || total >= all) return false;
      taken.set(key, before + 1);
      total++;
      return true;
    },
  };
}
