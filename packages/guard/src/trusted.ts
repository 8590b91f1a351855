import type { KeyObject } from 'node:crypto';
import type { CutOffRow, DurationMs, EpochMillis, Find, JudgedToken, Verdict } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, filterRows, judge, RescindError } from '@rescind/revocation';
import type { JoseHeader, KeySource, VerifiedToken } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import type { IndexedToken } from './cache/changes.ts';
import type { IssuerSettings } from './issuer-options.ts';

/** An issuer whose tokens are taken, with all that is asked about them. */
export interface TrustedIssuer {
  readonly settings: IssuerSettings;
  readonly keys: KeySource;
  /** Everything but revocation, the view and what a route wants. @throws RescindError as `Verifier.verify` does */
  verify(text: string, at: EpochMillis): VerifiedToken;
  /**
   * The same for a text, to the letter, that was verified before: everything but the signature.
   * @param signedBy the key that it was found signed by
   * @returns undefined when the token's key is another now
   */
  verifyAgain(text: string, at: EpochMillis, signedBy: KeyObject): VerifiedToken | undefined;
  /** Whether a cut-off denies it. Of an issuer without a log none does. */
  judge(token: VerifiedToken): Verdict;
  /** The same of claims that nobody signed. @param counts which rows are asked; default all */
  judgeClaims(claims: Claims, marks: JudgedMarks, counts?: (row: CutOffRow) => boolean): Verdict;
  /** As the cut-offs name its claims. */
  traced(token: VerifiedToken): IndexedToken;
  /** The claims that some cut-off is about. */
  names(): Iterable<string>;
  keyOf(token: VerifiedToken): KeyObject | undefined;
  /** From when on, and up to when, its times are good. */
  timesOf(token: VerifiedToken): { readonly from: EpochMillis; readonly until: EpochMillis };
}

export type Claims = Readonly<Record<string, unknown>>;
/** What is judged beside the claims. */
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
      ? { kid, payload: asCutoffsNameThem(payload, claimNames), inexact: inexact && renamedToo(inexact, claimNames) }
      : { kid, payload, inexact };
  const judgeBy = (rows: Find, claims: Claims, marks: JudgedMarks) =>
    find === NOTHING ? ACCEPTED : judge(asJudged(claims, marks), rows, options);

  function finish(token: VerifiedToken): VerifiedToken {
    requireBearer(token.payload);
    requireValues(token.payload, settings.claimValues);
    return freeze(token);
  }

  /** The key's own name too, where the header has none or another: leaving it out evades no cut-off. */
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
    traced: (token) => ({ iss: issuer, ...asJudged(token.payload, marksOf(token)) }),
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
    // An issuer with one key may leave its name out (RFC 7515 section 4.1.4).
    kidMayBeAbsent: true,
    iatToleranceMs: settings.iatToleranceMs,
    requiredClaims: settings.requiredClaims,
    absentClaims: settings.absentClaims,
    maxBytes: settings.maxTokenBytes,
  });
}

/**
 * Cut-offs are about `client_id`, and some issuers write `azp`: the values of both are asked, so that a claim that is there
 * under either name is never overlooked.
 */
function asCutoffsNameThem(claims: Claims, names: IssuerSettings['claimNames']): Claims {
  const added = Object.entries(names)
    .map(([ours, theirs]) => [ours, [theirs].flat().filter((name) => Object.hasOwn(claims, name))] as const)
    .filter(([, theirs]) => theirs.length > 0)
    .map(([ours, theirs]) => [ours, [ours, ...theirs].flatMap((name) => valuesOf(claims, name))]);
  return added.length === 0 ? claims : { ...claims, ...Object.fromEntries(added) };
}

/** The same of the names of claims whose numbers are inexact. */
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
 * RFC 7800 section 3.1: who presents a token with `cnf` has to prove the possession of a key (DPoP, RFC 9449; mutual TLS, RFC
 * 8705). No proof is verified here, and without one a stolen token would be as good as the client's own.
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

/** As the verifier compares them: no tolerance after `exp`, the clocks' before `iat` and `nbf`. */
function timesOf({ exp, iat, nbf }: Claims, iatToleranceMs: DurationMs): { from: EpochMillis; until: EpochMillis } {
  const begins = typeof nbf === 'number' ? nbf * 1000 - CLOCK_TOLERANCE_MS : Number.NEGATIVE_INFINITY;
  return { from: Math.max(Number(iat) * 1000 - iatToleranceMs, begins), until: Number(exp) * 1000 };
}

/** Many requests are given the same object: what one of them changed, the others would believe. */
function freeze(token: VerifiedToken): VerifiedToken {
  freezeDeeply(token.payload);
  if (!Object.isFrozen(token.header)) freezeDeeply(token.header);
  return Object.freeze(token);
}

function freezeDeeply(value: object): void {
  // Not `for … in`: on objects that were never walked before it costs several µs.
  for (const member of Object.values(value)) {
    if (typeof member === 'object' && member !== null) freezeDeeply(member);
  }
  Object.freeze(value);
}
