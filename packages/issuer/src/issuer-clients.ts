import type { DurationMs } from '@rescind/revocation';

/** How a client authenticates at the token endpoint (RFC 6749 section 2.3, RFC 7523 section 2.2). */
type ClientAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';

/** How a refresh token is transferred: in a body, or in an HttpOnly cookie that no script can read. */
export type TokenStorage = 'body' | 'cookie';

/** A length of time, or none: what is `never` over can still be revoked. */
export type Lifetime = DurationMs | 'never';

/** Lifetimes of sessions. An absent member has the value of the issuer's options. */
export interface SessionPolicy {
  /** Whole seconds, 1 s to 24 h. */
  readonly accessTokenTtlMs?: DurationMs;
  /** A session not used for so long ends. */
  readonly refreshIdleTtlMs?: Lifetime;
  /** Absolute age, counted from the login; nothing moves it. */
  readonly refreshTokenTtlMs?: Lifetime;
  /** How long a refresh token whose answer was lost may be used again; 0: never; at most 60 s. */
  readonly refreshGraceMs?: DurationMs;
  /** Default true. False: a refresh token stays the same, and reuse cannot be detected (RFC 9700 section 4.14.2 requires true). */
  readonly rotation?: boolean;
  /** Whether a valid access token can be exchanged for a new one (`renew`). Default false. */
  readonly renewByToken?: boolean;
}

export interface ClientPolicy extends SessionPolicy {
  /** Where its refresh tokens may be carried. Default `either`. */
  readonly storage?: TokenStorage | 'either';
  /**
   * Whether the client may have access tokens of its own (RFC 6749 section 4.4), of its registered `scope` and `audience`. It must
   * authenticate, and have an `audience`. Default false.
   */
  readonly clientCredentials?: boolean;
}

/** An application that may hold tokens (RFC 6749 section 2). */
export interface Client {
  /** Its `client_id` (RFC 6749 section 2.2). */
  readonly clientId: string;
  /** For people. */
  readonly name: string;
  /** How it authenticates to the issuer. */
  readonly authMethod: ClientAuthMethod;
  /** SHA-256 of its secrets, base64url, the newest last: two while they are being rotated. Default none. */
  readonly secretHashes?: readonly string[];
  /** Its public keys (RFC 7517), for `private_key_jwt`. Each has a `kid` and an `alg`. */
  readonly jwks?: { readonly keys: readonly object[] };
  /** Whether it may introspect tokens of other clients (RFC 7662). Default false. */
  readonly mayIntrospect?: boolean;
  /** The scopes that it may request, space-separated. Absent: all of the subject's. */
  readonly scope?: string;
  /** The audiences that its tokens may have. Absent: those that the host declares, or the login names. */
  readonly audience?: readonly string[];
  /** Its lifetimes and what it may do. Default: the defaults of the issuer. */
  readonly policy?: ClientPolicy;
  /** Whether the client may neither log in nor refresh. Its access tokens remain valid: cut them off by `client_id`. Default false. */
  readonly disabled?: boolean;
}

/** A service that takes access tokens (RFC 6749 section 1.1), as the host declares it. */
export interface ResourceServer {
  /** Its name in `aud`, which clients request by `resource` (RFC 8707). */
  readonly audience: string;
  /**
   * Scopes that only this resource server takes: names, or prefixes followed by `*` such as `admin:*`. With them a token
   * for it has no other audience and no other scope, and no other token has these. Absent: it shares tokens with others.
   */
  readonly ownScopes?: readonly string[];
}

/** What came with a request. */
export type ClientProof =
  | { readonly method: 'none'; readonly clientId: string }
  | {
      readonly method: 'client_secret_basic' | 'client_secret_post';
      readonly clientId: string;
      readonly secret: string;
    }
  | {
      readonly method: 'private_key_jwt';
      /**
       * RFC 7523 section 3: `iss` and `sub` the client, `aud` the issuer alone (draft-ietf-oauth-rfc7523bis section 4), a `jti` that
       * is accepted once, an `exp` within five minutes, a `kid` in the header.
       */
      readonly assertion: string;
      /** `client_id` where the request has it, too; another than the assertion's is refused. */
      readonly clientId?: string;
    };

/** Which clients there are: as committed, or, inside a transaction, with what it has changed. */
interface ClientDirectory {
  find(clientId: string): Promise<RegisteredClient | undefined>;
  /** By their id. Those of the options are among them. */
  list(): Promise<RegisteredClient[]>;
}

/** What an administrator does with clients, inside a transaction. */
export interface ClientRegistrations extends ClientDirectory {
  /** Registers it, or replaces what is registered. @throws TypeError for what cannot be a client */
  put(client: Client): Promise<void>;
  /**
   * Returns whether there was one. Its sessions cannot refresh any more; to end them, cut off by `client_id`. A client of the options is
   * then in effect as configured: disable it instead.
   */
  remove(clientId: string): Promise<boolean>;
  /**
   * Makes a secret and returns it, once. The newest two are valid; to drop the older, `put` with the newest hash alone.
   * @throws RescindError `client_unknown`
   * @throws TypeError when it is a client that can have none
   */
  addSecret(clientId: string): Promise<string>;
}

export interface IssuerClients extends ClientDirectory {
  /**
   * Replaces the clients of the option `clients`, for as long as the issuer is open: for a host whose configuration is
   * read again. A removed client gets no further tokens; its sessions are not ended. @throws TypeError for what cannot be a client
   */
  replaceConfigured(clients: readonly Client[]): void;
  /**
   * Authenticates the client that sent this. Takes as long whatever is wrong; an assertion is accepted once, also across restarts.
   * @throws RescindError `client_invalid`
   */
  authenticate(proof: ClientProof): Promise<RegisteredClient>;
}

/** A client with everything that may be left out filled in. */
export interface RegisteredClient extends Client {
  /** Empty: it has no secret. */
  readonly secretHashes: readonly string[];
  /** False by default. */
  readonly mayIntrospect: boolean;
  /** An empty object by default. */
  readonly policy: ClientPolicy;
  /** False by default. */
  readonly disabled: boolean;
}
