import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import type { AuditEntry, AuditRecord } from './entry.ts';
import { chainHash, NO_HASH } from './entry.ts';

/** Which entries are wanted: all that is given must hold. */
interface AuditFilter {
  readonly who?: string | undefined;
  readonly operation?: string | undefined;
  readonly target?: string | undefined;
  readonly result?: string | undefined;
  readonly since?: EpochMillis | undefined;
  readonly until?: EpochMillis | undefined;
}

export interface AuditTable {
  /** Inside a transaction. */
  append(record: AuditRecord, at: EpochMillis): AuditEntry;
  /** The latest first: those with a seq below `before`. */
  latest(filter: AuditFilter, page: { readonly before?: number | undefined; readonly limit: number }): AuditEntry[];
  /** In order: those with a seq above `after`. */
  from(after: number, limit: number): AuditEntry[];
  /** The greatest seq that was ever given. */
  greatestSeq(): number;
}

interface Row extends Omit<AuditEntry, 'targets' | 'details'> {
  readonly targets: string;
  readonly details: string;
}

const COLUMNS = 'seq, at, who, operation, targets, reason, why, result, request_id AS requestId, details, hash';

const CONDITIONS: Readonly<Record<keyof AuditFilter, string>> = {
  who: 'who = @who',
  operation: 'operation = @operation',
  target: 'EXISTS (SELECT 1 FROM json_each(targets) WHERE json_each.value = @target)',
  result: 'result = @result',
  since: 'at >= @since',
  until: 'at <= @until',
};

export function createAuditTable(sql: HostSql): AuditTable {
  const insert = sql.prepare<[Row]>(
    `INSERT INTO admin_audit (seq, at, who, operation, targets, reason, why, result, request_id, details, hash)
     VALUES (@seq, @at, @who, @operation, @targets, @reason, @why, @result, @requestId, @details, @hash)`,
  );
  const hashAt = sql.prepare<[number], string>('SELECT hash FROM admin_audit WHERE seq = ?').pluck();
  // SQLite's own count outlives the rows: one that was cut off the end leaves a gap that verifying sees.
  const greatest = sql.prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'admin_audit'`).pluck();
  const from = sql.prepare<[number, number], Row>(
    `SELECT ${COLUMNS} FROM admin_audit WHERE seq > ? ORDER BY seq LIMIT ?`,
  );

  return {
    append(record, at) {
      const last = greatest.get() ?? 0;
      const placed = { ...record, seq: last + 1, at };
      const entry: AuditEntry = { ...placed, hash: chainHash(hashAt.get(last) ?? NO_HASH, placed) };
      insert.run({ ...entry, targets: JSON.stringify(entry.targets), details: JSON.stringify(entry.details) });
      return entry;
    },
    latest(filter, { before = Number.MAX_SAFE_INTEGER, limit }) {
      const given = Object.entries(filter).filter(([, value]) => value !== undefined);
      const where = ['seq < @before', ...given.map(([name]) => CONDITIONS[name as keyof AuditFilter])].join(' AND ');
      return sql
        .prepare<[object], Row>(`SELECT ${COLUMNS} FROM admin_audit WHERE ${where} ORDER BY seq DESC LIMIT @limit`)
        .all({ ...Object.fromEntries(given), before, limit })
        .map(toEntry);
    },
    from: (after, limit) => from.all(after, limit).map(toEntry),
    greatestSeq: () => greatest.get() ?? 0,
  };
}

function toEntry(row: Row): AuditEntry {
  return { ...row, targets: JSON.parse(row.targets), details: JSON.parse(row.details) };
}
