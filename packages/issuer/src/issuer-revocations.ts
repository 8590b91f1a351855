import type { EpochMillis, ErrorCode } from '@rescind/revocation';
import type { Revocation } from '@rescind/revocation/cut-off';
import type { DenyingRow } from '@rescind/revocation/judge';

export interface EndSession {
  readonly sid: string;
  /** Only if it is this subject's. Default: not compared. */
  readonly sub?: string;
  /** A stable word, such as `logout`. */
  readonly reason: string;
}

export interface EndAllSessions {
  readonly sub: string;
  /** Keeps this session (and takes it to the subject's present credential version): every other is ended by its sid. */
  readonly exceptSid?: string;
  readonly reason: string;
}

/**
 * A change of a subject. `soft`: every earlier token is denied, sessions continue, and tokens of the next refresh have the new
 * claims. `hard`: sessions end too (all but `exceptSid`).
 */
export interface SubjectChange {
  readonly sub: string;
  readonly kind: 'soft' | 'hard';
  /** A stable word, such as `roles_changed` or `suspended`. */
  readonly reason: string;
  /** Of a `hard` one: this session continues, its earlier tokens are denied. */
  readonly exceptSid?: string;
}

export interface RevokeToken {
  readonly token: string;
  /** The authenticated client. @throws RescindError `grant_invalid`: the token was issued to another client. */
  readonly clientId: string;
  /** Default `token_revoked`. */
  readonly reason?: string;
}

/** Deny every token of `issuer` whose `claim` has `value` and that was issued until now. */
export interface CutOffRequest {
  /** `jti`, `sid`, `sub`, `client_id`, `kid` (the header's), `iss`, or any other claim's name. */
  readonly claim: string;
  /** The value that the claim has in the tokens to deny. */
  readonly value: string;
  /** A stable word, such as `roles_changed`. */
  readonly reason: string;
  /**
   * Whether sessions end too: default true for `sid`, `sub`, `client_id` and `iss`, false for all others. Only `sub`,
   * `client_id` and `iss` leave a choice (false: a soft cut-off: older tokens are denied, refresh continues).
   */
  readonly endsSession?: boolean;
  /** The `exp` of a `jti`'s token, ms. Default: the greatest `exp` ever minted. */
  readonly expiresAt?: EpochMillis;
  /** Default: this issuer. Another that this log speaks for needs `expiresAt` (its longest token life from now). */
  readonly issuer?: string;
}

/** Where a revocation stands in the log. */
export interface RevocationRecord extends Pick<Revocation, 'txn'> {
  /** The epoch of its event. */
  readonly epoch: string;
  /** The seq of its (last) event. */
  readonly seq: number;
}

/** What a revocation did. */
export interface Revoked extends RevocationRecord {
  /** How many sessions it ended: open ones, and such as had timed out and left tokens that live. */
  readonly endedSessions: number;
}

/** What a revocation would do, were it made now. */
export interface Preview {
  /** How many sessions would end. */
  readonly sessions: number;
  /** The first 100 of them. */
  readonly sids: readonly string[];
  /** Of how many subjects. */
  readonly subjects: number;
  /** How many sessions hold tokens that would be denied, whether they end or continue: an upper bound. */
  readonly affectedSessions: number;
  /** Of how many subjects those are. */
  readonly affectedSubjects: number;
  /** When the last token that it denies expires; null for a key, whose row never expires. */
  readonly tokensUntil: EpochMillis | null;
}

/** A revocation that still denies something, as it is in the log. */
export interface RevocationState extends Revocation, RevocationRecord {
  /** When it was appended, the last time. */
  readonly appendedAt: EpochMillis;
  /** Whether the publisher has acknowledged all of it. Without one readers are served from the log itself: true. */
  readonly published: boolean;
  /** When the last token that it denies has expired; null: a key's, never. */
  readonly expiresAt: EpochMillis | null;
}

export interface RevocationQuery {
  /** `next` of the page before. */
  readonly after?: string;
  /** 1 to 1 000; default 100. */
  readonly limit?: number;
}

/** The newest first; one that went into several events stands on the place of its last. */
interface RevocationPage {
  readonly items: readonly RevocationState[];
  readonly next?: string;
}

/** Revocations are forgotten when nothing is left for them to deny. */
export interface IssuerRevocations {
  find(txn: string): Promise<RevocationState | undefined>;
  /** @throws RescindError `request_invalid` for an invalid `after` */
  list(query?: RevocationQuery): Promise<RevocationPage>;
}

/** A token's text, or claims, all or some, such as `{ sub, iat }`. `iss` defaults to this issuer. */
export type ExplainQuestion =
  | { readonly token: string }
  | { readonly claims: Readonly<Record<string, unknown>>; readonly kid?: string };

/** Why a token is refused, or that it is not. */
export interface Explanation {
  /** The problem of the token other than a revocation; null: none. */
  readonly error: { readonly code: ErrorCode; readonly detail: string | null } | null;
  /** Whether a row refuses it. Null: it cannot be known, because its claims are not to be trusted. */
  readonly revoked: boolean | null;
  /** The rows that refuse it; the first one is in the error response. */
  readonly entries: readonly DenyingRow[];
  /** When it counts as issued, ms; null without a usable `iat`. */
  readonly issuedAt: EpochMillis | null;
  /** The claims of a token that this issuer signed; null otherwise. */
  readonly claims: Readonly<Record<string, unknown>> | null;
}
