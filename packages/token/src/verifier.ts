import type { KeyObject } from 'node:crypto';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { NotBeforeTolerances, RequiredClaim } from './claims.ts';
import {
  exactClaims,
  requireAbsent,
  requireAudience,
  requireClaims,
  requireExact,
  requireIssuer,
  requireNoExpiry,
  requireStarted,
  requireUnexpired,
} from './claims.ts';
import type { CompactJwsParts, JoseHeader, ParsedHeader } from './compact-jws.ts';
import { DEFAULT_MAX_TOKEN_BYTES, parseHeader, parseParts } from './compact-jws.ts';
import type { Algorithm } from './jwk.ts';
import { ALGORITHMS } from './jwk.ts';
import type { KeySet } from './key-set.ts';
import { isSignedBy, signingInput } from './signature.ts';

/** A token whose signature, issuer, audience and times are valid. Its revocation has not been checked. */
export interface VerifiedToken {
  /** Its JOSE header. */
  readonly header: JoseHeader;
  /** Its claims, of which only those that a verifier requires have been checked. */
  readonly payload: Readonly<Record<string, unknown>>;
  /** Its compact serialization. */
  readonly token: string;
  /** Names of claims with a number that JSON parsers read differently: see `CompactJws`. Absent: there is none. */
  readonly inexact?: readonly string[];
}

/** The options of `createVerifier`. */
export interface VerifierOptions {
  /** The keys of this issuer for this kind of token. */
  readonly keys: Pick<KeySet, 'find'>;
  /** The required `iss`, compared character by character (RFC 8725 section 3.8). */
  readonly issuer: string;
  /** `aud` must contain this, or one of these (RFC 8725 section 3.9). `null`: `aud` is not checked; an omission is an error. */
  readonly audience: string | readonly string[] | null;
  /** The claim that is compared with `audience` in a token without `aud`. Default: none, and such a token is refused. */
  readonly audienceClaim?: string | undefined;
  /** Accepted values of `typ`, compared without case and without a leading `application/` (RFC 8725 section 3.11). */
  readonly typ: readonly string[];
  /** Whether tokens without `typ` are accepted: for kinds that other kinds cannot be confused with. Default false. */
  readonly typMayBeAbsent?: boolean;
  /** Whether a token without `kid` is accepted if exactly one key of the set fits its algorithm. Default false. */
  readonly kidMayBeAbsent?: boolean;
  /** Accepted algorithms. Default `RS256` and `ES256`. The key set binds each key to its algorithms; the token does not choose. */
  readonly algorithms?: readonly Algorithm[];
  /**
   * Claims required as non-empty text or as a number; of a list, one of them, which may also be a list. Default none. `iss` and `iat` are
   * always required. Claims that identify something are refused as a number that JSON parsers read differently.
   */
  readonly requiredClaims?: readonly RequiredClaim[];
  /** Claims that are refused, since only other kinds of token have them. Default none. */
  readonly absentClaims?: readonly string[];
  /**
   * `required` (default): `exp` is required and enforced. `absent`: `exp` is refused, for kinds of token that have none, such as
   * security event tokens (RFC 8417 section 2.2).
   */
  readonly expires?: 'required' | 'absent';
  /**
   * Whether `iat` is required. `optional` is for kinds of token that are not compared with cut-offs, such as client assertions
   * (RFC 7523 section 3); a present `iat` is checked. Default `required`.
   */
  readonly issuedAt?: 'required' | 'optional';
  /** How far `iat` and `nbf` may be after `at`, in ms; 0 to 60 000, default 60 000. */
  readonly toleranceMs?: DurationMs;
  /** The same for `iat` alone: at most the tolerance of cut-offs by time. Default `toleranceMs`. */
  readonly iatToleranceMs?: DurationMs;
  /** How long after `exp` a token is accepted, in ms; 0 to 60 000, default 0. */
  readonly expiryToleranceMs?: DurationMs;
  /** Longest token that is parsed, in bytes. Default 8 192. */
  readonly maxBytes?: number;
}

/** Verifies tokens of one issuer and one kind. */
export interface Verifier {
  /**
   * Verifies one token. It is synchronous, fetches nothing, and reads no clock.
   *
   * @param at the time to compare with, in ms since 1970. For tokens without `exp`, `Number.MAX_SAFE_INTEGER` disables the comparison.
   * @throws RescindError `token_malformed`, `token_type_wrong`, `token_key_unknown`, `token_signature_wrong`,
   *   `token_issuer_unknown`, `token_audience_wrong`, `token_claim_wrong`, `token_expired`, `token_not_yet_valid`
   * @throws TypeError when `at` is not a finite number
   */
  verify(text: string, at: EpochMillis): VerifiedToken;
  /**
   * Verifies everything but the signature of a text that `verify` has accepted. The caller must have compared the whole text: any
   * other text would be accepted unsigned.
   *
   * @param signedBy the key that `verify` verified the signature with
   * @returns undefined when the token's key has changed
   * @throws as `verify`, except for a wrong signature
   */
  verifyAgain(text: string, at: EpochMillis, signedBy: KeyObject): VerifiedToken | undefined;
}

/** The checked options, with defaults. */
type Profile = Required<
  Omit<VerifierOptions, 'audience' | 'audienceClaim' | 'typ' | 'algorithms' | 'toleranceMs' | 'iatToleranceMs'>
> & {
  readonly audiences: readonly string[] | null;
  readonly audienceClaim: string | undefined;
  readonly exactClaims: ReadonlySet<string>;
  readonly tolerances: NotBeforeTolerances;
  readonly types: ReadonlySet<string>;
  readonly algorithms: ReadonlySet<string>;
};

/**
 * Creates a verifier of one kind of token of one issuer.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verification = createVerification(options);
  return {
    verify: (text, at) => verifyWith(verification, text, at),
    verifyAgain(text, at, signedBy) {
      const token = verification.parseParts(text);
      return isSameKey(verification.findKey(token.header), signedBy) ? verification.finish(token, at) : undefined;
    },
  };
}

/** Verifies as `Verifier.verify` does. */
export function verifyWith(verification: Verification, text: string, at: EpochMillis): VerifiedToken {
  const token = verification.parseParts(text);
  const key = verification.findKey(token.header);
  const isSigned = isSignedBy(key, token.header.alg as Algorithm, signingInput(token), token.signature);
  if (!isSigned) throw new RescindError('token_signature_wrong');
  return verification.finish(token, at);
}

/** Compares keys by content: a newly fetched set has other objects for the same keys. */
export function isSameKey(key: KeyObject, other: KeyObject): boolean {
  return key === other || key.equals(other);
}

/** The steps before and after the signature, in order. Each throws RescindError as `verify` does. */
export interface Verification {
  parseParts(text: string): CompactJwsParts;
  /** Parses the header only. */
  parseHeader(text: string): ParsedHeader;
  findKey(header: JoseHeader): KeyObject;
  /** @throws TypeError when `at` is not a finite number */
  finish(token: CompactJwsParts, at: EpochMillis): VerifiedToken;
}

/** @throws TypeError for an option that is missing or out of its range */
export function createVerification(options: VerifierOptions): Verification {
  const profile = toProfile(options);
  return {
    parseParts: (text) => parseParts(text, profile),
    parseHeader: (text) => parseHeader(text, profile),
    findKey: (header) => findKey(header, profile),
    finish({ text, header, payload, inexact }, at) {
      if (!Number.isFinite(at)) throw new TypeError(`at must be a finite number of milliseconds, got ${at}`);
      checkClaims(payload, at, profile);
      if (inexact === undefined) return { header, payload, token: text };
      requireExact(inexact, profile.exactClaims);
      return { header, payload, token: text, inexact };
    },
  };
}

/** Finds the key before the signature is computed. A key in a header (`jwk`, `jku`, `x5u`, `x5c`) is never used. */
function findKey(header: JoseHeader, profile: Profile): KeyObject {
  if (!profile.algorithms.has(header.alg)) {
    throw new RescindError('token_signature_wrong', { detail: 'alg is not one of those allowed' });
  }
  // Unsupported extensions must be refused, and none is supported (RFC 7515 section 4.1.11, RFC 7797, RFC 7516).
  for (const name of ['crit', 'b64', 'zip']) {
    if (Object.hasOwn(header, name))
      throw new RescindError('token_malformed', { detail: `header: ${name} is present` });
  }
  if (!isType(header.typ, profile)) throw new RescindError('token_type_wrong');
  const { kid, alg } = header;
  const isNamed = kid !== undefined || (profile.kidMayBeAbsent && !namesForeignKey(header));
  const key = isNamed ? profile.keys.find(kid, alg) : undefined;
  if (key === undefined) throw new RescindError('token_key_unknown');
  if (key.type !== 'public') throw new TypeError('keys.find must return public keys');
  return key;
}

/** Whether the header refers to a key by other members than `kid`: then it is not one of the set (RFC 7515 section 4.1). */
function namesForeignKey(header: JoseHeader): boolean {
  return ['jwk', 'jku', 'x5u', 'x5c'].some((name) => Object.hasOwn(header, name));
}

function checkClaims(claims: Readonly<Record<string, unknown>>, at: EpochMillis, profile: Profile): void {
  requireIssuer(claims, profile.issuer);
  if (profile.audiences !== null) requireAudience(claims, profile.audiences, profile.audienceClaim);
  if (profile.expires === 'absent') requireNoExpiry(claims);
  else requireUnexpired(claims, at, profile.expiryToleranceMs);
  requireStarted(claims, at, profile.tolerances, profile.issuedAt);
  requireClaims(claims, profile.requiredClaims);
  requireAbsent(claims, profile.absentClaims);
}

function isType(typ: string | undefined, { types, typMayBeAbsent }: Profile): boolean {
  return typ === undefined ? typMayBeAbsent : types.has(typ) || types.has(normalizedType(typ));
}

/** RFC 7515 section 4.1.9: `application/` is optional, and media types are compared without case. */
function normalizedType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

/** Greatest tolerance: the denylist purges rows 60 s after the `exp` of their last token. */
const tolerance = option.duration({ min: 0, max: CLOCK_TOLERANCE_MS });

/** The checks of a verifier's options. */
export const verifierShape: OptionShape<VerifierOptions> = {
  keys: required(option.having<Pick<KeySet, 'find'>>('a key set', 'find')),
  issuer: required(option.text('the required iss')),
  audience: required(
    option.either(null, option.oneOrList(option.text('text or a list of text, or null if aud is not checked'))),
  ),
  typ: required(option.list(option.text('a type such as at+jwt'))),
  typMayBeAbsent: option.flag(),
  kidMayBeAbsent: option.flag(),
  algorithms: option.list(option.oneOf(...ALGORITHMS)),
  audienceClaim: option.text(),
  requiredClaims: option.list(option.oneOrList(option.text()), { min: 0 }),
  absentClaims: option.list(option.text(), { min: 0 }),
  expires: option.oneOf('required', 'absent'),
  issuedAt: option.oneOf('required', 'optional'),
  toleranceMs: tolerance,
  iatToleranceMs: tolerance,
  expiryToleranceMs: tolerance,
  maxBytes: option.count({ min: 1 }),
};

const verifierOptions = optionsOf<VerifierOptions>('createVerifier', verifierShape);

function toProfile(given: VerifierOptions): Profile {
  const options = verifierOptions(given);
  const {
    keys,
    issuer,
    audience,
    typ,
    typMayBeAbsent = false,
    kidMayBeAbsent = false,
    expires = 'required',
    requiredClaims = [],
    absentClaims = [],
  } = options;
  const { issuedAt = 'required', algorithms = ['RS256', 'ES256'], maxBytes = DEFAULT_MAX_TOKEN_BYTES } = options;
  const { toleranceMs = CLOCK_TOLERANCE_MS, iatToleranceMs = toleranceMs, expiryToleranceMs = 0 } = options;
  return {
    keys,
    issuer,
    audiences: typeof audience === 'string' ? [audience] : audience,
    types: new Set(typ.map(normalizedType)),
    typMayBeAbsent,
    kidMayBeAbsent,
    algorithms: new Set(algorithms),
    requiredClaims,
    absentClaims,
    audienceClaim: options.audienceClaim,
    exactClaims: exactClaims(requiredClaims),
    expires,
    issuedAt,
    maxBytes,
    tolerances: { iat: iatToleranceMs, nbf: toleranceMs },
    expiryToleranceMs,
  };
}
