import type { EpochMillis } from '@rescind/revocation';
import type { SessionPolicy, TokenStorage } from '../issuer-clients.ts';

/** A login on a device, with its one refresh token. */
export interface Session {
  /** Its id, which every token of it has as a claim. */
  readonly sid: string;
  /** The user who logged in. */
  readonly sub: string;
  /** The client of the login. */
  readonly clientId: string;
  /** Null: the client's audiences that share their tokens, as they are. */
  readonly audience: string | readonly string[] | null;
  /** The scope requested at the login; null: all that the subject may have. */
  readonly scope: string | null;
  /** Null: neither the login nor its owner named it. */
  readonly deviceName: string | null;
  /** The client's own id of the device; null: the login named none. */
  readonly deviceId: string | null;
  /** The network address of the login; null: unknown. */
  readonly address: string | null;
  /** The user agent of the login; null: unknown. */
  readonly userAgent: string | null;
  /** How its refresh tokens are transferred. */
  readonly storage: TokenStorage;
  /** How its user authenticated (RFC 8176); empty: not known. */
  readonly amr: readonly string[];
  /** The class of that authentication; null: none. */
  readonly acr: string | null;
  /** The policy of this session, which overrides that of the client. */
  readonly policy: SessionPolicy | null;
  /** The version of the credential that its user last authenticated with. */
  readonly credentialVersion: number;
  /** When the login began it. */
  readonly createdAt: EpochMillis;
  /** When its user last authenticated. */
  readonly authTime: EpochMillis;
  /** The last login, refresh, renewal or re-authentication. */
  readonly lastUsedAt: EpochMillis;
  /** When it times out unless it is used; `NEVER`: it does not. */
  readonly idleExpiresAt: EpochMillis;
  /** When it times out however it is used; `NEVER`: it does not. */
  readonly absoluteExpiresAt: EpochMillis;
  /** Why it continues only after a new login; null: it continues. */
  readonly reauthenticationReason: string | null;
  /** Null: it was not ended; it may have timed out. */
  readonly endedAt: EpochMillis | null;
  /** A stable word, such as `logout`; null: it was not ended. */
  readonly endReason: string | null;
  /** The part of the refresh token that finds the session, and never changes; null: there is no refresh token. */
  readonly selector: string | null;
  /** SHA-256 of the refresh token's verifier. */
  readonly verifierHash: Buffer | null;
  /** SHA-256 of the verifier of the former refresh token. */
  readonly formerHash: Buffer | null;
  /** When the former refresh token was used; null: never. */
  readonly rotatedAt: EpochMillis | null;
  /** The present refresh token, sealed under a key that only the holder of the former one can derive. */
  readonly sealed: Buffer | null;
  /** The `jti` of the newest access token, which may be renewed. */
  readonly newestJti: string | null;
  /** The `exp` of that token, ms; null: there is none. */
  readonly newestExp: EpochMillis | null;
  /** The scope that this token was narrowed to; null: it was not narrowed. */
  readonly newestScope: string | null;
  /** The `jti` of the access token that was renewed to get it. */
  readonly renewedJti: string | null;
  /** When that token was renewed; null: never. */
  readonly renewedAt: EpochMillis | null;
}

export type NewSession = Omit<
  Session,
  | 'reauthenticationReason'
  | 'endedAt'
  | 'endReason'
  | 'formerHash'
  | 'rotatedAt'
  | 'sealed'
  | 'newestJti'
  | 'newestExp'
  | 'newestScope'
  | 'renewedJti'
  | 'renewedAt'
>;

/** What each minted token changes in its session. */
export interface Minted {
  readonly sid: string;
  readonly at: EpochMillis;
  readonly idleExpiresAt: EpochMillis;
  readonly jti: string;
  readonly exp: EpochMillis;
  /** The scope that the token was narrowed to; null: it was not narrowed. */
  readonly scope: string | null;
}

export interface Rotation {
  /** Of the token presented: it must still be the present one. */
  readonly formerHash: Buffer;
  /** Its digest, which is stored until the session is deleted. */
  readonly formerDigest: Buffer;
  readonly nextHash: Buffer;
  readonly sealed: Buffer | null;
}

interface Renewal {
  readonly sid: string;
  /** The token presented: it must still be the newest. */
  readonly presentedJti: string;
  /** Its digest, which is stored until the session is deleted. */
  readonly presentedDigest: Buffer;
  readonly at: EpochMillis;
}

interface Reauthentication {
  readonly sid: string;
  readonly at: EpochMillis;
  readonly amr: readonly string[];
  readonly acr: string | null;
  readonly credentialVersion: number;
}

/** Which sessions a cut-off ends: those of this issuer whose claim has this value; `iss`: all. */
export type SessionClaim = 'sid' | 'sub' | 'client_id' | 'iss';

/** A place in a list: the newest first. */
export interface ListPosition {
  readonly createdAt: EpochMillis;
  readonly sid: string;
}

export interface SessionListQuery {
  readonly sub: string | undefined;
  readonly clientId: string | undefined;
  readonly ended: boolean;
  /** Only those after this. */
  readonly after: ListPosition | undefined;
  readonly limit: number;
  readonly at: EpochMillis;
}

/**
 * A session is live if it can continue, or if it is past its deadlines and may have left tokens that readers accept:
 * `endedAt` null, and either both deadlines after `at`, or the greatest `exp` minted for it after `at` - CLOCK_TOLERANCE_MS.
 */
export interface SessionReads {
  find(sid: string): Promise<Session | undefined>;
  findBySelector(selector: string): Promise<Session | undefined>;
  /** By the selector of a refresh token that version 1 of the SQLite file rotated; another store has none. */
  findByFormerSelector(selector: string): Promise<Session | undefined>;
  /** Whether a token with this digest was used in the session before. */
  isUsed(sid: string, digest: Buffer): Promise<boolean>;
  /** The live sids of a subject, but for one, in order. */
  liveSids(sub: string, exceptSid: string | null, at: EpochMillis): Promise<string[]>;
  /** The sids of stored sessions that have had a token, ended ones too: at most `limit`, in order. */
  listSids(claim: SessionClaim, value: string, limit: number): Promise<string[]>;
  /** How many live sessions `end` would end, and of how many subjects they are. */
  count(
    claim: SessionClaim,
    value: string,
    at: EpochMillis,
  ): Promise<{ readonly sessions: number; readonly subjects: number }>;
  /** The live sessions that `end` would end, in the order of their sid: the first `limit` after `after`. */
  live(claim: SessionClaim, value: string, at: EpochMillis, after: string, limit: number): Promise<Session[]>;
  /** The subject of the session whose newest token has this `jti`. Reads every row. */
  subjectOfNewest(jti: string): Promise<string | undefined>;
  /** Of the next `rows` sessions after `after`, in order, those that `sweep` forgets and that were not ended: they timed out. */
  lapsed(after: string, rows: number, overBefore: EpochMillis): Promise<Session[]>;
  /** The newest first: by `createdAt`, then `sid`, descending. Without `ended`: those that are neither ended nor past a deadline. */
  list(query: SessionListQuery): Promise<Session[]>;
}

/** The sessions, with the writes. */
export interface Sessions extends SessionReads {
  /** `greatestExp` of a new session is its `createdAt`. */
  insert(session: NewSession): Promise<void>;
  /** Rotates by one conditional write, and stores the digest of the used token; false: another use was first. */
  rotate(minted: Minted, rotation: Rotation): Promise<boolean>;
  /** Renews by one conditional write, and stores the digest of the used token; false: another use was first. */
  renew(renewal: Renewal): Promise<boolean>;
  /** Stores a minted token in its session. Raises the greatest `exp` of the session and of the store (`Meta.greatestExp`); so does `rotate`. */
  mint(minted: Minted): Promise<void>;
  /** Records a re-authentication. Clears `reauthenticationReason`. */
  reauthenticate(reauthentication: Reauthentication): Promise<void>;
  /** Sets `credentialVersion` of a session. */
  setCredentialVersion(sid: string, version: number): Promise<void>;
  /** Sets `deviceName` of a session. */
  rename(sid: string, deviceName: string): Promise<void>;
  /** Requires a new login of sessions that have not ended. Returns their number. */
  requireReauthentication(by: 'sid' | 'sub', value: string, reason: string): Promise<number>;
  /** Ends the live sessions that began at or before `begunUntil`. Returns their number. */
  end(claim: SessionClaim, value: string, at: EpochMillis, reason: string, begunUntil: EpochMillis): Promise<number>;
  /**
   * Goes through the next `rows` sessions after `after`: forgets, with what they have spent, those that were over before `overBefore`
   * and whose tokens have expired; and clears what has been sealed since before `sealedBefore`. Returns the `after` of the next call; '' is the beginning.
   */
  sweep(after: string, rows: number, overBefore: EpochMillis, sealedBefore: EpochMillis): Promise<string>;
}

/** The members of a session that has not been used since its login. */
export const UNUSED_SESSION = {
  reauthenticationReason: null,
  endedAt: null,
  endReason: null,
  formerHash: null,
  rotatedAt: null,
  sealed: null,
  newestJti: null,
  newestExp: null,
  newestScope: null,
  renewedJti: null,
  renewedAt: null,
} as const;
