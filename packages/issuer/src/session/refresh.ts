import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { RefreshRequest, TokenAnswer } from '../issuer-sessions.ts';
import type { Session } from '../sql/sessions.ts';
import type { Unit } from '../transactions.ts';
import type { SessionRoom } from './answer.ts';
import { answerAccess } from './answer.ts';
import { allowedScope, refusalOfEnded, requireGoingOn, termsOf } from './grant.ts';
import type { OpaqueToken } from './opaque.ts';
import { createOpaqueToken, digestOfVerifier, hashVerifier, seal, toText } from './opaque.ts';
import type { PresentedToken } from './presented.ts';
import { findPresented, retryOf } from './presented.ts';
import { presentScope, requireWithin } from './scope.ts';

/** What came of a refresh. A reuse is an outcome and no error: the end of its session has to commit. */
export type RefreshOutcome =
  | { readonly kind: 'rotated' | 'repeated' | 'kept'; readonly answer: TokenAnswer }
  | { readonly kind: 'reused'; readonly session: Session };

/**
 * Exchanges a refresh token, inside one transaction.
 * @throws RescindError `grant_invalid`, `grant_suspended`, `reauthentication_required`, `client_invalid`, `scope_invalid`
 */
export function refresh(room: SessionRoom, unit: Unit, request: RefreshRequest): RefreshOutcome {
  const presented = requirePresented(room, request);
  const { session } = presented;
  const { client, policy } = termsOf(room, session);
  // Not the time of a token: a reuse is seen while the clock is parted, too.
  const retry = presented.state === 'spent' ? retryOf(presented, policy.refreshGraceMs, unit.now()) : undefined;
  if (retry?.kind === 'none') return { kind: 'reused', session };
  if (retry?.kind === 'replaced') throw new RescindError('grant_invalid');

  const at = unit.mintTime();
  const subject = requireGoingOn(room, session, at);
  const granted = presentScope(session.scope, allowedScope(subject, client));
  const scope = request.scope === undefined ? granted : requireWithin(request.scope, granted);
  const refreshToken =
    retry?.token ?? (policy.rotation ? rotate(room, presented, policy.refreshGraceMs, at) : presented.token);
  const access = answerAccess(room, { session, subject, policy, scope, narrowedTo: request.scope ?? null, at });
  const answer = { ...access, refresh_token: toText(refreshToken) };
  return { kind: kindOf(retry !== undefined, policy.rotation), answer };
}

/** One that may be used by who sent it, and the way it came. What is wrong here does no harm to the session. */
function requirePresented(room: SessionRoom, { refreshToken, clientId, via }: RefreshRequest): PresentedToken {
  const presented = findPresented(room.store, refreshToken);
  const session = presented?.session;
  const isTheirs = session?.clientId === clientId && (via === undefined || via === session.storage);
  if (presented === undefined || !isTheirs) throw new RescindError('grant_invalid');
  if (presented.session.endedAt !== null) throw refusalOfEnded(room, presented.session);
  return presented;
}

function kindOf(isRetry: boolean, rotation: boolean): 'rotated' | 'repeated' | 'kept' {
  if (isRetry) return 'repeated';
  return rotation ? 'rotated' : 'kept';
}

function rotate(
  { store: { sessions } }: SessionRoom,
  { token, hash, session }: PresentedToken,
  graceMs: number,
  at: EpochMillis,
): OpaqueToken {
  const successor = createOpaqueToken(token.selector);
  const rotation = {
    sid: session.sid,
    presentedHash: hash,
    nextHash: hashVerifier(successor.verifier),
    at,
    sealed: graceMs > 0 ? seal(token, successor) : null,
  };
  // Somebody else exchanged it first: nothing of this transaction stays.
  if (!sessions.rotate(rotation)) throw new RescindError('grant_invalid');
  sessions.spend(session.sid, digestOfVerifier(hash));
  return successor;
}
