import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { registrationsIn } from './clients/registry.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Issuer, IssuerTransaction, IssuerWrites } from './issuer.ts';
import type { AccessAnswer } from './issuer-sessions.ts';
import type { RevocationRoom } from './revoke/revoke.ts';
import { endSession, revoke, revokeToken } from './revoke/revoke.ts';
import { beginLogin } from './session/begin.ts';
import { reauthenticate, reissue, requireReauthentication, stepUp } from './session/reauthenticate.ts';
import { refresh } from './session/refresh.ts';
import type { RenewalRoom } from './session/renew.ts';
import { renew } from './session/renew.ts';
import type { ThreadSigning, Unsigned } from './session/signing.ts';
import { renameSession } from './session/views.ts';
import type { Session } from './store/sessions.ts';
import type { Transactions, Unit } from './transactions.ts';

type Writes = IssuerWrites & Pick<Issuer, 'transaction' | 'refresh' | 'renew' | 'revokeToken'>;

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
  const inTime = <T>(work: (tx: IssuerTransaction) => T | Promise<T>) =>
    transactions.runInTime(async (unit) => {
      const calls = createCalls();
      const result = await work(toTransaction(room, unit, calls.made));
      calls.end();
      return result;
    });
  return {
    transaction: inTime,
    beginSession: (login) => transactions.runInTime((unit) => beginLogin(room, unit, login)),
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

type Call = <A extends unknown[], R>(method: (...given: A) => Promise<R>) => (...given: A) => Promise<R>;

/** The calls of one transaction: half of one that nobody awaits must not be committed. */
function createCalls(): { readonly made: Call; end(): void } {
  const pending = new Set<Promise<unknown>>();
  let isOver = false;
  return {
    made:
      (method) =>
      (...given) => {
        if (isOver) throw new Error('the transaction is over: its work must not go on after it');
        const call = method(...given);
        pending.add(call);
        const settled = () => pending.delete(call);
        call.then(settled, settled);
        return call;
      },
    /** @throws Error for a call that has not settled: the transaction is rolled back */
    end() {
      isOver = true;
      if (pending.size === 0) return;
      for (const call of pending) call.catch(() => undefined);
      throw new Error('the work of a transaction ended before what it called: await each call of the transaction');
    },
  };
}

function toTransaction(room: WritingRoom, unit: Unit, call: Call): IssuerTransaction {
  const clients = registrationsIn(room.clients, unit);
  return {
    sql: unit.store.sql,
    beginSession: call((login) => beginLogin(room, unit, login)),
    endSession: call((end) => endSession(room, unit, end)),
    endAllSessions: call((end) => revoke(room, unit, end)),
    revoke: call((cutoffs) => revoke(room, unit, cutoffs)),
    subjectChanged: call((change) => revoke(room, unit, change)),
    requireReauthentication: call((demand) => requireReauthentication(unit, demand)),
    reauthenticate: call((proved) => reauthenticate(room, unit, proved)),
    stepUp: call((proved) => stepUp(room, unit, proved)),
    reissue: call((of) => reissue(room, unit, of)),
    renameSession: call((renaming) => renameSession(unit, renaming)),
    clients: {
      put: call(clients.put),
      find: call(clients.find),
      list: call(clients.list),
      remove: call(clients.remove),
      addSecret: call(clients.addSecret),
    },
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
  { transactions, group, signing }: Ways,
  room: RevocationRoom,
  telemetry: Telemetry,
  { metric, reason }: Exchange,
  work: (unit: Unit) => Promise<Outcome<T>>,
): Promise<T> {
  const attempt = async (unit: Unit) => {
    const found = await work(unit);
    if (found.kind === 'reused') await endSession(room, unit, { sid: found.session.sid, reason });
    return found;
  };
  const outcome = await transactions.untilTime(() => group.run(attempt));
  telemetry.count(metric, { result: outcome.kind });
  if (outcome.kind === 'early') return outcome.asItIs;
  if (outcome.kind !== 'reused') return signing.sign(outcome.answer);
  const { sid, sub, clientId } = outcome.session;
  telemetry.count('rescind_refresh_reuse_total');
  telemetry.log('warn', 'authn_token_reuse', { sid, sub, clientId, reason });
  throw new RescindError('grant_reused');
}
