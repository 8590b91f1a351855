import type { DurationMs } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { OptionCheck, OptionShape } from '@rescind/revocation/options';
import { option, optionError, required } from '@rescind/revocation/options';
import type { Algorithm, RequiredClaim } from '@rescind/token';
import { ALGORITHMS } from '@rescind/token';
import type { IntrospectionOptions, IntrospectionSettings } from './introspection/options.ts';
import { introspectionOptions, toIntrospectionSettings } from './introspection/options.ts';

/** A value that a claim can have and a configuration can name. */
export type ClaimValue = string | number | boolean;

/** An issuer whose tokens are taken, and how they look: its profile. */
export interface IssuerOptions {
  /** The `iss` of its tokens. An http(s) URL (RFC 8414 section 2). */
  readonly issuer: string;
  /** What `aud` must contain: this, or one of these (RFC 9068 section 4). */
  readonly audience: string | readonly string[];
  /** Where the issuer is reached, when that is not `issuer`. */
  readonly issuerUrl?: string | undefined;
  /**
   * Where the keys of access tokens are. Default: as its metadata say (RFC 8414, or OpenID Connect Discovery), else
   * `{issuerUrl}/.well-known/jwks.json`.
   */
  readonly jwksUrl?: string | undefined;
  /**
   * `log` (default): the guard's log tells which of its tokens are revoked. `none`: it has no log, and its tokens are taken
   * until they expire; this has to be said.
   */
  readonly revocation?: 'log' | 'none' | undefined;

  /**
   * Values of the header's `typ` that are taken. Default `at+jwt` (RFC 9068 section 2.1). `null`, for an issuer that writes none: a
   * token without it is taken, and `JWT` and `at+jwt`. Claims must then tell its access tokens from its other tokens, by
   * `claimValues` or `absentClaims`.
   */
  readonly typ?: readonly string[] | null | undefined;
  /**
   * Default `RS256` and `ES256`. A key of its set is for the one algorithm that it names; one that names none is for all of these that
   * suit its type and curve (RFC 7517 section 4.4).
   */
  readonly algorithms?: readonly Algorithm[] | undefined;
  /** The claim that is compared with `audience` where a token has no `aud`. Default none: such a token is refused. */
  readonly audienceClaim?: string | undefined;
  /**
   * Beside `iss`, `aud`, `exp` and `iat`, which always must be there, as text or a number. Of a list one at least, which may be a list
   * such as `permissions`. Default `sub`, `jti` and `client_id` (RFC 9068).
   */
  readonly requiredClaims?: readonly RequiredClaim[] | undefined;
  /** Claims that its other tokens have and its access tokens have not, such as `nonce` of an ID token. Default none. */
  readonly absentClaims?: readonly string[] | undefined;
  /** Claims that must have exactly this value, such as Keycloak's `typ: 'Bearer'`, which an ID token has not. */
  readonly claimValues?: Readonly<Record<string, ClaimValue>> | undefined;
  /** By the name that cut-offs use the name that this issuer uses: `{ client_id: 'azp' }`. */
  readonly claimNames?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /**
   * How far its clock may be ahead of that of the log, in ms, 0 to 60 000: a cut-off by time also denies what it issued so
   * much later, and an `iat` further ahead is refused. Default 0 for the issuer that writes the log, whose `iat` may be ahead of
   * this machine's clock by 60 000; 1 000 for others. Of one without a log (`revocation: 'none'`) that gives none, `iat` may
   * be ahead by 60 000, since no cut-off is compared with it.
   */
  readonly skewMs?: DurationMs | undefined;
  /** Longest token that is looked into, in bytes. Default 8 192. */
  readonly maxTokenBytes?: number | undefined;
  /** How it is asked about its tokens, for routes that want it (RFC 7662). Default: not at all. */
  readonly introspection?: IntrospectionOptions | undefined;
}

/** The options with their defaults. */
export interface IssuerSettings {
  readonly issuer: string;
  readonly audience: string | readonly string[];
  readonly issuerUrl: string;
  readonly jwksUrl: string | undefined;
  readonly revocation: 'log' | 'none';
  readonly typ: readonly string[];
  readonly typMayBeAbsent: boolean;
  readonly algorithms: readonly Algorithm[];
  readonly audienceClaim: string | undefined;
  readonly requiredClaims: readonly RequiredClaim[];
  readonly absentClaims: readonly string[];
  readonly claimValues: Readonly<Record<string, ClaimValue>>;
  readonly claimNames: Readonly<Record<string, string | readonly string[]>>;
  readonly skewMs: DurationMs;
  /** How far ahead its `iat` may be, in ms. */
  readonly iatToleranceMs: DurationMs;
  readonly maxTokenBytes: number;
  readonly introspection: IntrospectionSettings | undefined;
}

const MAX_TOKEN_BYTES = 8_192;
/** A second each way: both machines ask a time server, and one of the answers was late. */
export const FOREIGN_SKEW_MS: DurationMs = 1_000;
/** Types that say no more than that it is a JWT (RFC 7519 section 5.1), or that it is what is wanted. */
const ANY_TYPE = ['JWT', 'at+jwt'];

/** The check of a value that a claim must have. */
export const claimValueOption: OptionCheck<ClaimValue> = (value, path) => {
  if (typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return value as ClaimValue;
  throw optionError(path, 'text, a finite number or a boolean', value);
};

/** Each option of an issuer with its check. */
export const issuerShape: OptionShape<IssuerOptions> = {
  issuer: required(option.url()),
  audience: required(option.oneOrList(option.text('the name of this service, or a list of names'))),
  issuerUrl: option.url(),
  jwksUrl: option.url({ query: true }),
  revocation: option.oneOf('log', 'none'),
  typ: option.either(null, option.list(option.text())),
  algorithms: option.list(option.oneOf(...ALGORITHMS)),
  audienceClaim: option.text(),
  requiredClaims: option.list(option.oneOrList(option.text())),
  absentClaims: option.list(option.text()),
  claimValues: option.record(claimValueOption),
  claimNames: option.record(option.oneOrList(option.text())),
  skewMs: option.duration({ least: 0, most: CLOCK_TOLERANCE_MS }),
  maxTokenBytes: option.count({ least: 1 }),
  introspection: introspectionOptions,
};

/**
 * @param options checked
 * @param isOwn whether it is the first issuer of a guard: with a log, it is the one that writes it
 */
export function toIssuerSettings(options: IssuerOptions, isOwn: boolean): IssuerSettings {
  const { issuer, audience, issuerUrl = issuer, revocation = 'log' } = options;
  requireDistinguishable(options);
  const skewMs = options.skewMs ?? (isOwn || revocation === 'none' ? 0 : FOREIGN_SKEW_MS);
  const isComparedWithSkew = isOwn ? skewMs > 0 : options.skewMs !== undefined || revocation === 'log';
  return {
    issuer,
    audience,
    issuerUrl,
    revocation,
    skewMs,
    iatToleranceMs: isComparedWithSkew ? skewMs : CLOCK_TOLERANCE_MS,
    jwksUrl: options.jwksUrl,
    typ: options.typ === null ? ANY_TYPE : (options.typ ?? ['at+jwt']),
    typMayBeAbsent: options.typ === null,
    audienceClaim: options.audienceClaim,
    algorithms: options.algorithms ?? ['RS256', 'ES256'],
    requiredClaims: options.requiredClaims ?? ['sub', 'jti', 'client_id'],
    absentClaims: options.absentClaims ?? [],
    claimValues: options.claimValues ?? {},
    claimNames: options.claimNames ?? {},
    maxTokenBytes: options.maxTokenBytes ?? MAX_TOKEN_BYTES,
    introspection: options.introspection && toIntrospectionSettings(options.introspection, issuerUrl),
  };
}

/** @throws TypeError where an ID token of the same issuer and key would do as well */
function requireDistinguishable({ typ, claimValues, absentClaims }: IssuerOptions): void {
  if (typ !== null || claimValues !== undefined || absentClaims !== undefined) return;
  throw new TypeError(
    'typ must be a list of types, or null beside claimValues or absentClaims that tell access tokens from ID tokens',
  );
}
