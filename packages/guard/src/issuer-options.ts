import type { DurationMs } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { OptionCheck, OptionShape } from '@rescind/revocation/options';
import { option, optionError, required } from '@rescind/revocation/options';
import type { Algorithm, RequiredClaim } from '@rescind/token';
import { ALGORITHMS } from '@rescind/token';
import type { IntrospectionOptions, IntrospectionSettings } from './introspection/options.ts';
import { introspectionOptions, toIntrospectionSettings } from './introspection/options.ts';

/** A value of a claim that a configuration can contain. */
export type ClaimValue = string | number | boolean;

/** An issuer whose tokens the guard accepts, and their form: its profile. */
export interface IssuerOptions {
  /** The `iss` of its tokens. An http(s) URL (RFC 8414 section 2). */
  readonly issuer: string;
  /** The value that `aud` must contain, or several of which it must contain one (RFC 9068 section 4). */
  readonly audience: string | readonly string[];
  /** The address of the issuer, if it is not `issuer`. Default: `issuer`. */
  readonly issuerUrl?: string | undefined;
  /**
   * The address of the keys of access tokens. Default: the one in its metadata (RFC 8414, or OpenID Connect Discovery), else
   * `{issuerUrl}/.well-known/jwks.json`.
   */
  readonly jwksUrl?: string | undefined;
  /**
   * `log` (default): the guard's log has the revocations of its tokens. `none`: the issuer has no log, and the guard accepts its
   * tokens until they expire.
   */
  readonly revocation?: 'log' | 'none' | undefined;

  /**
   * The accepted values of the header's `typ`. Default `at+jwt` (RFC 9068 section 2.1). `null`, for an issuer that writes none: accepts
   * a token without it, and `JWT` and `at+jwt`. Then `claimValues` or `absentClaims` must distinguish its access tokens from its
   * other tokens.
   */
  readonly typ?: readonly string[] | null | undefined;
  /**
   * The accepted algorithms. Default `RS256` and `ES256`. A key verifies the one algorithm that it names; one that names none verifies all
   * of these that fit its type and curve (RFC 7517 section 4.4).
   */
  readonly algorithms?: readonly Algorithm[] | undefined;
  /** The claim that the guard compares with `audience` if a token has no `aud`. Default none: it refuses such a token. */
  readonly audienceClaim?: string | undefined;
  /**
   * Claims that a token must have as text or a number, in addition to `iss`, `aud`, `exp` and `iat`. Of a list it must have one, whose
   * value may be a list such as `permissions`. Default `sub`, `jti` and `client_id` (RFC 9068).
   */
  readonly requiredClaims?: readonly RequiredClaim[] | undefined;
  /** Claims that its other tokens have and its access tokens do not have, such as `nonce` of an ID token. Default none. */
  readonly absentClaims?: readonly string[] | undefined;
  /** Claims that must have exactly this value, such as Keycloak's `typ: 'Bearer'`, which an ID token does not have. Default: none. */
  readonly claimValues?: Readonly<Record<string, ClaimValue>> | undefined;
  /** The names that this issuer uses, by the name in cut-offs: `{ client_id: 'azp' }`. Default: the same names. */
  readonly claimNames?: Readonly<Record<string, string | readonly string[]>> | undefined;
  /**
   * How far its clock may be ahead of the log's, in ms, 0 to 60 000. A cut-off by time also denies tokens that it issued up to that
   * much later, and the guard refuses an `iat` further ahead. Default 1 000; 0 for the issuer that writes the log, whose `iat` may be
   * ahead of this machine's clock by 60 000. For an issuer with `revocation: 'none'` the default also permits an `iat` 60 000 ahead,
   * since no cut-off is compared with it.
   */
  readonly skewMs?: DurationMs | undefined;
  /** The longest accepted token, in bytes. Default 8 192. */
  readonly maxTokenBytes?: number | undefined;
  /** How the guard introspects its tokens, for routes that require it (RFC 7662). Default: not at all. */
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
  /** How far `iat` may be ahead, in ms. */
  readonly iatToleranceMs: DurationMs;
  readonly maxTokenBytes: number;
  readonly introspection: IntrospectionSettings | undefined;
}

const MAX_TOKEN_BYTES = 8_192;
/** A second in each direction: the clocks of both machines are set by time servers, with some delay. */
export const FOREIGN_SKEW_MS: DurationMs = 1_000;
/** Types that do not exclude an access token (RFC 7519 section 5.1, RFC 9068 section 2.1). */
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
  skewMs: option.duration({ min: 0, max: CLOCK_TOLERANCE_MS }),
  maxTokenBytes: option.count({ min: 1 }),
  introspection: introspectionOptions,
};

/**
 * @param options checked
 * @param isOwn whether it is the first issuer of a guard, which writes the log if there is one
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

/** @throws TypeError if the options would also accept an ID token of the same issuer and key */
function requireDistinguishable({ typ, claimValues, absentClaims }: IssuerOptions): void {
  if (typ !== null || claimValues !== undefined || absentClaims !== undefined) return;
  throw new TypeError(
    'typ must be a list of types, or null beside claimValues or absentClaims that tell access tokens from ID tokens',
  );
}
