import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { isCallersError } from '@rescind/revocation/errors';
import type { Find, JudgedToken } from '@rescind/revocation/judge';
import { comparableValues, denyingRows, filterRows, issuedAt, judge, toDenyingRow } from '@rescind/revocation/judge';
import type { KeySet, VerifiedToken, Verifier } from '@rescind/token';
import { createVerifier } from '@rescind/token';
import { explainQuestion, introspectOptions, verifyOptions } from './call-options.ts';
import type { IssuerContext } from './context.ts';
import type { Issuer } from './issuer.ts';
import type { RegisteredClient } from './issuer-clients.ts';
import type { ExplainQuestion, Explanation } from './issuer-revocations.ts';
import type { Introspection } from './issuer-sessions.ts';
import { presentScope } from './session/audience.ts';
import { allowedScope, requireContinuing } from './session/grant.ts';
import { ACCESS_TOKEN_TYPE } from './session/mint.ts';
import { findPresented } from './session/refresh-token.ts';
import type { RevocationReads } from './store/log.ts';

const NONE: Find = { names: () => [], row: () => undefined };

/**
 * Fetches the cut-offs that may be about a token, for `judge`, which is synchronous: those of its issuer by the values that it has in
 * the claims that any cut-off is about.
 */
export async function fetchCutOffs(reads: RevocationReads, { kid, payload }: JudgedToken): Promise<Find> {
  const { iss } = payload;
  if (typeof iss !== 'string') return NONE;
  const held = (claim: string) => {
    if (claim === 'kid') return kid;
    return Object.hasOwn(payload, claim) ? payload[claim] : undefined;
  };
  // A claim without comparable values is refused if any cut-off names it.
  const { names, rows } = await reads.about(iss, (claim) => comparableValues(held(claim)) ?? []);
  return {
    names: (of) => (of === iss ? names : []),
    row: (of, claim, value) => rows.find((row) => row.iss === of && row.claim === claim && row.value === value),
  };
}

interface AccessVerifierOptions {
  /** Of any audience. */
  readonly accepting: Verifier;
  readonly issuer: string;
  readonly keys: Pick<KeySet, 'find'>;
  readonly revocations: RevocationReads;
  readonly now: () => EpochMillis;
}

/** RFC 9068 section 2.2, and what our cut-offs are compared with. */
export const REQUIRED_CLAIMS = ['sub', 'client_id', 'jti', 'sid', 'iat', 'iat_ms'];
/** The most verifiers that are kept, one for each audience: a host has a handful. */
const MAX_VERIFIERS = 64;

/** Verifies the issuer's own access tokens against its own rows. */
export function createAccessVerifier({
  accepting,
  issuer,
  keys,
  revocations,
  now,
}: AccessVerifierOptions): Issuer['verify'] {
  const verifiers = new Map<string, Verifier>();

  function verifierFor(audience: string): Verifier {
    const known = verifiers.get(audience);
    if (known !== undefined) return known;
    const verifier = createVerifier({
      keys,
      issuer,
      audience,
      typ: [ACCESS_TOKEN_TYPE],
      requiredClaims: REQUIRED_CLAIMS,
    });
    if (verifiers.size < MAX_VERIFIERS) verifiers.set(audience, verifier);
    return verifier;
  }

  return async (accessToken, options = {}): Promise<VerifiedToken> => {
    const { audience } = verifyOptions(options);
    const token = (audience === undefined ? accepting : verifierFor(audience)).verify(accessToken, now());
    await refuseDenied(token, revocations);
    return token;
  };
}

/** @throws RescindError `token_revoked`, `token_unjudgeable` */
export async function refuseDenied(
  { header, payload, inexact }: VerifiedToken,
  revocations: RevocationReads,
): Promise<void> {
  const token = { kid: header.kid, payload, inexact };
  const verdict = judge(token, await fetchCutOffs(revocations, token));
  if (!verdict.denied) return;
  throw verdict.reason === 'revoked'
    ? new RescindError('token_revoked', { detail: verdict.cutoff.reason })
    : new RescindError('token_unjudgeable', { detail: verdict.claim });
}

const INACTIVE: Introspection = { active: false };

/** RFC 7662 section 4: unknown, expired and revoked tokens, and those that the client may not introspect, get the same response. */
export function createIntrospect(
  context: IssuerContext,
  verify: Issuer['verify'],
  now: () => EpochMillis,
): Issuer['introspect'] {
  return async (token, given) => {
    const { clientId } = introspectOptions(given);
    const caller = await context.clients.find(context.store.read.clients, clientId);
    if (caller === undefined || caller.disabled) return INACTIVE;
    try {
      return (
        (await describeRefreshToken(context, token, caller, now())) ??
        (await describeAccessToken(verify, token, caller))
      );
    } catch (error) {
      if (isCallersError(error)) return INACTIVE;
      throw error;
    }
  };
}

async function describeAccessToken(
  verify: Issuer['verify'],
  token: string,
  caller: RegisteredClient,
): Promise<Introspection> {
  const { payload } = await verify(token);
  if (!isTheirs(payload, caller)) return INACTIVE;
  // This issuer minted the verified token, so these claims are present, and text.
  const { iss, sub, client_id, scope, sid } = payload as Record<'iss' | 'sub' | 'client_id' | 'scope' | 'sid', string>;
  return { ...payload, iss, sub, client_id, scope, sid, token_type: 'Bearer', active: true };
}

/** A refresh token is active for its own client alone: a resource server that got it as an access token must refuse it. */
async function describeRefreshToken(
  context: IssuerContext,
  token: string,
  caller: RegisteredClient,
  at: EpochMillis,
): Promise<Introspection | undefined> {
  const { read } = context.store;
  const presented = await findPresented(read, token);
  if (presented === undefined) return undefined;
  const { session, state } = presented;
  if (state !== 'present' || session.clientId !== caller.clientId) return INACTIVE;
  const subject = await requireContinuing(context, read, session, at);
  const expires = Math.min(session.idleExpiresAt, session.absoluteExpiresAt);
  return {
    active: true,
    iss: context.policy.issuer,
    sub: session.sub,
    client_id: session.clientId,
    scope: presentScope(session.scope, allowedScope(subject, caller)).join(' '),
    sid: session.sid,
    ...(expires === NEVER ? {} : { exp: Math.floor(expires / 1000) }),
    token_use: 'refresh_token',
  };
}

function isTheirs({ client_id, aud }: Readonly<Record<string, unknown>>, caller: RegisteredClient): boolean {
  if (client_id === caller.clientId) return true;
  if (!caller.mayIntrospect) return false;
  return caller.audience === undefined || [aud].flat().some((one) => caller.audience?.includes(String(one)));
}

interface ExplainerOptions {
  readonly issuer: string;
  /** Verifies format, signature and claims, without the rows. */
  readonly verifier: Verifier;
  readonly revocations: RevocationReads;
  readonly now: () => EpochMillis;
}

/** Explains by the issuer's own rows. Reads only, and throws only what is no RescindError. */
export function createExplainer({ issuer, verifier, revocations, now }: ExplainerOptions) {
  return async (given: ExplainQuestion): Promise<Explanation> => {
    const question = explainQuestion(given);
    try {
      if ('token' in question) {
        const { header, payload, inexact } = verifier.verify(question.token, now());
        return { ...(await explain({ kid: header.kid, payload, inexact }, revocations)), claims: payload };
      }
      const { claims, kid } = question;
      // Without `iat` every matching row is named.
      const explained = await explain({ kid, payload: { iat: 0, iss: issuer, ...claims } }, revocations);
      return claims.iat === undefined ? { ...explained, issuedAt: null } : explained;
    } catch (error) {
      if (!(error instanceof RescindError)) throw error;
      return { ...NOTHING_KNOWN, error: { code: error.code, detail: error.detail ?? null } };
    }
  };
}

const NOTHING_KNOWN = { revoked: null, entries: [], issuedAt: null, claims: null } as const;

async function explain(token: JudgedToken, revocations: RevocationReads): Promise<Explanation> {
  const find = await fetchCutOffs(revocations, token);
  const verdict = judge(token, find);
  const at = issuedAt(token.payload) ?? null;
  if (verdict.denied && verdict.reason === 'unjudgeable') {
    return { ...NOTHING_KNOWN, error: { code: 'token_unjudgeable', detail: verdict.claim }, issuedAt: at };
  }
  const refusing = denyingRows((counts) => judge(token, filterRows(find, counts)));
  const entries = [...refusing].map((row) => toDenyingRow(row, at ?? 0));
  return { error: null, revoked: verdict.denied, entries, issuedAt: at, claims: null };
}
