import { RescindError } from '@rescind/revocation';
import type { IssuerContext } from '../context.ts';
import type { RefreshRequest, TokenAnswer } from '../issuer-sessions.ts';
import type { Session } from '../store/sessions.ts';
import type { Transaction } from '../transaction.ts';
import { grantAccess, refusalOfEnded, requireContinuing, termsOf } from './grant.ts';
import type { Unsigned } from './mint.ts';
import { answerAccess } from './mint.ts';
import type { PresentedToken } from './refresh-token.ts';
import { exchangeFor, findPresented, retryOf, toText } from './refresh-token.ts';

/** The outcome of a refresh. A reuse is no error, because the transaction that ends its session must commit. */
type RefreshOutcome =
  | { readonly kind: 'rotated' | 'repeated' | 'kept'; readonly answer: Unsigned<TokenAnswer> }
  | { readonly kind: 'recovered'; readonly answer: Unsigned<TokenAnswer>; readonly session: Session }
  | { readonly kind: 'reused'; readonly session: Session };

/** Is called with the session of the presented token, before anything refuses it. */
export type OnFound = (session: Session) => void;

/**
 * Exchanges a refresh token, inside one transaction.
 * @throws RescindError `grant_invalid`, `grant_suspended`, `reauthentication_required`, `client_invalid`, `scope_invalid`,
 *   `target_invalid`
 */
export async function refresh(
  context: IssuerContext,
  tx: Transaction,
  request: RefreshRequest,
  onFound: OnFound = () => undefined,
): Promise<RefreshOutcome> {
  const presented = await requirePresented(context, tx, request, onFound);
  const { session } = presented;
  const { client, policy } = await termsOf(context, tx, session);
  // `now`, not `mintTime`: a reuse is detected while the clocks are parted, too.
  const retry = presented.state === 'used' ? retryOf(presented, policy, tx.now()) : undefined;
  if (retry?.kind === 'none') return { kind: 'reused', session };
  if (retry?.kind === 'replaced') throw new RescindError('grant_invalid');

  const at = tx.mintTime();
  const subject = await requireContinuing(context, tx.store, session, at);
  const { resource } = request;
  const bound = session.scope;
  const granted = grantAccess(context, { session, subject, client, bound, scope: request.scope, resource });
  const next =
    retry === undefined && policy.rotation
      ? exchangeFor(presented.token, presented.hash, policy.refreshGraceMs)
      : undefined;
  const { token, rest } = await answerAccess(context, tx, {
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
  if (retry?.isRecovery) return { kind: 'recovered', answer, session };
  return { kind: kindOf(retry !== undefined, policy.rotation), answer };
}

/** The presented token, if this client may use it by this transfer. A refusal here does not change the session. */
async function requirePresented(
  context: IssuerContext,
  tx: Transaction,
  { refreshToken, clientId, via }: RefreshRequest,
  onFound: OnFound,
): Promise<PresentedToken> {
  const presented = await findPresented(tx.store, refreshToken);
  if (presented !== undefined) onFound(presented.session);
  const session = presented?.session;
  const isTheirs = session?.clientId === clientId && (via === undefined || via === session.storage);
  if (presented === undefined || !isTheirs) throw new RescindError('grant_invalid');
  if (presented.session.endedAt !== null) throw await refusalOfEnded(context, tx.store, presented.session);
  return presented;
}

function kindOf(isRetry: boolean, rotation: boolean): 'rotated' | 'repeated' | 'kept' {
  if (isRetry) return 'repeated';
  return rotation ? 'rotated' : 'kept';
}
