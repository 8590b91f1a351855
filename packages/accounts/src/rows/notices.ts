import { randomBytes } from 'node:crypto';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import type { Sealer } from '../sealer.ts';

/** What a notice is about. */
type NoticeType =
  | 'login.new_device'
  | 'account.changed'
  | 'account.deleted'
  | 'account.password_reset'
  | 'session.recovered';

export interface Notice {
  /** The account it is about: the notice is erased with it. */
  readonly sub: string;
  readonly type: NoticeType;
  /** May be personal, and hold tokens: it is stored sealed and sent to the receiver alone. */
  readonly data: Readonly<Record<string, string | null>>;
}

/** A notice that has not arrived. */
export interface PendingNotice {
  /** The same in every attempt: receivers recognize repetitions by it. */
  readonly id: string;
  readonly type: string;
  readonly body: string;
  /** Attempts made. */
  readonly attempts: number;
}

/** Notices that have not arrived yet. Writes are inside transactions. */
export interface NoticeRows {
  add(notice: Notice, at: EpochMillis): void;
  /** The notices that are due, the longest waiting first. */
  due(now: EpochMillis, limit: number): PendingNotice[];
  /** When the next one is due. */
  nextAt(): EpochMillis | undefined;
  arrived(id: string): void;
  retry(id: string, nextAt: EpochMillis): void;
  abandon(id: string, at: EpochMillis): void;
  /** Removes the notices of an account, also those that were given up. */
  remove(sub: string): void;
  /** Removes notices that were given up and made before this time. */
  prune(before: EpochMillis): void;
  counts(): Counts;
}

interface Counts {
  readonly waiting: number;
  readonly dead: number;
  /** When the last of the stored notices was given up. */
  readonly lastDeadAt: EpochMillis | null;
}

const ID_BYTES = 16;

export function createNoticeRows(sql: HostSql, { seal, open }: Sealer): NoticeRows {
  const insert = sql.prepare(
    'INSERT INTO notices (id, sub, type, sealed, created_at, next_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const due = sql.prepare<[number, number], { id: string; type: string; sealed: Buffer; attempts: number }>(
    'SELECT id, type, sealed, attempts FROM notices WHERE dead_at IS NULL AND next_at <= ? ORDER BY next_at LIMIT ? + 0',
  );
  const next = sql.prepare<[], number | null>('SELECT min(next_at) FROM notices WHERE dead_at IS NULL').pluck();
  const removeDelivered = sql.prepare('DELETE FROM notices WHERE id = ?');
  const retry = sql.prepare('UPDATE notices SET attempts = attempts + 1, next_at = ? WHERE id = ?');
  const abandon = sql.prepare('UPDATE notices SET attempts = attempts + 1, dead_at = ? WHERE id = ?');
  const remove = sql.prepare('DELETE FROM notices WHERE sub = ?');
  const prune = sql.prepare('DELETE FROM notices WHERE dead_at IS NOT NULL AND created_at < ?');
  const counts = sql.prepare<[], Counts>(
    'SELECT count(*) - count(dead_at) AS waiting, count(dead_at) AS dead, max(dead_at) AS lastDeadAt FROM notices',
  );

  return {
    add({ sub, type, data }, at) {
      const id = `msg_${randomBytes(ID_BYTES).toString('base64url')}`;
      // Standard Webhooks, "Payload structure".
      const body = JSON.stringify({ type, timestamp: new Date(at).toISOString(), data: { sub, ...data } });
      insert.run(id, sub, type, seal(body, id), at, at);
    },
    due: (now, limit) => due.all(now, limit).map(({ sealed, ...row }) => ({ ...row, body: open(sealed, row.id) })),
    nextAt: () => next.get() ?? undefined,
    arrived: (id) => void removeDelivered.run(id),
    retry: (id, nextAt) => void retry.run(nextAt, id),
    abandon: (id, at) => void abandon.run(at, id),
    remove: (sub) => void remove.run(sub),
    prune: (before) => void prune.run(before),
    counts: () => counts.get() ?? { waiting: 0, dead: 0, lastDeadAt: null },
  };
}
