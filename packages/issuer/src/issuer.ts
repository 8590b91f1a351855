import type { LogSource, Publisher } from '@rescind/feed';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import type { Jwks, VerifiedToken } from '@rescind/token';
import type Database from 'better-sqlite3';

/** What the host knows of a subject now. Read inside the transaction that mints. */
export interface SubjectRecord {
  /**
   * Claims of its access tokens: `scope` (a space-separated string: all it may have), `roles`, `tenant`, … Names that
   * the issuer itself writes (`iss`, `sub`, `exp`, …) are a mistake.
   */
  readonly claims: Readonly<Record<string, unknown>>;
  /** Grows with every change of password or second factor. A session of an older version is refused. */
  readonly credentialVersion: number;
  /** False: suspended, banned, … : no login, no refresh. */
  readonly active: boolean;
  /** Why it is not active: a stable word, shown only to who proved the password or the refresh token. */
  readonly reason?: string;
}

export interface IssuerOptions {
  /** The `iss` of its tokens and the name of its log: an absolute URL without query or fragment (RFC 8414 section 2). */
  readonly issuer: string;
  /** The SQLite file. The host may keep its own tables in it; those named `rescind_…` are ours. */
  readonly databasePath: string;
  /** The directory of the private keys and the high-water mark: made with mode 0700; looser permissions are refused. */
  readonly keysPath: string;
  /** Reads a subject; synchronous, called inside transactions; `undefined`: there is no such subject. */
  subject(sub: string): SubjectRecord | undefined;
  /** Where the relay puts events; closed with the issuer. Without one (embedded) readers take the HTTP way. */
  readonly publisher?: Publisher;
  readonly clock?: Clock;
  readonly telemetry?: Telemetry;
  /** Life of an access token. Default 15 minutes; whole seconds, 1 s to 24 h. */
  readonly accessTokenTtlMs?: DurationMs;
  /** Absolute age of a session; no rotation moves it. Default 30 days. */
  readonly refreshTokenTtlMs?: DurationMs;
  /** A session not refreshed for so long ends. Default 7 days. */
  readonly refreshIdleTtlMs?: DurationMs;
  /** How long a refresh token whose answer was lost may be used again. Default 10 s; 0: never; at most 60 s. */
  readonly refreshGraceMs?: DurationMs;
  /** Retention of the log (the Kafka topic's, or less): what still denies at half of it is appended anew. Default 7 days. */
  readonly eventRetentionMs?: DurationMs;
}

/** A login: who was it, for whom, and against which version of the credential was it proved. */
export interface BeginSession {
  readonly sub: string;
  readonly clientId: string;
  /** `aud` of the access tokens (RFC 9068 section 3). */
  readonly audience: string | readonly string[];
  /** Space-separated; within the subject's `scope` claim. Absent: all of it, as it is at each refresh. */
  readonly scope?: string;
  readonly deviceName?: string;
  /** The version that the caller verified the password against, before the transaction. */
  readonly credentialVersion: number;
  /** RFC 8176, for instance `['pwd']`. */
  readonly amr?: readonly string[];
}

export interface RefreshRequest {
  readonly refreshToken: string;
  /** The authenticated client. A token of another client is `grant_invalid`, and stays as it is. */
  readonly clientId: string;
  /** Narrows this access token only (RFC 6749 section 6). @throws `scope_invalid` when it exceeds the session's. */
  readonly scope?: string;
}

/** RFC 6749 section 5.1. */
export interface TokenAnswer {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly refresh_token: string;
  /** Seconds after which refreshing makes sense: half of `expires_in`. */
  readonly refresh_in: number;
  readonly scope: string;
  readonly sid: string;
}

export interface EndSession {
  readonly sid: string;
  /** A stable word, such as `logout`. */
  readonly reason: string;
}

export interface EndAllSessions {
  readonly sub: string;
  /** Keeps this session (and takes it to the subject's present credential version): every other is ended by its sid. */
  readonly exceptSid?: string;
  readonly reason: string;
}

export interface RevokeToken {
  readonly token: string;
  /** The authenticated client. @throws RescindError `grant_invalid`: the token was issued to another client. */
  readonly clientId: string;
  /** Default `token_revoked`. */
  readonly reason?: string;
}

/** Deny every token of `issuer` whose `claim` has `value` and that was issued until now. */
export interface CutoffRequest {
  /** `jti`, `sid`, `sub`, `client_id`, `kid` (the header's), `iss`, or any other claim's name. */
  readonly claim: string;
  readonly value: string;
  /** A stable word, such as `roles_changed`. */
  readonly reason: string;
  /**
   * Whether sessions end too: default true for `sid`, `sub`, `client_id` and `iss`, false for all others. Only `sub`,
   * `client_id` and `iss` leave a choice (false: a soft cut-off, old tokens die and refresh goes on).
   */
  readonly endsSession?: boolean;
  /** The `exp` of a `jti`'s token, ms. Default: the greatest `exp` ever minted. */
  readonly expiresAt?: EpochMillis;
  /** Default: this issuer. Another that this log speaks for needs `expiresAt` (its longest token life from now). */
  readonly issuer?: string;
}

/** Where a revocation stands in the log. */
export interface RevocationRecord {
  /** The revocation's id, the same however often its event is appended anew. */
  readonly txn: string;
  readonly epoch: string;
  /** The seq of its (last) event. */
  readonly seq: number;
}

/**
 * What may be done inside `transaction`: all of it synchronous, and nothing of it happened when the transaction throws.
 * All cut-offs by time of one transaction have one time T; a session begun after a cut-off survives it, one begun
 * before does not.
 */
export interface IssuerTransaction {
  /** @throws RescindError `credentials_wrong`, `subject_inactive`, `scope_invalid`, `clock_parted` */
  beginSession(login: BeginSession): TokenAnswer;
  /** `undefined`: unknown, or ended before. */
  endSession(end: EndSession): RevocationRecord | undefined;
  /** `undefined`: `exceptSid` was the only one. */
  endAllSessions(end: EndAllSessions): RevocationRecord | undefined;
  /** One event for all; the requests must have one `reason`. */
  revoke(cutoffs: CutoffRequest | readonly CutoffRequest[]): RevocationRecord;
}

export interface Issuer {
  /**
   * The connection. The host may read at any time, and writes inside `transaction`. Its `user_version` is the host's;
   * tables named `rescind_…` are ours.
   */
  readonly database: Database.Database;
  /**
   * Runs `work` as one immediate transaction, durable when the promise resolves. While the clock is ahead of the wall a
   * cut-off by time waits (up to 5 s): then `work` is rolled back and called again from the start.
   * @throws RescindError `clock_ahead`, `database_restored`, `stopping`
   */
  transaction<T>(work: (tx: IssuerTransaction) => T): Promise<T>;
  /** @throws RescindError as `IssuerTransaction.beginSession`, and `database_restored`, `stopping` */
  beginSession(login: BeginSession): TokenAnswer;
  /**
   * Rotates the refresh token. A used one ends its session, unless it is the last one before the present, within the
   * grace, and the present one is unused: then the same successor is answered.
   * @throws RescindError `grant_invalid`, `grant_reused`, `scope_invalid`, `clock_parted`, `database_restored`, `stopping`
   */
  refresh(request: RefreshRequest): TokenAnswer;
  endSession(end: EndSession): Promise<RevocationRecord | undefined>;
  endAllSessions(end: EndAllSessions): Promise<RevocationRecord | undefined>;
  /**
   * RFC 7009: an access token is cut off by its `jti`, a refresh token ends its session. Unknown, expired and revoked
   * tokens are fine (`undefined`).
   */
  revokeToken(revocation: RevokeToken): Promise<RevocationRecord | undefined>;
  revoke(cutoffs: CutoffRequest | readonly CutoffRequest[]): Promise<RevocationRecord>;
  /**
   * Gate, signature, claims, and judge over the issuer's own rows. Reads only.
   * @throws RescindError `token_malformed`, `token_expired`, `token_revoked`, …
   */
  verify(accessToken: string, options?: VerifyOptions): VerifiedToken;
  /** Public keys of access tokens (RFC 7517). */
  jwks(): Jwks;
  /** Public keys of events, former ones included. */
  eventJwks(): Jwks;
  /** The log of record, for the HTTP way. */
  readonly log: LogSource;
  /** Why every write is refused (`database_restored`), or null. */
  refusingWrites(): string | null;
  health(): HealthCheck[];
  /** Stops the relay and closes the publisher and the database; nothing that was answered is lost. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface VerifyOptions {
  /** Must be in the token's `aud`. Default: not compared. */
  readonly audience?: string;
}

export interface RestoreOptions
  extends Pick<IssuerOptions, 'issuer' | 'databasePath' | 'keysPath' | 'publisher' | 'clock' | 'telemetry'> {
  /** Other issuers that this log speaks for: all their tokens issued until now are cut off by `iss`. Default none. */
  readonly otherIssuers?: readonly OtherIssuer[];
  /** Signed events or heartbeats that readers hold, beyond what the database has. */
  readonly proofs?: readonly string[];
}

export interface OtherIssuer {
  readonly issuer: string;
  /** The longest life of its tokens. */
  readonly longestTokenTtlMs: DurationMs;
}

export interface RestoreReport {
  readonly formerEpoch: string;
  readonly epoch: string;
  /** Signed events from beyond the database that were merged into it. */
  readonly importedEvents: number;
  /** The greatest seq of the former epoch that is known to have been there. */
  readonly greatestSeqSeen: number;
  /** Whether every event up to there is in the database now. If not, all sessions have been ended. */
  readonly whole: boolean;
  readonly endedSessions: number;
  readonly revokedKids: readonly string[];
  readonly signingKid: string;
  /** Why the topic could not be read to its end, or null. */
  readonly replayError: string | null;
  /** Events that opened the new epoch. */
  readonly appendedEvents: number;
}
