import type { EpochMillis } from '@rescind/revocation';
import type { SessionPolicy, TokenStorage } from './issuer-clients.ts';

/** The origin of a session, as its owner sees it. */
export interface Origin {
  readonly address?: string;
  readonly userAgent?: string;
}

/** A login: its subject, its client, and the verified version of the credential. */
export interface BeginSession {
  /** The user, as the tokens name it in `sub`. */
  readonly sub: string;
  /** A registered client. */
  readonly clientId: string;
  /**
   * `aud` of the access tokens (RFC 9068 section 3); narrowed to the client's. Default: the client's audiences that share
   * their tokens, as they are at each refresh.
   */
  readonly audience?: string | readonly string[];
  /**
   * The `resource` of the client's request (RFC 8707): `aud` of the access tokens instead, until a refresh requests
   * another. @throws RescindError `target_invalid`: not one that the client is registered for
   */
  readonly resource?: readonly string[];
  /**
   * Space-separated; within the subject's `scope` claim and the client's. Each token has of it what belongs to its
   * audience. Absent: all of it, as it is at each refresh.
   */
  readonly scope?: string;
  /** At most 128 characters, none of them a control character, invisible, or one that turns the direction of others. */
  readonly deviceName?: string;
  /** What the client calls its device by, opaque to the issuer: at most 128 characters. */
  readonly deviceId?: string;
  /** Longer text is cut. */
  readonly origin?: Origin;
  /** How its refresh tokens are transferred. Default `body`. @throws RescindError `request_invalid`: not this client's */
  readonly storage?: TokenStorage;
  /** For this session, with precedence over the client's policy: `refreshTokenTtlMs: 'never'`, for example. */
  readonly policy?: SessionPolicy;
  /** The version that the caller verified the password against, before the transaction. */
  readonly credentialVersion: number;
  /** RFC 8176, for instance `['pwd']`. */
  readonly amr?: readonly string[];
  /** How sure the login was (RFC 9470 section 5). */
  readonly acr?: string;
  /** A session of the same subject that this one replaces: it ends in the same transaction, with the reason `replaced`. */
  readonly replacesSid?: string;
}

/** An access token that a client requests for itself (RFC 6749 section 4.4). */
export interface ClientTokenRequest {
  /** The authenticated client. */
  readonly clientId: string;
  /** Default: the registered scope of the client. @throws `scope_invalid` when it exceeds that. */
  readonly scope?: string;
  /** `aud` (RFC 8707), among the registered audiences. Default: all of them that share tokens. @throws `target_invalid` */
  readonly resource?: readonly string[];
}

export interface RefreshRequest {
  readonly refreshToken: string;
  /** The authenticated client. A token of another client is `grant_invalid`, and stays as it is. */
  readonly clientId: string;
  /** Narrows this access token only (RFC 6749 section 6). @throws `scope_invalid` when it exceeds the session's. */
  readonly scope?: string;
  /**
   * `aud` of this access token (RFC 8707), among those that the client is registered for now. Default: as at the login.
   * @throws `target_invalid`
   */
  readonly resource?: readonly string[];
  /** How it was transferred. A difference from the session's is `grant_invalid`, and the token stays usable. Default: not compared. */
  readonly via?: TokenStorage;
  /**
   * Called once the exchange is durable, if the token was used before and gets its successor again after the grace (`refreshRecoveryMs`):
   * the owner may want to know.
   */
  onRecovered?(recovered: RecoveredSession): void;
}

/** A session whose client lost the last response, or whose refresh token was copied. */
export interface RecoveredSession {
  readonly sid: string;
  readonly sub: string;
  readonly clientId: string;
  /** Where it began, as the login named it. */
  readonly address: string | null;
}

/** A token response without a refresh token. */
export interface AccessAnswer {
  /** A JWT (RFC 9068). */
  readonly access_token: string;
  /** RFC 6750. */
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  /** Seconds after which refreshing makes sense: half of `expires_in`. */
  readonly refresh_in: number;
  /** The scope of the token, space-separated. */
  readonly scope: string;
  /** The session that the token belongs to. */
  readonly sid: string;
}

/** RFC 6749 section 5.1. */
export interface TokenAnswer extends AccessAnswer {
  /** Opaque to the client; each refresh replaces it. */
  readonly refresh_token: string;
}

export interface RenewRequest {
  readonly accessToken: string;
  readonly clientId: string;
  /** Narrows the new token. @throws `scope_invalid` when it exceeds the old one's. */
  readonly scope?: string;
  /**
   * Narrows `aud` of the new token (RFC 8707). @throws `target_invalid` when it exceeds the old one's: a service that was
   * sent a token must not exchange it for one that another service takes
   */
  readonly resource?: readonly string[];
}

/** `renewed: false`: it is not half through its life; it is answered as it is, with the seconds it has left. */
export interface RenewAnswer extends AccessAnswer {
  readonly renewed: boolean;
}

/** The user of a session has authenticated again (RFC 9470). */
export interface Reauthentication {
  readonly sid: string;
  readonly sub: string;
  /** The version that the caller verified against. */
  readonly credentialVersion: number;
  readonly amr: readonly string[];
  readonly acr?: string;
  /** `aud` of the access token answered, as in a refresh. */
  readonly resource?: readonly string[];
}

/** An open session that is given another access token, narrowed as in a refresh. */
export interface Reissue {
  readonly sid: string;
  readonly sub: string;
  readonly scope?: string;
  readonly resource?: readonly string[];
}

/** The same, by a caller that presented an access token of the session. */
export interface StepUp extends Reauthentication {
  /** The scope of that token, space-separated: the answer has no more. Default: that of the session. */
  readonly scope?: string;
}

/** One of them: every open session of a subject, or one session. `reason` is a stable word. */
export type ReauthenticationDemand = { readonly reason: string } & (
  | { readonly sub: string; readonly sid?: never }
  | { readonly sid: string; readonly sub?: never }
);

/** A login on a device, as its owner and an administrator see it. */
export interface SessionView {
  /** Its id, which every token of it has as a claim. */
  readonly sid: string;
  /** The user who logged in. */
  readonly sub: string;
  /** The client of the login. */
  readonly clientId: string;
  /** The scope requested at the login, space-separated; null: everything. */
  readonly scope: string | null;
  /** `aud` of its access tokens unless a refresh requests another; null: those of the client that share tokens. */
  readonly audience: string | readonly string[] | null;
  /** The name that the login or its owner gave it; null: none. */
  readonly deviceName: string | null;
  /** The client's own id of the device; null: the login named none. */
  readonly deviceId: string | null;
  /** When the login began it. */
  readonly createdAt: EpochMillis;
  /** The last login, refresh, renewal or re-authentication. */
  readonly lastUsedAt: EpochMillis;
  /** Where it began, as the login named it. */
  readonly origin: Origin;
  /** When its user last authenticated (`auth_time`). */
  readonly authTime: EpochMillis;
  /** How its user authenticated (RFC 8176); empty: not known. */
  readonly amr: readonly string[];
  /** The class of that authentication (`acr`); null: none. */
  readonly acr: string | null;
  /** How its refresh tokens are transferred. */
  readonly storage: TokenStorage;
  /** null: never. */
  readonly idleExpiresAt: EpochMillis | null;
  /** null: never. */
  readonly absoluteExpiresAt: EpochMillis | null;
  /** Null: it was not ended; it may have timed out. */
  readonly endedAt: EpochMillis | null;
  /** A stable word, such as `logout`; null: it was not ended. */
  readonly endReason: string | null;
  /** Why it continues only after a new login, or null. */
  readonly reauthenticationReason: string | null;
  /** Whether it is the `currentSid` of the call. */
  readonly current: boolean;
}

export interface SessionQuery {
  /** Only those of this subject. */
  readonly sub?: string;
  /** Only those of this client. */
  readonly clientId?: string;
  /** Those that are over too. Default false. */
  readonly ended?: boolean;
  /** The session of the caller, which the list marks as `current`. Default: none. */
  readonly currentSid?: string;
  /** `next` of the page before. */
  readonly after?: string;
  /** 1 to 1 000; default 100. */
  readonly limit?: number;
}

/** The newest first. */
interface SessionPage {
  readonly items: readonly SessionView[];
  /** Where the next page begins; absent on the last. */
  readonly next?: string;
}

export interface RenameSession {
  readonly sid: string;
  readonly sub: string;
  readonly deviceName: string;
}

export interface IssuerSessions {
  /** @throws RescindError `request_invalid` for an `after` that is none */
  list(query?: SessionQuery): Promise<SessionPage>;
  find(sid: string): Promise<SessionView | undefined>;
  /**
   * The session that an access token of this issuer was made for, however long ago it expired: enough to end that session,
   * never to authenticate. `undefined`: nothing is known of the session any more.
   * @throws RescindError `token_malformed`, `token_signature_wrong`, … for what this issuer did not sign, `token_revoked`
   */
  findByAccessToken(accessToken: string): Promise<SessionView | undefined>;
  /** The session of a refresh token, spent or not. `undefined`: it is none, or nothing is known of its session any more. */
  findByRefreshToken(refreshToken: string): Promise<SessionView | undefined>;
  /** Whether the session has neither ended nor passed a deadline. */
  isOpen(sid: string): Promise<boolean>;
}

/** RFC 7662 section 2.2. An inactive token has no other member. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true;
      readonly iss: string;
      readonly sub: string;
      readonly client_id: string;
      readonly scope: string;
      readonly sid: string;
      readonly exp?: number;
      readonly token_type?: 'Bearer';
      /** Of a refresh token, for its own client alone. */
      readonly token_use?: 'refresh_token';
      /** An access token's other claims as they are. */
      readonly [claim: string]: unknown;
    };
