import type { CutOffRow, EpochMillis } from '@rescind/revocation';
import { RescindError, revokedAt, UNBOUNDED } from '@rescind/revocation';
import type { VerifiedToken } from '@rescind/token';

/** What denied a token: for whoever runs this, never for an answer. */
export interface Revoked {
  readonly token: VerifiedToken;
  /** The row: its `claim` is the scope of the revocation, `txn` its id, `reason` why it was made. */
  readonly cutoff: CutOffRow;
  /** Whether its session has ended too, or only the token: a refresh brings another. */
  readonly endsSession: boolean;
  /** Since when, ms; null where neither the id nor the row says. */
  readonly since: EpochMillis | null;
}

/** When the revocation was made that a row names: as its id says; else its T, which is the time of a cut-off by time. */
export function sinceOf({ txn, issuedUntil }: CutOffRow): EpochMillis | null {
  return revokedAt(txn) ?? (issuedUntil === UNBOUNDED ? null : issuedUntil);
}

/** What of that may be in a log: no claim's value, no token. */
export interface RevocationSummary {
  readonly scope: string;
  readonly txn: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly since: string | null;
  readonly endsSession: boolean;
}

/** The error of a revoked token. Its `cause` is the summary: neither message nor `detail` says who or what it was. */
export function revokedError({ cutoff, endsSession, since }: Revoked): RescindError {
  const { claim: scope, txn, reason } = cutoff;
  const cause: RevocationSummary = {
    scope,
    txn,
    reason,
    since: since === null ? null : new Date(since).toISOString(),
    endsSession,
  };
  return new RescindError('token_revoked', { cause });
}
