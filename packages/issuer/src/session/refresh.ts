import { RescindError } from '@rescind/revocation';
import type { RefreshRequest, TokenAnswer } from '../issuer-sessions.ts';
import type { Session } from '../store/sessions.ts';
import type { Unit } from '../transactions.ts';
import { answerAccess } from './answer.ts';
import { grantAccess, refusalOfEnded, requireGoingOn, termsOf } from './grant.ts';
import { toText } from './opaque.ts';
import type { PresentedToken } from './presented.ts';
import { findPresented, retryOf } from './presented.ts';
import type { SessionRoom } from './room.ts';
import { exchangeFor } from './rotation.ts';
import type { Unsigned } from './signing.ts';

/** What came of a refresh. A reuse is an outcome and no error: the end of its session has to commit. */
export type RefreshOutcome =
  | { readonly kind: 'rotated' | 'repeated' | 'kept'; readonly answer: Unsigned<TokenAnswer> }
  | { readonly kind: 'reused'; readonly session: Session };

/**
 * Exchanges a refresh token, inside one transaction.
 * @throws RescindError `grant_invalid`, `grant_suspended`, `reauthentication_required`, `client_invalid`, `scope_invalid`,
 *   `target_invalid`
 */
export async function refresh(room: SessionRoom, unit: Unit, request: RefreshRequest): Promise<RefreshOutcome> {
  const presented = await requirePresented(room, unit, request);
  const { session } = presented;
  const { client, policy } = await termsOf(room, unit, session);
  // Not the time of a token: a reuse is seen while the clock is parted, too.
  const retry = presented.state === 'spent' ? retryOf(presented, policy.refreshGraceMs, unit.now()) : undefined;
  if (retry?.kind === 'none') return { kind: 'reused', session };
  if (retry?.kind === 'replaced') throw new RescindError('grant_invalid');

  const at = unit.mintTime();
  const subject = await requireGoingOn(room, unit.store, session, at);
  const { resource } = request;
  const bound = session.scope;
  const granted = grantAccess(room, { session, subject, client, bound, scope: request.scope, resource });
  const next =
    retry === undefined && policy.rotation
      ? exchangeFor(presented.token, presented.hash, policy.refreshGraceMs)
      : undefined;
  const { token, rest } = await answerAccess(room, unit, {
    session,
    subject,
    policy,
    ...granted,
    narrowedTo: request.scope ?? null,
    at,
    ...(next === undefined ? {} : { rotation: next.rotation }),
  });
  const refreshToken = next?.token ?? retry?.token ?? presented.token;
  const answer = { token, rest: { ...rest, refresh_token: toText(refreshToken) } };
  return { kind: kindOf(retry !== undefined, policy.rotation), answer };
}

/** One that may be used by who sent it, and the way it came. What is wrong here does no harm to the session. */
async function requirePresented(
  room: SessionRoom,
  unit: Unit,
  { refreshToken, clientId, via }: RefreshRequest,
): Promise<PresentedToken> {
  const presented = await findPresented(unit.store, refreshToken);
  const session = presented?.session;
  const isTheirs = session?.clientId === clientId && (via === undefined || via === session.storage);
  if (presented === undefined || !isTheirs) throw new RescindError('grant_invalid');
  if (presented.session.endedAt !== null) throw await refusalOfEnded(room, unit.store, presented.session);
  return presented;
}

function kindOf(isRetry: boolean, rotation: boolean): 'rotated' | 'repeated' | 'kept' {
  if (isRetry) return 'repeated';
  return rotation ? 'rotated' : 'kept';
}
