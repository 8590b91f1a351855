import type { KeyObject } from 'node:crypto';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { OptionShape } from '@rescind/revocation/options';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { Algorithm } from './algorithm.ts';
import { ALGORITHMS } from './algorithm.ts';
import type { BegunTolerances, RequiredClaim } from './claims.ts';
import {
  exactClaims,
  requireAbsent,
  requireAudience,
  requireBegun,
  requireClaims,
  requireExact,
  requireIssuer,
  requireNoExpiry,
  requireUnexpired,
} from './claims.ts';
import type { CompactJwsParts, JoseHeader, ParsedHeader } from './compact-jws.ts';
import { DEFAULT_MAX_TOKEN_BYTES, parseHeader, parseParts } from './compact-jws.ts';
import type { KeySet } from './key-set.ts';
import { isSignedBy, signedText } from './signature.ts';

/** A token whose signature, issuer, audience and times are good. Whether it has been revoked is another question. */
export interface VerifiedToken {
  readonly header: JoseHeader;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Its text. */
  readonly token: string;
  /** Claims with a number that readers of JSON disagree about: see `CompactJws`. Absent: none. */
  readonly inexact?: readonly string[];
}

export interface VerifierOptions {
  /** The keys of this issuer for this kind of token, and of nobody and nothing else. */
  readonly keys: Pick<KeySet, 'find'>;
  /** What `iss` must be, character for character (RFC 8725 section 3.8). */
  readonly issuer: string;
  /** `aud` must contain this, or one of these (RFC 8725 section 3.9). `null` says that `aud` is not looked at. */
  readonly audience: string | readonly string[] | null;
  /** The claim that is compared with it where a token has no `aud`. Default none: such a token is refused. */
  readonly audienceClaim?: string | undefined;
  /** Values of `typ` that are taken, without regard to case and to a leading `application/` (RFC 8725 section 3.11). */
  readonly typ: readonly string[];
  /** Whether a token without `typ` is taken, too: of kinds that nothing else can be mistaken for. Default false. */
  readonly typMayBeAbsent?: boolean;
  /** Whether a token without `kid` is taken, if exactly one key of the set suits its algorithm. Default false. */
  readonly kidMayBeAbsent?: boolean;
  /** Default `RS256` and `ES256`. Which of them a key is for, the key set says, never the token. */
  readonly algorithms?: readonly Algorithm[];
  /**
   * Claims that must be there as text that is not empty or as a number; of a list, one of them, which may be a list. Default none. `iss` and `iat`
   * always must. What identifies something, required or not, is refused as a number that readers of JSON disagree about.
   */
  readonly requiredClaims?: readonly RequiredClaim[];
  /** Claims that must not be there, since only other kinds of token have them. Default none. */
  readonly absentClaims?: readonly string[];
  /**
   * `required` (default): `exp` must be there and is enforced. `absent`: for kinds of token that have none, such as
   * security event tokens (RFC 8417 section 2.2); one that has it is refused.
   */
  readonly expires?: 'required' | 'absent';
  /**
   * Whether `iat` must be there. `optional` is for kinds of token that are compared with no cut-off, such as client assertions
   * (RFC 7523 section 3); an `iat` that is there is checked all the same. Default `required`.
   */
  readonly issuedAt?: 'required' | 'optional';
  /** How far ahead of `at` an `iat` or `nbf` may be, in ms; 0 to 60 000, default 60 000. */
  readonly toleranceMs?: DurationMs;
  /** The same of `iat` alone: no more than cut-offs by time allow for. Default `toleranceMs`. */
  readonly iatToleranceMs?: DurationMs;
  /** How long after `exp` a token is still taken, in ms; 0 to 60 000, default 0. */
  readonly expiryToleranceMs?: DurationMs;
  /** Longest token that is looked into, in bytes. Default 8 192. */
  readonly maxBytes?: number;
  /**
   * Whether `Verifier.verify` takes a signature for good without computing it when a verifier of this process, with this option, has
   * lately found the same text signed by the same key. For texts that several readers of one process get, such as events. Default false.
   */
  readonly sharesSignatures?: boolean;
}

export interface Verifier {
  /**
   * Verifies one token. Synchronous; fetches nothing, and asks no clock.
   *
   * @param at the time to compare with, in ms. For tokens without `exp` `Number.MAX_SAFE_INTEGER` compares with no time.
   * @throws RescindError `token_malformed`, `token_type_wrong`, `token_key_unknown`, `token_signature_wrong`,
   *   `token_issuer_unknown`, `token_audience_wrong`, `token_claim_wrong`, `token_expired`, `token_not_yet_valid`
   * @throws TypeError when `at` is not a finite number
   */
  verify(text: string, at: EpochMillis): VerifiedToken;
  /**
   * The same for a text that `verify` has found signed: everything but the signature is looked at again. Whose text it was
   * is for the caller to know: to the letter, or anybody gets in.
   *
   * @param signedBy the key that it was found signed by
   * @returns undefined when the token's key is another now
   * @throws as `verify`, apart from `token_signature_wrong` for a signature
   */
  verifyAgain(text: string, at: EpochMillis, signedBy: KeyObject): VerifiedToken | undefined;
}

/** What `options` come to when the defaults are filled in. */
type Profile = Required<
  Omit<
    VerifierOptions,
    'audience' | 'audienceClaim' | 'typ' | 'algorithms' | 'toleranceMs' | 'iatToleranceMs' | 'sharesSignatures'
  >
> & {
  readonly audiences: readonly string[] | null;
  readonly audienceClaim: string | undefined;
  readonly exactClaims: ReadonlySet<string>;
  readonly begun: BegunTolerances;
  readonly types: ReadonlySet<string>;
  readonly algorithms: ReadonlySet<string>;
};

/**
 * Makes a verifier of one kind of token of one issuer.
 *
 * @throws TypeError for an option that is missing or out of its range
 */
export function createVerifier(options: VerifierOptions): Verifier {
  const verification = createVerification(options);
  const isSigned = options.sharesSignatures === true ? isSignedOrShared : isSignedToken;
  return {
    verify: (text, at) => verifyBy(verification, text, at, isSigned),
    verifyAgain(text, at, signedBy) {
      const token = verification.parseParts(text);
      return isSameKey(verification.findKey(token.header), signedBy) ? verification.finish(token, at) : undefined;
    },
  };
}

/** As `Verifier.verify`. */
export function verifyBy(
  verification: Verification,
  text: string,
  at: EpochMillis,
  isSigned = isSignedToken,
): VerifiedToken {
  const token = verification.parseParts(text);
  const key = verification.findKey(token.header);
  if (!isSigned(key, token)) throw new RescindError('token_signature_wrong');
  return verification.finish(token, at);
}

const isSignedToken = (key: KeyObject, token: CompactJwsParts): boolean =>
  isSignedBy(key, token.header.alg as Algorithm, signedText(token), token.signature);

/** Texts found signed lately, each whole, with the key: the signature of another text or by another key is computed. 4 MB at most. */
const foundSigned = new Map<string, KeyObject>();
const MOST_FOUND = 64;

function isSignedOrShared(key: KeyObject, token: CompactJwsParts): boolean {
  const by = foundSigned.get(token.text);
  if (by !== undefined && isSameKey(key, by)) return true;
  if (!isSignedToken(key, token)) return false;
  if (foundSigned.size >= MOST_FOUND) foundSigned.delete(foundSigned.keys().next().value ?? '');
  foundSigned.set(token.text, key);
  return true;
}

/** The same key read again from a newly fetched set is. */
function isSameKey(key: KeyObject, as: KeyObject): boolean {
  return key === as || key.equals(as);
}

/** What comes before the signature, in order, and what comes after it. All of it throws RescindError, as `verify` does. */
export interface Verification {
  parseParts(text: string): CompactJwsParts;
  /** The beginning of that alone. */
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

/** Finds the key before the signature is computed. What a header brings along as a key (`jwk`, `jku`, `x5u`, `x5c`) is never looked at. */
function findKey(header: JoseHeader, profile: Profile): KeyObject {
  if (!profile.algorithms.has(header.alg)) {
    throw new RescindError('token_signature_wrong', { detail: 'alg is not one of those allowed' });
  }
  // RFC 7515 section 4.1.11: extensions that are not understood must be refused, and none is. RFC 7797, RFC 7516.
  for (const name of ['crit', 'b64', 'zip']) {
    if (Object.hasOwn(header, name)) throw new RescindError('token_malformed', { detail: `header: ${name} is there` });
  }
  if (!isType(header.typ, profile)) throw new RescindError('token_type_wrong');
  const { kid, alg } = header;
  const isNamed = kid !== undefined || (profile.kidMayBeAbsent && !bringsItsKey(header));
  const key = isNamed ? profile.keys.find(kid, alg) : undefined;
  if (key === undefined) throw new RescindError('token_key_unknown');
  if (key.type !== 'public') throw new TypeError('keys.find must return public keys');
  return key;
}

/** A token that says by these, and not by `kid`, which key it means does not mean one of the set (RFC 7515 section 4.1). */
function bringsItsKey(header: JoseHeader): boolean {
  return ['jwk', 'jku', 'x5u', 'x5c'].some((name) => Object.hasOwn(header, name));
}

function checkClaims(claims: Readonly<Record<string, unknown>>, at: EpochMillis, profile: Profile): void {
  requireIssuer(claims, profile.issuer);
  if (profile.audiences !== null) requireAudience(claims, profile.audiences, profile.audienceClaim);
  if (profile.expires === 'absent') requireNoExpiry(claims);
  else requireUnexpired(claims, at, profile.expiryToleranceMs);
  requireBegun(claims, at, profile.begun, profile.issuedAt);
  requireClaims(claims, profile.requiredClaims);
  requireAbsent(claims, profile.absentClaims);
}

function isType(typ: string | undefined, { types, typMayBeAbsent }: Profile): boolean {
  return typ === undefined ? typMayBeAbsent : types.has(typ) || types.has(plainType(typ));
}

/** RFC 7515 section 4.1.9: `application/` may be left out, and media types are compared without regard to case. */
function plainType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

/** Rows are purged 60 s after their last token's `exp`: no tolerance may be longer (RFC 8725). */
const tolerance = option.duration({ least: 0, most: CLOCK_TOLERANCE_MS });

/** Each option of a verifier with its check. */
export const verifierShape: OptionShape<VerifierOptions> = {
  keys: required(option.having<Pick<KeySet, 'find'>>('a key set', 'find')),
  issuer: required(option.text('the text that iss is to equal')),
  audience: required(
    option.either(null, option.oneOrList(option.text('text or a list of text, or null if aud is not to be looked at'))),
  ),
  typ: required(option.list(option.text('a type such as at+jwt'))),
  typMayBeAbsent: option.flag(),
  kidMayBeAbsent: option.flag(),
  algorithms: option.list(option.oneOf(...ALGORITHMS)),
  audienceClaim: option.text(),
  requiredClaims: option.list(option.oneOrList(option.text()), { least: 0 }),
  absentClaims: option.list(option.text(), { least: 0 }),
  expires: option.oneOf('required', 'absent'),
  issuedAt: option.oneOf('required', 'optional'),
  toleranceMs: tolerance,
  iatToleranceMs: tolerance,
  expiryToleranceMs: tolerance,
  maxBytes: option.count({ least: 1 }),
  sharesSignatures: option.flag(),
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
    types: new Set(typ.map(plainType)),
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
    begun: { iat: iatToleranceMs, nbf: toleranceMs },
    expiryToleranceMs,
  };
}
