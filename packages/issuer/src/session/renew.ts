import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import { issuedAt, judge } from '@rescind/revocation/judge';
import type { VerifiedToken } from '@rescind/token';
import type { IssuerContext } from '../context.ts';
import type { RenewAnswer, RenewRequest } from '../issuer-sessions.ts';
import type { Session } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import { fetchCutOffs } from '../verify.ts';
import type { Audience } from './audience.ts';
import type { Grant } from './grant.ts';
import { grantAccess, requireContinuing, termsOf } from './grant.ts';
import type { Unsigned } from './mint.ts';
import { answerAccess } from './mint.ts';
import type { OnFound } from './refresh.ts';
import { digestOfJti, isWithinGrace } from './refresh-token.ts';

type RenewalOutcome =
  | { readonly kind: 'renewed' | 'repeated'; readonly answer: Unsigned<RenewAnswer> }
  | { readonly kind: 'early'; readonly asItIs: RenewAnswer }
  | { readonly kind: 'reused'; readonly session: Session };

/** A valid access token, or one that only a soft cut-off denies. */
interface Renewable {
  readonly text: string;
  readonly sid: string;
  readonly jti: string;
  readonly issued: EpochMillis;
  readonly expires: EpochMillis;
  readonly isDenied: boolean;
  readonly audience: Audience;
}

/**
 * Exchanges an access token for another, inside one transaction.
 * @throws RescindError `grant_invalid`, `grant_unsupported`, `grant_suspended`, `reauthentication_required`,
 *   `client_invalid`, `scope_invalid`, `target_invalid`
 */
export async function renew(
  context: IssuerContext,
  tx: Transaction,
  request: RenewRequest,
  onFound: OnFound = () => undefined,
): Promise<RenewalOutcome> {
  const { token, session } = await requireRenewable(context, tx, request, onFound);
  const { client, policy } = await termsOf(context, tx, session);
  if (!policy.renewByToken) throw new RescindError('grant_unsupported');
  const now = tx.now();
  const isUsed = session.newestJti !== token.jti;
  if (isUsed && !(await tx.store.sessions.isUsed(session.sid, digestOfJti(token.jti)))) {
    throw new RescindError('grant_invalid', { detail: 'the session has a newer access token' });
  }
  if (isUsed && !isRetry(session, token.jti, policy.refreshGraceMs, now)) return { kind: 'reused', session };

  const subject = await requireContinuing(context, tx.store, session, now);
  const { scope: requested, resource } = request;
  requireNarrower(resource, [token.audience].flat());
  const bound = session.newestScope ?? session.scope;
  const all = { session, subject, client, bound, resource, usual: token.audience };
  const granted = grantAccess(context, { ...all, scope: undefined });
  const half = token.issued + (token.expires - token.issued) / 2;
  if (!isUsed && !token.isDenied && now < half)
    return { kind: 'early', asItIs: asItIs(token, half, granted.scope, now) };
  const at = tx.mintTime();
  const access = requested === undefined ? granted : grantAccess(context, { ...all, scope: requested });
  if (!isUsed) await consume(tx, token, at);
  const grant = { session, subject, policy, ...access };
  const { token: next, rest } = await mintNext(context, tx, grant, isUsed, requested, at);
  return { kind: isUsed ? 'repeated' : 'renewed', answer: { token: next, rest: { ...rest, renewed: true } } };
}

/** @throws RescindError `grant_invalid` for every invalid token */
async function requireRenewable(
  context: IssuerContext,
  tx: Transaction,
  { accessToken, clientId }: RenewRequest,
  onFound: OnFound,
) {
  const { header, payload, inexact } = verify(context, accessToken, tx.now());
  const token = { kid: header.kid, payload, inexact };
  const verdict = judge(token, await fetchCutOffs(tx.store.revocations, token));
  // A softly denied token leaves its session open, unless this token itself was revoked.
  const isSoft =
    verdict.denied && verdict.reason === 'revoked' && !verdict.endsSession && verdict.cutoff.claim !== 'jti';
  const { sid, jti, exp, aud, client_id: owner } = payload;
  const issued = issuedAt(payload);
  const session = typeof sid === 'string' ? await tx.store.sessions.find(sid) : undefined;
  if (session !== undefined) onFound(session);
  const isGood = (!verdict.denied || isSoft) && owner === clientId && session?.endedAt === null;
  if (!isGood || typeof jti !== 'string' || typeof exp !== 'number' || issued === undefined) {
    throw new RescindError('grant_invalid');
  }
  const renewable: Renewable = {
    text: accessToken,
    sid: session.sid,
    jti,
    issued,
    expires: exp * 1000,
    isDenied: verdict.denied,
    audience: typeof aud === 'string' ? aud : [aud].flat().map(String),
  };
  return { token: renewable, session };
}

function verify({ accepting }: IssuerContext, accessToken: string, at: EpochMillis): VerifiedToken {
  try {
    return accepting.verify(accessToken, at);
  } catch (error) {
    if (isCallersError(error)) throw new RescindError('grant_invalid', { detail: error.code });
    throw error;
  }
}

/**
 * Refuses another audience than that of the token: a service that was sent the token could otherwise get one for another service.
 * @throws RescindError `target_invalid`
 */
function requireNarrower(resource: readonly string[] | undefined, audience: readonly string[]): void {
  if (resource === undefined || resource.every((one) => audience.includes(one))) return;
  throw new RescindError('target_invalid', { publicDetail: `resource: one of ${audience.join(', ')}` });
}

/** Whether the token is the last one that was renewed, within the grace of its first renewal, as with a refresh token. */
function isRetry({ renewedJti, renewedAt }: Session, jti: string, graceMs: number, at: EpochMillis): boolean {
  return graceMs > 0 && renewedJti === jti && renewedAt !== null && isWithinGrace(renewedAt, at, graceMs);
}

async function consume({ store }: Transaction, { sid, jti }: Renewable, at: EpochMillis): Promise<void> {
  // A concurrent request renewed the token first: this transaction is rolled back.
  const isFirst = await store.sessions.renew({ sid, presentedJti: jti, presentedDigest: digestOfJti(jti), at });
  if (!isFirst) throw new RescindError('grant_invalid');
}

function mintNext(
  context: IssuerContext,
  tx: Transaction,
  grant: Omit<Grant, 'client'> & ReturnType<typeof grantAccess>,
  isRetried: boolean,
  requested: string | undefined,
  at: EpochMillis,
) {
  const { newestJti, newestExp, newestScope } = grant.session;
  // A retry gets the jti and exp of the first successor, so that a renewal or a revocation concerns both texts.
  const again = isRetried && newestJti !== null && newestExp !== null ? { jti: newestJti, expiresAt: newestExp } : null;
  const narrowedTo = requested ?? newestScope;
  return answerAccess(context, tx, { ...grant, narrowedTo, at, ...(again === null ? {} : { again }) });
}

function asItIs({ text, sid, expires }: Renewable, half: EpochMillis, scope: readonly string[], at: EpochMillis) {
  return {
    access_token: text,
    token_type: 'Bearer' as const,
    expires_in: Math.floor((expires - at) / 1000),
    refresh_in: Math.ceil((half - at) / 1000),
    scope: scope.join(' '),
    sid,
    renewed: false,
  };
}
