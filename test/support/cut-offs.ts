import type { CutOff } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';

/** A cut-off in the form of an entry of `deny`: unbounded without a time, and with a flag for whether sessions end. */
export interface CutOffEntry extends Omit<CutOff, 'issuedUntil' | 'sessionUntil'> {
  readonly issuedUntil?: number | undefined;
  readonly endsSession: boolean;
}

export function toCutOff({ iss, claim, value, issuedUntil = UNBOUNDED, expiresAt, endsSession }: CutOffEntry): CutOff {
  const sessionUntil = endsSession ? issuedUntil : NO_SESSION;
  return { iss, claim, value, issuedUntil, expiresAt: claim === 'kid' ? NEVER : expiresAt, sessionUntil };
}
