import type { LogSource, Publisher } from '@rescind/feed';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import type { TrustedClock } from '@rescind/revocation/issuer-clock';
import type { VerifiedToken } from '@rescind/token';
import type { Jwks } from '@rescind/token/signing';
import type { Client, ClientRegistrations, IssuerClients, ResourceServer } from './issuer-clients.ts';
import type { IssuerInstances } from './issuer-instances.ts';
import type { IssuerKeys, KeyCommands, KeyRotation } from './issuer-keys.ts';
import type {
  CutOffRequest,
  EndAllSessions,
  EndSession,
  ExplainQuestion,
  Explanation,
  IssuerRevocations,
  Preview,
  Revoked,
  RevokeToken,
  SubjectChange,
} from './issuer-revocations.ts';
import type {
  AccessAnswer,
  BeginSession,
  ClientTokenRequest,
  Introspection,
  IssuerSessions,
  Reauthentication,
  ReauthenticationDemand,
  RefreshRequest,
  Reissue,
  RenameSession,
  RenewAnswer,
  RenewRequest,
  SessionView,
  StepUp,
  TokenAnswer,
} from './issuer-sessions.ts';
import type { IssuerUserEvents, RecordedUserEvent } from './issuer-user-events.ts';
import type { StoreProvider } from './store/store.ts';

/** A subject as the host has it now. Read inside the transaction that mints. */
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
  /** Why it is not active: a stable word, returned only after the right password or with the right refresh token. */
  readonly reason?: string | undefined;
}

/** Where `subject` reads: the transaction that mints, or what is committed. */
export interface SubjectReads<Sql = unknown> {
  /** The host's rows. */
  readonly sql: Sql;
}

/** @typeParam Sql what the store gives the host for rows of its own */
export interface IssuerOptions<Sql = unknown> {
  /** The `iss` of its tokens and the name of its log: an absolute URL without query or fragment (RFC 8414 section 2). */
  readonly issuer: string;
  /** Where sessions, keys' states and the log are kept, such as `sqliteStore({ path })` of `@rescind/issuer-sqlite`. */
  readonly store: StoreProvider<Sql>;
  /** The directory of the private keys and the high-water mark: made with mode 0700; looser permissions are refused. */
  readonly keysPath: string;
  /**
   * Reads a subject, through `from.sql` alone: called inside transactions, which wait for nothing else. `undefined`: there is no such
   * subject.
   */
  subject(from: SubjectReads<Sql>, sub: string): SubjectRecord | undefined | Promise<SubjectRecord | undefined>;
  /** Where the relay puts events; closed with the issuer. Without one (embedded) readers use the HTTP transport. */
  readonly publisher?: Publisher | undefined;
  /**
   * The clock that applies while the wall clock and the publisher's differ by more than 60 s. The operator sets it while the other one
   * is corrected. Default: neither, so the slower one applies and no token is minted until they agree.
   */
  readonly trustedClock?: TrustedClock | undefined;
  /** Default: that of the system. */
  readonly clock?: Clock | undefined;
  /** Default: warnings and errors are written to standard error. */
  readonly telemetry?: Telemetry | undefined;
  /** Life of an access token. Default 15 minutes; whole seconds, 1 s to 24 h. */
  readonly accessTokenTtlMs?: DurationMs | undefined;
  /** Absolute age of a session; no rotation moves it. Default 30 days. */
  readonly refreshTokenTtlMs?: DurationMs | undefined;
  /** A session not refreshed for so long ends. Default 7 days. */
  readonly refreshIdleTtlMs?: DurationMs | undefined;
  /** How long a refresh token whose response was lost may be used again. Default 10 s; 0: never; at most 60 s. */
  readonly refreshGraceMs?: DurationMs | undefined;
  /**
   * How long the same is possible beyond the grace, while the successor has never been used: for a client that lost the response and
   * then slept. Default 24 h; 0: never; at most 7 days. A policy with a grace of 0 has none.
   */
  readonly refreshRecoveryMs?: DurationMs | undefined;
  /** Retention of the log (the Kafka topic's, or less): what still denies at half of it is appended again. Default 7 days. */
  readonly eventRetentionMs?: DurationMs | undefined;
  /** How long the events of users are kept (`Issuer.userEvents`). Default 30 days; 1 h to 10 years. */
  readonly userEventRetentionMs?: DurationMs | undefined;
  /** When keys are changed, and what for. Default: each 30 days (events' each 90), RS256. */
  readonly keyRotation?: KeyRotation | undefined;
  /**
   * Clients that are there without being registered; one registered under the same id takes its place. Default: `web`,
   * public.
   */
  readonly clients?: readonly Client[] | undefined;
  /**
   * The resource servers there are now: synchronous, called for each token. With it no token has another audience, and a
   * login without `audience` and `resource` is for all of them that have no scopes of their own. Default: any audience.
   */
  readonly resources?: (() => readonly ResourceServer[]) | undefined;
}

/**
 * The operations of `Issuer.transaction`, which is the only function that writes. When the transaction rejects, none of them has an
 * effect. `txn` of a revocation is known at once, `epoch` and `seq` after the commit: reading them before throws.
 * All cut-offs by time of one transaction have one time T; a session begun after a cut-off survives it, one begun before does not.
 * @typeParam Sql what the store gives the host for rows of its own
 */
export interface IssuerTransaction<Sql = unknown> {
  /** The host's rows, in this transaction. */
  readonly sql: Sql;
  /**
   * @throws RescindError `client_invalid` (not registered, or disabled), `credentials_wrong`, `subject_inactive`,
   *   `scope_invalid`, `target_invalid`, `request_invalid`, `clock_parted`
   */
  beginSession(login: BeginSession): Promise<TokenAnswer>;
  /**
   * Issues an access token of a client itself, with `sub` the client id (RFC 9068 section 3), without a refresh token and without
   * `auth_time`. Its session ends with it. A cut-off by `client_id` denies it. No subject of the host may have the id of such a client.
   * @throws RescindError `client_unauthorized` (its policy has no `clientCredentials`), `client_invalid`, `scope_invalid`,
   *   `target_invalid`, `clock_parted`
   */
  issueClientToken(request: ClientTokenRequest): Promise<AccessAnswer>;
  /** `undefined`: unknown, ended before, or another subject's. */
  endSession(end: EndSession): Promise<Revoked | undefined>;
  /** `undefined`: `exceptSid` was the only one. */
  endAllSessions(end: EndAllSessions): Promise<Revoked | undefined>;
  /** One event for all; the requests must have one `reason`. */
  revoke(cutoffs: CutOffRequest | readonly CutOffRequest[]): Promise<Revoked>;
  /**
   * RFC 7009: an access token is cut off by its `jti`, a refresh token ends its session. Unknown, expired and revoked
   * tokens are fine (`undefined`). @throws RescindError `grant_invalid`
   */
  revokeToken(revocation: RevokeToken): Promise<Revoked | undefined>;
  /** A cut-off of a subject by `sub`, or of all its sessions but one. */
  subjectChanged(change: SubjectChange): Promise<Revoked>;
  /**
   * From now on these sessions refresh and renew only after a new login or `reauthenticate`; their access tokens live
   * to their end, unless they are cut off too. Returns how many there are.
   */
  requireReauthentication(demand: ReauthenticationDemand): Promise<number>;
  /**
   * Raises `auth_time`, `amr` and `acr` of a session and returns new tokens; its earlier tokens are cut off softly, and its refresh
   * token is replaced (OWASP ASVS 5.0 section 7.2.4).
   * @throws RescindError `session_ended`, `credentials_wrong`, `subject_inactive`, `scope_invalid`, `target_invalid`,
   *   `clock_parted`, `clock_ahead`
   */
  reauthenticate(proved: Reauthentication): Promise<TokenAnswer>;
  /**
   * As `reauthenticate`, for a caller that presented an access token: the refresh token of the session stays as it is and
   * is not returned, and the new access token has no more scope than the one presented.
   * @throws RescindError as `reauthenticate`
   */
  stepUp(proved: StepUp): Promise<AccessAnswer>;
  /**
   * Another access token of an open session, with the claims as they are now: the answer to a change that the user made.
   * The refresh token stays.
   * @throws RescindError `session_ended`, `subject_inactive`, `scope_invalid`, `target_invalid`, `clock_parted`
   */
  reissue(of: Reissue): Promise<AccessAnswer>;
  /** `undefined`: it is not an open session of that subject. */
  renameSession(renaming: RenameSession): Promise<SessionView | undefined>;
  /** Records an event of the host, which commits with the rest. The issuer records logins, refusals and ends of sessions itself. */
  recordEvent(event: RecordedUserEvent): Promise<void>;
  /**
   * Removes address, user agent and device name from the events of a user who is deleted, of up to 10 000. Returns of how many: call it
   * until it returns 0. Refusals that are recorded later have none of them either, until the user logs in again or the issuer restarts.
   */
  forgetOrigins(sub: string): Promise<number>;
  /** The registered clients, including changes of this transaction. */
  readonly clients: ClientRegistrations;
  /** The keys that sign. */
  readonly keys: KeyCommands;
}

/** An open issuer. @typeParam Sql what the store gives the host for rows of its own */
export interface Issuer<Sql = unknown> {
  /**
   * Runs `work` as one transaction, durable when the promise resolves. Transactions run one after another: `work` awaits nothing but
   * `tx`, takes a second at most, and calls no other method of the issuer. While the clock is ahead of the wall a cut-off by time waits
   * (up to 5 s): then `work` is rolled back and called again from the start.
   * @throws RescindError `clock_ahead`, `database_restored`, `storage_unavailable`, `busy`, `stopping`
   * @throws Error inside of another transaction; for `work` that waited for a second
   */
  transaction<T>(work: (tx: IssuerTransaction<Sql>) => T | Promise<T>): Promise<T>;
  /** The registered clients and their policies. */
  readonly clients: IssuerClients;
  /** The sessions. */
  readonly sessions: IssuerSessions;
  /** What has been revoked, and still denies something. */
  readonly revocations: IssuerRevocations;
  /** The keys that sign. */
  readonly keys: IssuerKeys;
  /** What happened to users and their sessions. */
  readonly userEvents: IssuerUserEvents;
  /** The instances that report how far they have applied the log, and how far a revocation has reached them. */
  readonly instances: IssuerInstances;
  /**
   * Rotates the refresh token. A used one ends its session, unless it is the last one before the present, within the
   * grace, and the present one is unused: then the same successor is answered. Those that come at once share one
   * transaction, durable before any of them is answered.
   * @throws RescindError `grant_invalid`, `grant_reused`, `grant_suspended`, `reauthentication_required`,
   *   `client_invalid`, `scope_invalid`, `target_invalid`, `clock_parted`, `database_restored`, `stopping`
   */
  refresh(request: RefreshRequest): Promise<TokenAnswer>;
  /**
   * Exchanges a valid access token for a new one, where the client's policy has `renewByToken`: each token once, and only the
   * newest of its session. A second use ends the session, except within the grace of `refresh`. Before half of its life
   * is over a token is answered as it is. One that a soft cut-off denies is exchanged at any time.
   * @throws RescindError as `refresh`, and `token_malformed`, `token_expired`, `token_revoked`, …; `grant_unsupported`:
   *   not by this client
   */
  renew(request: RenewRequest): Promise<RenewAnswer>;
  /** What a revocation would do. Reads only. @throws TypeError as the revocation itself */
  preview(request: CutOffRequest | readonly CutOffRequest[] | EndAllSessions | SubjectChange): Promise<Preview>;
  /**
   * Returns those of these subjects that may hold a token that `revoke` would deny: those with a live session whose tokens have, or
   * may have, such a claim. Reads only. @throws TypeError as `revoke`
   */
  affectedSubjects(
    cutoffs: CutOffRequest | readonly CutOffRequest[],
    subs: readonly string[],
  ): Promise<readonly string[]>;
  /**
   * RFC 7662, by the issuer's own rows; reads only. `clientId` is the authenticated client: one that may not introspect
   * learns of its own tokens alone, one with an audience of those for it.
   */
  introspect(token: string, asker: { readonly clientId: string }): Promise<Introspection>;
  /**
   * Gate, signature, claims, and judge over the issuer's own rows. Reads only.
   * @throws RescindError `token_malformed`, `token_expired`, `token_revoked`, …
   */
  verify(accessToken: string, options?: VerifyOptions): Promise<VerifiedToken>;
  /** Which rows refuse a token, or one with these claims, and of which revocation they are. Reads only. */
  explain(question: ExplainQuestion): Promise<Explanation>;
  /** Public keys of access tokens (RFC 7517). */
  jwks(): Jwks;
  /** Public keys of events, former ones included, and the epoch that the log is in: readers follow no other. */
  eventJwks(): EventJwks;
  /** The log of record, for the HTTP transport. */
  readonly log: LogSource;
  /** Why every write is refused (`database_restored`), or null. */
  refusingWrites(): string | null;
  /**
   * Whether the last write reached the storage. While it is false every write throws `storage_unavailable`; the issuer
   * retries each second.
   */
  canWrite(): boolean;
  /**
   * For a host that reads its own rows in the store: an error of the storage, such as a damaged page, counts as a failed
   * write in health and metrics. Any other error is ignored. Never throws.
   */
  noteStorageError(error: unknown): void;
  /**
   * Resolves when the wall clock has been compared with the publisher's, or that cannot be done for now (3 s at most): until then
   * logins, refreshes and cut-offs by time wait. At once without a publisher that has a clock.
   */
  readonly ready: Promise<void>;
  /** The health of the issuer, with one check for each part. */
  health(): HealthCheck[];
  /** Stops the relay and closes the publisher and the database; nothing that was answered is lost. */
  close(): Promise<void>;
  /** Calls `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A JWK Set (RFC 7517) with two members more. */
export interface EventJwks extends Jwks {
  /** The present epoch of the log. */
  readonly epoch: string;
  /** The kid of the key that signs this epoch. */
  readonly epoch_kid: string;
}

export interface VerifyOptions {
  /** Must be in the token's `aud`. Default: not compared. */
  readonly audience?: string | undefined;
}

/** The options of `restoreIssuer`. */
export interface RestoreOptions
  extends Pick<
    IssuerOptions,
    'issuer' | 'store' | 'keysPath' | 'publisher' | 'eventRetentionMs' | 'keyRotation' | 'clock' | 'telemetry'
  > {
  /** Other issuers that this log speaks for: all their tokens issued until now are cut off by `iss`. Default none. */
  readonly otherIssuers?: readonly OtherIssuer[] | undefined;
  /** Signed events or heartbeats that readers hold, beyond what the database has. Default: none. */
  readonly proofs?: readonly string[] | undefined;
  /**
   * Sets the issuer's clock to the wall clock, to an earlier time too, and every stored time that is later. All access tokens are
   * revoked, sessions continue, and every other issuer in the log is cut off by `iss`. Default: only where the
   * log shows that the clock was set after the backup.
   */
  readonly setClock?: boolean | undefined;
  /**
   * Where the clock is set, inside that transaction: the host makes times in its own tables that are later than `at` that time.
   * Waits for nothing but that transaction.
   * Default: nothing is called.
   */
  readonly lowerTimes?: ((at: EpochMillis) => void | Promise<void>) | undefined;
}

export interface OtherIssuer {
  readonly issuer: string;
  /** The longest life of its tokens. */
  readonly longestTokenTtlMs: DurationMs;
}

/** What a restore did. */
export interface RestoreReport {
  /** The epoch that the database was in before. */
  readonly formerEpoch: string;
  /** The new epoch. */
  readonly epoch: string;
  /** Signed events from beyond the database that were merged into it. */
  readonly importedEvents: number;
  /** The greatest seq of the former epoch that is known to have been there. */
  readonly greatestSeqSeen: number;
  /** Whether every event up to there is in the database now. If not, all sessions have been ended. */
  readonly complete: boolean;
  /** How many sessions the restore ended. */
  readonly endedSessions: number;
  /** The kids of the keys that the restore revoked. */
  readonly revokedKids: readonly string[];
  /** The kid of the key of access tokens that signs now. */
  readonly signingKid: string;
  /** Why the topic could not be read to its end, or null. */
  readonly replayError: string | null;
  /** Events that opened the new epoch. */
  readonly appendedEvents: number;
  /** How far the clock went back, in ms; 0 without `setClock`. */
  readonly setBackMs: DurationMs;
}
