import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';

/** Details of a command: counts, the revocation's id. Nothing secret, nothing personal. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null>>;

/** A command of an administrator or of the configuration, executed or refused. */
export interface AuditRecord {
  /** `operator:<name>`, `sub:<a user's pseudonym>`, `configuration` for a file that was changed, or `unknown`. */
  readonly who: string;
  /** The operation's id, such as `createRevocation`. */
  readonly operation: string;
  /** The objects that it changes, such as `sub:x7…` or `client:web`. */
  readonly targets: readonly string[];
  /** The reason, as in the event. */
  readonly reason: string | null;
  /** The administrator's explanation. It is stored here only. */
  readonly why: string | null;
  /** `done`, or the code of the refusal. */
  readonly result: string;
  /** `X-Request-Id` of the request: its lines in the log have it too. Empty: there was no request. */
  readonly requestId: string;
  readonly details: AuditDetails;
}

/** A record with its position in the chain. */
export interface AuditEntry extends AuditRecord {
  /** 1, 2, 3 … without a gap. */
  readonly seq: number;
  readonly at: EpochMillis;
  /** SHA-256 (base64url) of this entry and of the previous hash: a changed or removed entry breaks the chain. */
  readonly hash: string;
}

/** The previous hash of the first entry. */
const NO_HASH = '';

/** Hashes an array, so that two different entries never have the same text. */
function chainHash(before: string, entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, at, who, operation, targets, reason, why, result, requestId, details } = entry;
  const text = JSON.stringify([before, seq, at, who, operation, targets, reason, why, result, requestId, details]);
  return createHash('sha256').update(text).digest('base64url');
}

/** Most targets of an entry. */
const MAX_TARGETS = 100;

/** The targets of an entry; of too many the first ones and their number. */
export function boundedTargets(targets: readonly string[]): readonly string[] {
  if (targets.length <= MAX_TARGETS) return targets;
  return [...targets.slice(0, MAX_TARGETS), `… of ${targets.length}`];
}

/** A filter of entries: each given member must match. */
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
  /** The greatest seq that was ever used. */
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
  // The count of SQLite outlives the rows, so that the verification detects removed entries at the end.
  const greatest = sql.prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'admin_audit'`).pluck();
  const from = sql.prepare<[number, number], Row>(
    `SELECT ${COLUMNS} FROM admin_audit WHERE seq > ? ORDER BY seq LIMIT ? + 0`,
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
      const conditions = Object.entries(filter).filter(([, value]) => value !== undefined);
      const where = ['seq < @before', ...conditions.map(([name]) => CONDITIONS[name as keyof AuditFilter])].join(
        ' AND ',
      );
      return sql
        .prepare<[object], Row>(`SELECT ${COLUMNS} FROM admin_audit WHERE ${where} ORDER BY seq DESC LIMIT @limit + 0`)
        .all({ ...Object.fromEntries(conditions), before, limit })
        .map(toEntry);
    },
    from: (after, limit) => from.all(after, limit).map(toEntry),
    greatestSeq: () => greatest.get() ?? 0,
  };
}

function toEntry(row: Row): AuditEntry {
  return { ...row, targets: JSON.parse(row.targets), details: JSON.parse(row.details) };
}

export interface AuditVerification {
  /** Whether every entry that was ever written is present and unchanged. */
  readonly intact: boolean;
  /** How many entries are there. */
  readonly entries: number;
  /** The last hash. Compare it with the last `admin_act` line of a log that is stored elsewhere. */
  readonly hash: string;
  /** The first break of the chain, and its cause. */
  readonly broken: { readonly seq: number; readonly why: 'missing' | 'altered' } | null;
}

/** Entries that are verified before other work may run: some milliseconds. */
const AT_ONCE = 500;

/** Reads the complete audit and computes every hash again. */
export async function verifyAudit(table: Pick<AuditTable, 'from' | 'greatestSeq'>): Promise<AuditVerification> {
  const greatest = table.greatestSeq();
  let [entries, seq, hash] = [0, 0, NO_HASH];
  let broken: AuditVerification['broken'] = null;
  for (;;) {
    const page = table.from(seq, AT_ONCE);
    for (const entry of page) {
      broken ??= breakAt(entry, seq, hash);
      ({ seq, hash } = entry);
      entries++;
    }
    if (page.length < AT_ONCE) break;
    await setImmediate();
  }
  if (seq < greatest) broken ??= { seq: seq + 1, why: 'missing' };
  return { intact: broken === null, entries, hash, broken };
}

function breakAt(entry: AuditEntry, before: number, hash: string): AuditVerification['broken'] {
  if (entry.seq !== before + 1) return { seq: before + 1, why: 'missing' };
  return chainHash(hash, entry) === entry.hash ? null : { seq: entry.seq, why: 'altered' };
}
