import type { CutOff } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';

/** A cut-off as an entry of `deny` says it: unbounded without a time, and whether sessions end as a flag. */
export interface CutOffEntry extends Omit<CutOff, 'issuedUntil' | 'sessionUntil'> {
  readonly issuedUntil?: number | undefined;
  readonly endsSession: boolean;
}

export function toCutOff({ iss, claim, value, issuedUntil = UNBOUNDED, expiresAt, endsSession }: CutOffEntry): CutOff {
  const sessionUntil = endsSession ? issuedUntil : NO_SESSION;
  return { iss, claim, value, issuedUntil, expiresAt: claim === 'kid' ? NEVER : expiresAt, sessionUntil };
}
