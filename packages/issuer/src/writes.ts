import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Issuer, IssuerTransaction } from './issuer.ts';
import type { BeginSession, RefreshRequest, TokenAnswer } from './issuer-sessions.ts';
import type { RevocationRoom } from './revoke/revoke.ts';
import { endAllSessions, endSession, revoke, revokeToken } from './revoke/revoke.ts';
import { beginSession } from './session/login.ts';
import { refresh } from './session/refresh.ts';
import type { Transactions, Unit } from './transactions.ts';

type Writes = Pick<
  Issuer,
  | 'transaction'
  | 'beginSession'
  | 'refresh'
  | 'renew'
  | 'reauthenticate'
  | 'requireReauthentication'
  | 'endSession'
  | 'endAllSessions'
  | 'subjectChanged'
  | 'revokeToken'
  | 'revoke'
>;

/** Everything that writes, each in one transaction. */
export function createWrites(room: RevocationRoom, transactions: Transactions, telemetry: Telemetry): Writes {
  const pending = (): never => {
    throw new Error('not there yet');
  };
  const toTransaction = (unit: Unit): IssuerTransaction => ({
    beginSession: (login) => beginSession(room, unit, login),
    endSession: (end) => endSession(room, unit, end),
    endAllSessions: (end) => endAllSessions(room, unit, end),
    revoke: (cutoffs) => revoke(room, unit, cutoffs),
    subjectChanged: pending,
    requireReauthentication: pending,
    reauthenticate: pending,
    reissue: pending,
    renameSession: pending,
    putClient: pending,
    removeClient: pending,
    addClientSecret: pending,
  });

  return {
    transaction: (work) => transactions.runInTime((unit) => work(toTransaction(unit))),
    beginSession: (login: BeginSession) => transactions.run((unit) => beginSession(room, unit, login)),
    refresh: async (request) => refreshAndTell(room, transactions, telemetry, request),
    renew: pending,
    reauthenticate: pending,
    requireReauthentication: pending,
    subjectChanged: pending,
    endSession: (end) => transactions.runInTime((unit) => endSession(room, unit, end)),
    endAllSessions: (end) => transactions.runInTime((unit) => endAllSessions(room, unit, end)),
    revokeToken: (revocation) => transactions.runInTime((unit) => revokeToken(room, unit, revocation)),
    revoke: (cutoffs) => transactions.runInTime((unit) => revoke(room, unit, cutoffs)),
  };
}

function refreshAndTell(
  room: RevocationRoom,
  transactions: Transactions,
  telemetry: Telemetry,
  request: RefreshRequest,
): TokenAnswer {
  const outcome = transactions.run((unit) => {
    const found = refresh(room, unit, request);
    if (found.kind === 'reused') endSession(room, unit, { sid: found.session.sid, reason: 'refresh_token_reused' });
    return found;
  });
  telemetry.count('rescind_refresh_total', { result: outcome.kind });
  if (outcome.kind !== 'reused') return outcome.answer;
  const { sid, sub, clientId } = outcome.session;
  telemetry.count('rescind_refresh_reuse_total');
  telemetry.log('warn', 'authn_token_reuse', { sid, sub, clientId });
  throw new RescindError('grant_reused');
}
