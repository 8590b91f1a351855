import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { addSecret, putClient } from './clients/registry.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Issuer, IssuerTransaction } from './issuer.ts';
import type { AccessAnswer } from './issuer-sessions.ts';
import type { RevocationRoom } from './revoke/revoke.ts';
import { endAllSessions, endSession, revoke, revokeToken, subjectChanged } from './revoke/revoke.ts';
import { beginLogin } from './session/begin.ts';
import { reauthenticate, reissue, requireReauthentication, stepUp } from './session/reauthenticate.ts';
import { refresh } from './session/refresh.ts';
import type { RenewalRoom } from './session/renew.ts';
import { renew } from './session/renew.ts';
import type { ThreadSigning, Unsigned } from './session/signing.ts';
import { renameSession } from './session/views.ts';
import type { Session } from './store/sessions.ts';
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

export interface WritingRoom extends RevocationRoom, RenewalRoom {}

/** How it is written: alone, or with what else comes at once. */
interface Ways {
  readonly transactions: Transactions;
  readonly group: GroupCommit;
  readonly signing: ThreadSigning;
}

/** Everything that writes, each in one transaction. */
export function createWrites(room: WritingRoom, ways: Ways, telemetry: Telemetry): Writes {
  const { transactions } = ways;
  const inside = (unit: Unit) => toTransaction(room, unit);
  const inTime = <T>(work: (tx: IssuerTransaction) => T | Promise<T>) =>
    transactions.runInTime(async (unit) => work(inside(unit)));
  return {
    transaction: inTime,
    beginSession: (login) => transactions.run((unit) => beginLogin(room, unit, login)),
    refresh: (request) => exchange(ways, room, telemetry, REFRESH, (unit) => refresh(room, unit, request)),
    renew: (request) => exchange(ways, room, telemetry, RENEWAL, (unit) => renew(room, unit, request)),
    reauthenticate: (proved) => inTime((tx) => tx.reauthenticate(proved)),
    requireReauthentication: (demand) => inTime((tx) => tx.requireReauthentication(demand)),
    endSession: (end) => inTime((tx) => tx.endSession(end)),
    endAllSessions: (end) => inTime((tx) => tx.endAllSessions(end)),
    subjectChanged: (change) => inTime((tx) => tx.subjectChanged(change)),
    revokeToken: (revocation) => transactions.runInTime((unit) => revokeToken(room, unit, revocation)),
    revoke: (cutoffs) => inTime((tx) => tx.revoke(cutoffs)),
  };
}

function toTransaction(room: WritingRoom, unit: Unit): IssuerTransaction {
  return {
    sql: unit.store.sql,
    beginSession: (login) => beginLogin(room, unit, login),
    endSession: (end) => endSession(room, unit, end),
    endAllSessions: (end) => endAllSessions(room, unit, end),
    revoke: (cutoffs) => revoke(room, unit, cutoffs),
    subjectChanged: (change) => subjectChanged(room, unit, change),
    requireReauthentication: (demand) => requireReauthentication(unit, demand),
    reauthenticate: (proved) => reauthenticate(room, unit, proved),
    stepUp: (proved) => stepUp(room, unit, proved),
    reissue: (of) => reissue(room, unit, of),
    renameSession: (renaming) => renameSession(unit, renaming),
    putClient: (client) => putClient(unit.store.clients, client),
    removeClient: (clientId) => unit.store.clients.delete(clientId),
    findClient: (clientId) => room.clients.find(unit.store.clients, clientId),
    listClients: () => room.clients.list(unit.store.clients),
    addClientSecret: (clientId) => addSecret(room.clients, unit.store.clients, clientId),
  };
}

type Outcome<T extends AccessAnswer> =
  | { readonly kind: 'rotated' | 'kept' | 'renewed' | 'repeated'; readonly answer: Unsigned<T> }
  | { readonly kind: 'early'; readonly asItIs: T }
  | { readonly kind: 'reused'; readonly session: Session };

interface Exchange {
  readonly metric: 'rescind_refresh_total' | 'rescind_renewals_total';
  readonly reason: string;
}

const REFRESH: Exchange = { metric: 'rescind_refresh_total', reason: 'refresh_token_reused' };
const RENEWAL: Exchange = { metric: 'rescind_renewals_total', reason: 'access_token_reused' };

/** Exchanges a token for another; one that was spent before ends its session, for all to hear. */
async function exchange<T extends AccessAnswer>(
  { group, signing }: Ways,
  room: RevocationRoom,
  telemetry: Telemetry,
  { metric, reason }: Exchange,
  work: (unit: Unit) => Promise<Outcome<T>>,
): Promise<T> {
  const outcome = await group.run(async (unit) => {
    const found = await work(unit);
    if (found.kind === 'reused') await endSession(room, unit, { sid: found.session.sid, reason });
    return found;
  });
  telemetry.count(metric, { result: outcome.kind });
  if (outcome.kind === 'early') return outcome.asItIs;
  if (outcome.kind !== 'reused') return signing.sign(outcome.answer);
  const { sid, sub, clientId } = outcome.session;
  telemetry.count('rescind_refresh_reuse_total');
  telemetry.log('warn', 'authn_token_reuse', { sid, sub, clientId, reason });
  throw new RescindError('grant_reused');
}
