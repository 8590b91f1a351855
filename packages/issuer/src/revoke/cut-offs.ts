import { EVENT_KID, writeCutOff } from '@rescind/feed/event';
import type { EpochMillis } from '@rescind/revocation';
import type { CutOff, Revocation } from '@rescind/revocation/cut-off';
import { NEVER, NO_SESSION, UNBOUNDED, UNBOUNDED_CLAIMS } from '@rescind/revocation/cut-off';
import type { CutOffRequest, RevocationRecord } from '../issuer-revocations.ts';
import type { SessionClaim } from '../store/sessions.ts';

import type { Transaction } from '../transaction.ts';

/** The times of a cut-off, read when they are needed. */
export interface CutOffTimes {
  /** T of this transaction. */
  cutOffTime(): EpochMillis;
  /** The greatest `exp` of any token minted until now. */
  greatestExp(): EpochMillis;
}

const SESSION_CLAIMS: ReadonlySet<string> = new Set<SessionClaim>(['sid', 'sub', 'client_id', 'iss']);
/** A cut-off by `sid` ends the session: callers cannot request a soft one. */
const ALWAYS_ENDS = 'sid';
const MAX_CLAIM_LENGTH = 128;
const MAX_VALUE_LENGTH = 1024;

export function endsSessions(claim: string): claim is SessionClaim {
  return SESSION_CLAIMS.has(claim);
}

/** @throws TypeError for a request that cannot be a cut-off */
export function toCutOff(request: CutOffRequest, issuer: string, times: CutOffTimes): CutOff {
  requireRequest(request, issuer);
  const { claim, value, endsSession = endsSessions(claim) } = request;
  const iss = request.issuer ?? issuer;
  const issuedUntil = UNBOUNDED_CLAIMS.has(claim) ? UNBOUNDED : times.cutOffTime();
  const expiresAt = expiryOf(request, iss === issuer, times);
  return { iss, claim, value, issuedUntil, expiresAt, sessionUntil: endsSession ? issuedUntil : NO_SESSION };
}

/**
 * A soft cut-off of one session: it denies the session's tokens until now, and the session continues with later ones.
 * Callers of `revoke` cannot request it.
 */
export function denyOlderTokens(iss: string, sid: string, times: CutOffTimes): CutOff {
  const issuedUntil = times.cutOffTime();
  return { iss, claim: 'sid', value: sid, issuedUntil, expiresAt: times.greatestExp(), sessionUntil: NO_SESSION };
}

/** Denies a key for ever: whoever stole it can sign tokens with any `exp`. */
export function denyKid(iss: string, kid: string): CutOff {
  return { iss, claim: 'kid', value: kid, issuedUntil: UNBOUNDED, expiresAt: NEVER, sessionUntil: NO_SESSION };
}

/**
 * Denies an event key for ever. A version that does not know this claim takes it for a claim of tokens, which
 * no token has; it requires a time of such a cut-off.
 */
export function denyEventKid(iss: string, kid: string, at: EpochMillis): CutOff {
  return { iss, claim: EVENT_KID, value: kid, issuedUntil: at, expiresAt: NEVER, sessionUntil: NO_SESSION };
}

/** Whether it denies event keys and nothing else: each epoch begins with all of them. */
export function isAboutEventKeys({ cutOffs }: Revocation): boolean {
  return cutOffs.every(({ claim }) => claim === EVENT_KID);
}

function expiryOf({ claim, expiresAt }: CutOffRequest, isOurs: boolean, times: CutOffTimes): EpochMillis {
  if (claim === 'kid') return NEVER;
  if (expiresAt !== undefined && (claim === 'jti' || !isOurs)) return expiresAt;
  return Math.max(times.greatestExp(), expiresAt ?? 0);
}

function requireRequest({ claim, value, endsSession, expiresAt, issuer: iss }: CutOffRequest, issuer: string): void {
  if (!isText(claim, MAX_CLAIM_LENGTH)) throw new TypeError('claim must be the name of a claim');
  if (!isText(value, MAX_VALUE_LENGTH))
    throw new TypeError(`value must be text of 1 to ${MAX_VALUE_LENGTH} characters`);
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > 0)) {
    throw new TypeError('expiresAt must be whole milliseconds since 1970');
  }
  if (iss !== undefined && !isText(iss, MAX_VALUE_LENGTH)) throw new TypeError('issuer must be the iss of tokens');
  if (claim === 'iss' && value !== (iss ?? issuer))
    throw new TypeError('the value of an iss cut-off must be its issuer');
  if (iss !== undefined && iss !== issuer && expiresAt === undefined && claim !== 'kid') {
    throw new TypeError('expiresAt must be given for tokens of another issuer');
  }
  if (claim === ALWAYS_ENDS && endsSession === false) throw new TypeError('a cut-off of a sid always ends the session');
  if (endsSession === true && !endsSessions(claim)) {
    throw new TypeError(`a cut-off by ${claim} ends no session: endsSession must not be true`);
  }
}

function isText(value: unknown, longest: number): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest;
}

/** The most bytes of the cut-offs of one event, as JSON. Base64 adds a third, and readers accept events of 64 kB. */
const MAX_BYTES = 40_000;

/** Splits a revocation into as many events as its cut-offs require. */
export function splitRevocation({ cutOffs, ...revocation }: Revocation): Revocation[] {
  const parts: CutOff[][] = [];
  let left = 0;
  for (const cutOff of cutOffs) {
    const size = Buffer.byteLength(JSON.stringify(writeCutOff(cutOff))) + 1;
    left -= size;
    if (left < 0 || parts.length === 0) {
      parts.push([]);
      left = MAX_BYTES - size;
    }
    parts.at(-1)?.push(cutOff);
  }
  // Most revocations have one event.
  return parts.length === 1 ? [{ ...revocation, cutOffs }] : parts.map((part) => ({ ...revocation, cutOffs: part }));
}

/** @throws TypeError when it denies nothing */
export function appendRevocation(tx: Transaction, revocation: Revocation): RevocationRecord {
  let record: RevocationRecord | undefined;
  for (const part of splitRevocation(revocation)) record = tx.append(part);
  if (record === undefined) throw new TypeError('revoke: at least one cut-off must be given');
  return record;
}
