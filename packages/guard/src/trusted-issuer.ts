import type { KeyObject } from 'node:crypto';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, RescindError } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { Find, JudgedToken, Verdict } from '@rescind/revocation/judge';
import { filterRows, judge } from '@rescind/revocation/judge';
import type { JoseHeader, KeySource, VerifiedToken } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import type { IndexedToken } from './cache/invalidation-index.ts';
import type { IssuerSettings } from './issuer-options.ts';

/** An issuer whose tokens the guard accepts, with the checks of a token. */
export interface TrustedIssuer {
  readonly settings: IssuerSettings;
  readonly keys: KeySource;
  /** Checks everything but revocation, the view and the requirements of a route. @throws RescindError as `Verifier.verify` does */
  verify(text: string, at: EpochMillis): VerifiedToken;
  /**
   * As `verify`, without the signature, for exactly a text that was verified before.
   * @param signedBy the key that verified its signature
   * @returns undefined if the token's key has changed
   */
  verifyAgain(text: string, at: EpochMillis, signedBy: KeyObject): VerifiedToken | undefined;
  /** Whether a cut-off denies the token. None does if the issuer has no log. */
  judge(token: VerifiedToken): Verdict;
  /** As `judge`, for claims without a signature. @param counts which rows count; default all */
  judgeClaims(claims: Claims, marks: JudgedMarks, counts?: (row: CutOffRow) => boolean): Verdict;
  /** The token with its claims under the names that cut-offs use. */
  toIndexed(token: VerifiedToken): IndexedToken;
  /** The claims for which there are cut-offs. */
  names(): Iterable<string>;
  keyOf(token: VerifiedToken): KeyObject | undefined;
  /** The times between which the token is valid. */
  timesOf(token: VerifiedToken): { readonly from: EpochMillis; readonly until: EpochMillis };
}

/** The claims of a token (RFC 7519 section 4), by name. */
export type Claims = Readonly<Record<string, unknown>>;
/** What the judge reads in addition to the claims. */
export type JudgedMarks = Pick<JudgedToken, 'kid' | 'inexact'>;

const NOTHING: Find = { names: () => [], row: () => undefined };
const ACCEPTED: Verdict = { denied: false };

/** @throws TypeError for settings that no verifier takes */
export function createTrustedIssuer(
  settings: IssuerSettings,
  keys: KeySource,
  denylist: Find | undefined,
): TrustedIssuer {
  const { issuer, skewMs, claimNames } = settings;
  const options = { skewMs };
  const verifier = createTokenVerifier(settings, keys);
  const find = settings.revocation === 'log' && denylist !== undefined ? denylist : NOTHING;
  const renames = Object.keys(claimNames).length > 0;

  const asJudged = (payload: Claims, { kid, inexact }: JudgedMarks): JudgedToken =>
    renames
      ? { kid, payload: withCutOffNames(payload, claimNames), inexact: inexact && renamedToo(inexact, claimNames) }
      : { kid, payload, inexact };
  const judgeBy = (rows: Find, claims: Claims, marks: JudgedMarks) =>
    find === NOTHING ? ACCEPTED : judge(asJudged(claims, marks), rows, options);

  function finish(token: VerifiedToken): VerifiedToken {
    requireBearer(token.payload);
    requireValues(token.payload, settings.claimValues);
    return freeze(token);
  }

  /** Includes the key's own name if the header has none or another one, so a token without `kid` evades no cut-off. */
  function kidsOf({ kid, alg }: JoseHeader): JudgedToken['kid'] {
    const name = keys.nameOf(kid, alg);
    if (name === kid || name === undefined) return kid;
    return kid === undefined ? name : [kid, name];
  }
  const marksOf = ({ header, inexact }: VerifiedToken): JudgedMarks => ({ kid: kidsOf(header), inexact });

  return {
    settings,
    keys,
    verify: (text, at) => finish(verifier.verify(text, at)),
    verifyAgain(text, at, signedBy) {
      const token = verifier.verifyAgain(text, at, signedBy);
      return token === undefined ? undefined : finish(token);
    },
    judge: (token) => judgeBy(find, token.payload, marksOf(token)),
    judgeClaims: (claims, marks, counts) =>
      judgeBy(counts === undefined ? find : filterRows(find, counts), claims, marks),
    toIndexed: (token) => ({ iss: issuer, ...asJudged(token.payload, marksOf(token)) }),
    names: () => find.names(issuer),
    keyOf: ({ header: { kid, alg } }) => keys.find(kid, alg),
    timesOf: ({ payload }) => timesOf(payload, settings.iatToleranceMs),
  };
}

/** @throws TypeError for settings that no verifier takes */
export function createTokenVerifier(settings: IssuerSettings, keys: Pick<KeySource, 'find'>) {
  return createVerifier({
    keys,
    issuer: settings.issuer,
    audience: settings.audience,
    audienceClaim: settings.audienceClaim,
    typ: settings.typ,
    typMayBeAbsent: settings.typMayBeAbsent,
    algorithms: settings.algorithms,
    // An issuer with one key may omit its name (RFC 7515 section 4.1.4).
    kidMayBeAbsent: true,
    iatToleranceMs: settings.iatToleranceMs,
    requiredClaims: settings.requiredClaims,
    absentClaims: settings.absentClaims,
    maxBytes: settings.maxTokenBytes,
  });
}

/**
 * Cut-offs use the name `client_id`, and some issuers write `azp`. The judge gets the values of both, so that a claim under
 * either name is compared.
 */
function withCutOffNames(claims: Claims, names: IssuerSettings['claimNames']): Claims {
  const added = Object.entries(names)
    .map(([ours, theirs]) => [ours, [theirs].flat().filter((name) => Object.hasOwn(claims, name))] as const)
    .filter(([, theirs]) => theirs.length > 0)
    .map(([ours, theirs]) => [ours, [ours, ...theirs].flatMap((name) => valuesOf(claims, name))]);
  return added.length === 0 ? claims : { ...claims, ...Object.fromEntries(added) };
}

/** The names of claims whose numbers are inexact, under the names that cut-offs use too. */
function renamedToo(inexact: readonly string[], names: IssuerSettings['claimNames']): readonly string[] {
  const ours = Object.entries(names).filter(([, theirs]) => [theirs].flat().some((name) => inexact.includes(name)));
  return [...inexact, ...ours.map(([name]) => name)];
}

function valuesOf(claims: Claims, name: string): unknown[] {
  if (!Object.hasOwn(claims, name)) return [];
  const value = claims[name];
  return Array.isArray(value) ? value : [value];
}

/**
 * RFC 7800 section 3.1: a client that presents a token with `cnf` must prove possession of a key (DPoP, RFC 9449; mutual TLS, RFC
 * 8705). The guard verifies no such proof, and without it a stolen token would pass.
 */
function requireBearer(claims: Claims): void {
  if (Object.hasOwn(claims, 'cnf')) throw new RescindError('token_sender_constrained');
}

function requireValues(claims: Claims, values: Claims): void {
  for (const name in values) {
    if (Object.hasOwn(claims, name) && claims[name] === values[name]) continue;
    throw new RescindError('token_claim_wrong', { detail: `${name} is not ${values[name]}` });
  }
}

/** As the verifier compares them: no tolerance after `exp`; before `iat` and `nbf` that of the clocks. */
function timesOf({ exp, iat, nbf }: Claims, iatToleranceMs: DurationMs): { from: EpochMillis; until: EpochMillis } {
  const begins = typeof nbf === 'number' ? nbf * 1000 - CLOCK_TOLERANCE_MS : Number.NEGATIVE_INFINITY;
  return { from: Math.max(Number(iat) * 1000 - iatToleranceMs, begins), until: Number(exp) * 1000 };
}

/** Requests with the same token share the object, so no request may change it. */
function freeze(token: VerifiedToken): VerifiedToken {
  freezeDeeply(token.payload);
  if (!Object.isFrozen(token.header)) freezeDeeply(token.header);
  return Object.freeze(token);
}

function freezeDeeply(value: object): void {
  // Not `for … in`: on a new object it costs several µs.
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freezeDeeply(member);
  }
  Object.freeze(value);
}
