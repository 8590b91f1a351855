import { createHash } from 'node:crypto';
import type { EpochMillis } from '@rescind/revocation';

/** What else is known of an act: counts, the revocation's id. Nothing secret, nothing personal. */
export type AuditDetails = Readonly<Record<string, string | number | boolean | null>>;

/** One act of an administrator or of the configuration, or one that was refused. */
export interface AuditRecord {
  /** `operator:<name>`, `sub:<a user's pseudonym>`, `configuration` for a file that was changed, or `unknown`. */
  readonly who: string;
  /** The operation's id, such as `createRevocation`. */
  readonly operation: string;
  /** What it was done to, such as `sub:x7…` or `client:web`. */
  readonly targets: readonly string[];
  /** The word that stands in the event too. */
  readonly reason: string | null;
  /** In the administrator's own words. Stands here and nowhere else. */
  readonly why: string | null;
  /** `done`, or the code of the refusal. */
  readonly result: string;
  /** `X-Request-Id` of the request: its lines in the log have it too. Empty: there was no request. */
  readonly requestId: string;
  readonly details: AuditDetails;
}

/** The same in its place. */
export interface AuditEntry extends AuditRecord {
  /** 1, 2, 3 … without a gap. */
  readonly seq: number;
  readonly at: EpochMillis;
  /** SHA-256 (base64url) of this entry and the hash of the one before: whatever is altered or removed breaks the chain. */
  readonly hash: string;
}

/** What the first entry has for the hash before it. */
export const NO_HASH = '';

/** An array, so that every part has its place: two different entries never have the same text. */
export function chainHash(before: string, entry: Omit<AuditEntry, 'hash'>): string {
  const { seq, at, who, operation, targets, reason, why, result, requestId, details } = entry;
  const text = JSON.stringify([before, seq, at, who, operation, targets, reason, why, result, requestId, details]);
  return createHash('sha256').update(text).digest('base64url');
}

/** Targets that an entry names. */
const MOST_TARGETS = 100;

/** The targets of an entry; of too many the first ones, and how many there were. */
export function boundedTargets(targets: readonly string[]): readonly string[] {
  if (targets.length <= MOST_TARGETS) return targets;
  return [...targets.slice(0, MOST_TARGETS), `… of ${targets.length}`];
}
