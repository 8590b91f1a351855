import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Signer, SigningKey, ThreadSigner } from '@rescind/token/signing';
import { createSigner, createThreadSigner } from '@rescind/token/signing';
import { deadline } from '../clients/requirements.ts';
import type { IssuerContext } from '../context.ts';
import type { SubjectRecord } from '../issuer.ts';
import type { AccessAnswer } from '../issuer-sessions.ts';
import type { Rotation, Session } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import type { Audience } from './audience.ts';
import type { Grant } from './grant.ts';
import { createId } from './refresh-token.ts';

export const ACCESS_TOKEN_TYPE = 'at+jwt';

/** Claims that the issuer writes; the host must not. `scope` is the host's, narrowed to the requested one. */
const OUR_CLAIMS = [
  ...['iss', 'sub', 'aud', 'client_id', 'jti', 'sid', 'iat', 'iat_ms', 'exp', 'nbf', 'auth_time', 'amr', 'acr', 'kid'],
] as const;

/** The longest token that verifiers parse: with a longer one, the login must fail, not each request to a service. */
const MAX_TOKEN_BYTES = 8_192;
/** The bytes of header, dots, and the signature of an RSA key of 2048 bits. */
const BESIDE_CLAIMS_BYTES = 512;

/** An access token that lacks its signature only. */
interface MintedToken {
  readonly claims: Readonly<Record<string, unknown>>;
  readonly key: SigningKey;
  readonly expiresAt: EpochMillis;
  readonly lifeSeconds: number;
}

interface MintInput {
  readonly issuer: string;
  readonly key: SigningKey;
  readonly session: Session;
  readonly subject: SubjectRecord;
  readonly audience: Audience;
  readonly scope: readonly string[];
  readonly jti: string;
  /** The issuer's time, taken in this transaction. */
  readonly at: EpochMillis;
  /** The latest permitted expiry: the end of the session. */
  readonly until: EpochMillis;
  /** Whether the token is of the client itself: then no user has authenticated (RFC 9068 section 2.2.1). */
  readonly isOfClient: boolean;
}

/** An access token (RFC 9068). It never outlives its session. */
function mintAccessToken(input: MintInput): MintedToken {
  const { issuer, key, session, subject, audience, scope, jti, at, until, isOfClient } = input;
  const iat = Math.floor(at / 1000);
  const exp = Math.floor(until / 1000);
  const { amr, acr } = session;
  const claims = {
    ...hostClaims(subject),
    iss: issuer,
    sub: session.sub,
    aud: audience,
    client_id: session.clientId,
    scope: scope.join(' '),
    jti,
    sid: session.sid,
    iat,
    // Cut-offs are by the millisecond; a verifier that knows only `iat` errs on the strict side.
    iat_ms: at,
    exp,
    ...(isOfClient ? {} : { auth_time: Math.floor(session.authTime / 1000) }),
    ...(amr.length > 0 ? { amr } : {}),
    ...(acr === null ? {} : { acr }),
  };
  requireSize(claims);
  return { claims, key, expiresAt: exp * 1000, lifeSeconds: exp - iat };
}

function requireSize(claims: object): void {
  const bytes = Math.ceil((Buffer.byteLength(JSON.stringify(claims)) * 4) / 3) + BESIDE_CLAIMS_BYTES;
  if (bytes <= MAX_TOKEN_BYTES) return;
  throw new TypeError(`the subject's claims make a token of ${bytes} bytes; verifiers take ${MAX_TOKEN_BYTES}`);
}

function hostClaims({ claims }: SubjectRecord): Record<string, unknown> {
  const ours = OUR_CLAIMS.filter((name) => Object.hasOwn(claims, name));
  if (ours.length > 0)
    throw new TypeError(`subject(): claims must not name ${ours.join(', ')}: the issuer writes them`);
  if (claims.scope !== undefined && typeof claims.scope !== 'string') {
    throw new TypeError('subject(): claims.scope must be a space-separated string');
  }
  return { ...claims };
}

interface AnswerInput extends Omit<Grant, 'client'> {
  readonly audience: Audience;
  readonly scope: readonly string[];
  /** The scope that it was narrowed to; null: it was not narrowed. */
  readonly narrowedTo: string | null;
  readonly at: EpochMillis;
  /** The exchange of the refresh token of the session. */
  readonly rotation?: Rotation;
  /** Set for a retry: the `jti` and `exp` of the token whose response was lost. */
  readonly again?: { readonly jti: string; readonly expiresAt: EpochMillis };
  /** Whether the token is of the client itself. Default false. */
  readonly isOfClient?: boolean;
}

/** Mints an access token, and stores its `exp`: cut-offs are kept until the greatest one. */
export async function answerAccess(
  { policy: { issuer }, tokenKeys }: IssuerContext,
  tx: Transaction,
  answering: AnswerInput,
): Promise<Unsigned<AccessAnswer>> {
  const { sessions, keys } = tx.store;
  const { session, subject, policy, audience, scope, narrowedTo, at, rotation, again, isOfClient = false } = answering;
  const jti = again?.jti ?? createId();
  const token = mintAccessToken({
    issuer,
    key: tokenKeys.requireSigning(await keys.active('token')),
    session,
    subject,
    audience,
    scope,
    jti,
    at,
    until: Math.min(again?.expiresAt ?? at + policy.accessTokenTtlMs, session.absoluteExpiresAt),
    isOfClient,
  });
  const { expiresAt, lifeSeconds } = token;
  const minted = {
    sid: session.sid,
    at,
    idleExpiresAt: deadline(at, policy.refreshIdleTtlMs),
    jti,
    exp: expiresAt,
    scope: narrowedTo,
  };
  if (rotation === undefined) await sessions.mint(minted);
  // A concurrent request exchanged the token first: this transaction is rolled back.
  else if (!(await sessions.rotate(minted, rotation))) throw new RescindError('grant_invalid');
  return {
    token,
    rest: {
      token_type: 'Bearer',
      expires_in: lifeSeconds,
      refresh_in: Math.ceil(lifeSeconds / 2),
      scope: scope.join(' '),
      sid: session.sid,
    },
  };
}

/** A token response whose access token is not signed yet. */
export interface Unsigned<T extends AccessAnswer> {
  readonly token: MintedToken;
  readonly rest: Omit<T, 'access_token'>;
}

interface Signers {
  readonly now: Signer;
  readonly soon: ThreadSigner;
}

const signers = new WeakMap<SigningKey, Signers>();

function signersOf(key: SigningKey): Signers {
  const known = signers.get(key);
  if (known !== undefined) return known;
  const options = { typ: ACCESS_TOKEN_TYPE };
  const created = { now: createSigner(key, options), soon: createThreadSigner(key, options) };
  signers.set(key, created);
  return created;
}

/** Signs inside the transaction, for responses that the transaction returns. */
export function signNow<T extends AccessAnswer>({ token, rest }: Unsigned<T>): T {
  return { access_token: signersOf(token.key).now(token.claims), ...rest } as T;
}

/** Signs in threads. */
export interface ThreadSigning {
  /**
   * Signs after the commit. The transaction has set the claims, its time included, so a cut-off in between denies the token.
   * The event loop is not blocked meanwhile.
   */
  sign<T extends AccessAnswer>(unsigned: Unsigned<T>): Promise<T>;
  /** Calls back, in a separate turn of the event loop, once few signatures are pending: an earlier transaction would only wait for them. */
  whenFewAreLeft(then: () => void): void;
}

/** Twice the number of threads of libuv, so that none is idle during a commit. */
const FEW_SIGNATURES = 8;

export function createThreadSigning(): ThreadSigning {
  let left = 0;
  let waiting: (() => void)[] = [];

  function release(): void {
    if (left > FEW_SIGNATURES) return;
    for (const then of waiting) setImmediate(then);
    waiting = [];
  }

  return {
    async sign<T extends AccessAnswer>({ token, rest }: Unsigned<T>): Promise<T> {
      left += 1;
      try {
        return { access_token: await signersOf(token.key).soon(token.claims), ...rest } as T;
      } finally {
        left -= 1;
        release();
      }
    },
    whenFewAreLeft(then) {
      waiting.push(then);
      release();
    },
  };
}
