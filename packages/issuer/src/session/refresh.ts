import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { SubjectRecord } from '../issuer.ts';
import type { RefreshRequest, TokenAnswer } from '../issuer-sessions.ts';
import type { RefreshTokenRow } from '../sql/refresh-tokens.ts';
import type { Session } from '../sql/sessions.ts';
import type { Unit } from '../transactions.ts';
import type { SessionRoom } from './answer.ts';
import { answerTokens, scopeOf } from './answer.ts';
import type { OpaqueToken } from './opaque.ts';
import { createOpaqueToken, hashVerifier, isVerifier, parseOpaqueToken, seal, unseal } from './opaque.ts';
import { parseScope, presentScope, requireWithin } from './scope.ts';

/** What came of a refresh. A reuse is an outcome and no error: the end of its session has to commit. */
export type RefreshOutcome =
  | { readonly kind: 'rotated' | 'repeated'; readonly answer: TokenAnswer }
  | { readonly kind: 'reused'; readonly session: Session };

/** A presented token whose verifier is right. */
export interface FoundToken {
  readonly token: OpaqueToken;
  readonly row: RefreshTokenRow;
  readonly session: Session;
}

/** Compared with when there is no such selector, so that the answer takes as long. */
const NOBODYS_HASH = hashVerifier('');

/** The token, if it is one of ours, used or not. Half a token finds nothing and harms nothing. */
export function findRefreshToken({ store }: SessionRoom, text: string): FoundToken | undefined {
  const token = parseOpaqueToken(text);
  if (token === undefined) return undefined;
  const row = store.refreshTokens.find(token.selector);
  const isRight = isVerifier(token.verifier, row?.verifierHash ?? NOBODYS_HASH);
  if (row === undefined || !isRight) return undefined;
  const session = store.sessions.find(row.sid);
  return session && { token, row, session };
}

/** Exchanges a refresh token, inside one transaction. @throws RescindError `grant_invalid`, `scope_invalid` */
export function refresh(room: SessionRoom, unit: Unit, request: RefreshRequest): RefreshOutcome {
  const found = findRefreshToken(room, request.refreshToken);
  if (found === undefined || found.session.clientId !== request.clientId || found.session.endedAt !== null) {
    throw new RescindError('grant_invalid');
  }
  const { session, row } = found;
  // Not the time of a token: a reuse is seen while the clock is parted, too.
  const repeated = row.usedAt === null ? undefined : findSuccessor(room, found, unit.now());
  if (row.usedAt !== null && repeated === undefined) return { kind: 'reused', session };

  const at = unit.mintTime();
  requireOpen(session, repeated?.row ?? row, at);
  const subject = requireSubject(room.subject(session.sub), session);
  const granted = presentScope(session.scope, parseScope(scopeOf(subject)));
  const scope = request.scope === undefined ? granted : requireWithin(request.scope, granted);
  const refreshToken = repeated?.token ?? rotate(room, found, at);
  const answer = answerTokens(room, { session, subject, scope, refreshToken, at });
  return { kind: repeated === undefined ? 'rotated' : 'repeated', answer };
}

/**
 * What a used token was exchanged for, when its answer may have been lost: within the grace, and only while nobody
 * has used that. The time runs from the first use, so the window cannot be walked forward.
 */
function findSuccessor({ store, policy }: SessionRoom, { row, token }: FoundToken, at: EpochMillis) {
  const { usedAt, successor, sealed } = row;
  if (usedAt === null || successor === null || sealed === null || at - usedAt > policy.refreshGraceMs) return undefined;
  const successorRow = store.refreshTokens.find(successor);
  if (successorRow === undefined || successorRow.usedAt !== null) return undefined;
  return { token: unseal(token, successor, sealed), row: successorRow };
}

function rotate({ store, policy }: SessionRoom, { token, row, session }: FoundToken, at: EpochMillis): OpaqueToken {
  const successor = createOpaqueToken();
  store.refreshTokens.insert({
    selector: successor.selector,
    verifierHash: hashVerifier(successor.verifier),
    sid: session.sid,
    idleExpiresAt: at + policy.refreshIdleTtlMs,
  });
  const sealed = policy.refreshGraceMs > 0 ? seal(token, successor) : null;
  // Somebody else exchanged it first: nothing of this transaction stays.
  if (!store.refreshTokens.use(row.selector, at, successor.selector, sealed)) throw new RescindError('grant_invalid');
  store.refreshTokens.wipe(row.selector);
  return successor;
}

function requireOpen(session: Session, row: RefreshTokenRow, at: EpochMillis): void {
  // A token that would expire in the second it is minted is none.
  const isOver = at + 1000 > session.absoluteExpiresAt || at >= row.idleExpiresAt;
  if (isOver) throw new RescindError('grant_invalid');
}

function requireSubject(subject: SubjectRecord | undefined, session: Session): SubjectRecord {
  if (subject === undefined || subject.credentialVersion !== session.credentialVersion) {
    throw new RescindError('grant_invalid');
  }
  if (subject.active) return subject;
  // Whoever has the refresh token may know why.
  throw new RescindError('grant_invalid', subject.reason === undefined ? {} : { detail: subject.reason });
}
