import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import * as calls from './call-options.ts';
import { registrationsIn } from './clients/registry.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Issuer, IssuerTransaction } from './issuer.ts';
import type { AccessAnswer } from './issuer-sessions.ts';
import { keyCommandsIn } from './keys/management.ts';
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

export interface WritingRoom extends RevocationRoom, RenewalRoom {}

/** How it is written: alone, or with what else comes at once. */
interface Ways {
  readonly transactions: Transactions;
  readonly group: GroupCommit;
  readonly signing: ThreadSigning;
}

/** The one way to write, and the two exchanges of tokens that share a transaction with whatever else comes at once. */
export function createWrites(
  room: WritingRoom,
  ways: Ways,
  telemetry: Telemetry,
): Pick<Issuer, 'transaction' | 'refresh' | 'renew'> {
  return {
    transaction: (work) =>
      ways.transactions.runInTime(async (unit) => {
        const pending = createPending();
        const result = await work(toTransaction(room, unit, pending.call));
        pending.end();
        return result;
      }),
    async refresh(given) {
      const request = calls.refreshOptions(given);
      return exchange(ways, room, telemetry, REFRESH, (unit) => refresh(room, unit, request));
    },
    async renew(given) {
      const request = calls.renewOptions(given);
      return exchange(ways, room, telemetry, RENEWAL, (unit) => renew(room, unit, request));
    },
  };
}

type Call = <R>(method: () => Promise<R>) => Promise<R>;

/** The calls of one transaction: half of one that nobody awaits must not be committed. */
function createPending(): { readonly call: Call; end(): void } {
  const pending = new Set<Promise<unknown>>();
  let isOver = false;
  return {
    call(method) {
      if (isOver) throw new Error('the transaction is over: its work must not go on after it');
      const called = method();
      pending.add(called);
      const settled = () => pending.delete(called);
      called.then(settled, settled);
      return called;
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

/** Every method of a transaction: the check of what it is given, and what it does. */
function toTransaction(room: WritingRoom, unit: Unit, call: Call): IssuerTransaction {
  const method =
    <A, R>(check: (given: A) => A, work: (room: WritingRoom, unit: Unit, given: A) => Promise<R>) =>
    (given: A) =>
      call(async () => work(room, unit, check(given)));
  const clients = registrationsIn(room.clients, unit);
  const keys = keyCommandsIn(room, unit);
  return {
    sql: unit.store.sql,
    beginSession: method(calls.beginSessionOptions, beginLogin),
    endSession: method(calls.endSessionOptions, endSession),
    endAllSessions: method(calls.endAllSessionsOptions, revoke),
    revoke: method(calls.cutoffRequests, (...given) => revoke(...given)),
    revokeToken: method(calls.revokeTokenOptions, revokeToken),
    subjectChanged: method(calls.subjectChangeOptions, (...given) => revoke(...given)),
    requireReauthentication: method(calls.reauthenticationDemand, requireReauthentication),
    reauthenticate: method(calls.reauthenticationOptions, reauthenticate),
    stepUp: method(calls.stepUpOptions, stepUp),
    reissue: method(calls.reissueOptions, reissue),
    renameSession: method(calls.renameOptions, renameSession),
    clients: {
      put: (client) => call(() => clients.put(client)),
      find: (clientId) => call(() => clients.find(clientId)),
      list: () => call(clients.list),
      remove: (clientId) => call(() => clients.remove(clientId)),
      addSecret: (clientId) => call(() => clients.addSecret(clientId)),
    },
    keys: {
      rotate: (rotation) => call(() => keys.rotate(rotation)),
      revoke: (revocation) => call(() => keys.revoke(revocation)),
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
