import type { Issuer } from '@rescind/issuer';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { createAllowance } from './allowance.ts';
import type { AuditEntry, AuditRecord } from './entry.ts';
import type { AuditTable } from './table.ts';

/** Writes down what administrators do. */
export interface Audit {
  /** An act, inside its transaction: it is written if and only if the act happens. */
  record(record: AuditRecord): AuditEntry;
  /** Says in the log, once the transaction is durable, that the entry is there. */
  committed(entry: AuditEntry): void;
  /** An act that was refused. Bounded: beyond, it is only counted. Never throws. */
  refused(record: AuditRecord): Promise<void>;
}

export interface AuditOptions {
  readonly issuer: Pick<Issuer, 'transaction'>;
  readonly table: Pick<AuditTable, 'append'>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Whoever changed the files of the configuration. */
export const CONFIGURATION = 'configuration';

/** For who could not be told. */
export const UNKNOWN = 'unknown';

/** Refusals that are written in a minute. Strangers have their own few: they crowd nobody else's out. */
const REFUSALS_A_MINUTE = { each: 10, all: 60 };
const STRANGERS_A_MINUTE = { each: 5, all: 10 };

export function createAudit({ issuer, table, clock, telemetry }: AuditOptions): Audit {
  const known = createAllowance({ ...REFUSALS_A_MINUTE, clock });
  const strangers = createAllowance({ ...STRANGERS_A_MINUTE, clock });
  // SQLite keeps no half of a character, and the hash is of what it keeps.
  const record = (entry: AuditRecord) => {
    const targets = entry.targets.map((target) => target.toWellFormed());
    return table.append({ ...entry, targets, why: entry.why?.toWellFormed() ?? null }, clock.now());
  };

  const committed = ({ seq, hash, who, operation, result }: AuditEntry) =>
    telemetry.log(result === 'done' ? 'info' : 'warn', 'admin_act', { who, operation, result, auditSeq: seq, hash });

  const dropped = (why: string) => telemetry.count('rescind_audit_dropped_total', { why });

  return {
    record,
    committed,
    async refused(refusal) {
      const allowance = refusal.who === UNKNOWN ? strangers : known;
      if (!allowance.take(`${refusal.who} ${refusal.operation}`)) return dropped('too_many');
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
