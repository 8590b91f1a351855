import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { isCallersError } from '@rescind/revocation/errors';
import * as calls from './call-options.ts';
import { registrationsIn } from './clients/registry.ts';
import type { IssuerContext } from './context.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Issuer, IssuerTransaction } from './issuer.ts';
import type { Client } from './issuer-clients.ts';
import type { RevokeKey, RotateKey } from './issuer-keys.ts';
import type { AccessAnswer, RefreshRequest } from './issuer-sessions.ts';
import { keyCommandsIn } from './keys/commands.ts';
import { endSession, revoke, revokeToken } from './revoke/revoke.ts';
import { beginLogin, issueClientToken } from './session/login.ts';
import type { ThreadSigning, Unsigned } from './session/mint.ts';
import { reauthenticate, reissue, requireReauthentication, stepUp } from './session/reauthenticate.ts';
import type { OnFound } from './session/refresh.ts';
import { refresh } from './session/refresh.ts';
import { renew } from './session/renew.ts';
import { renameSession } from './session/views.ts';
import type { Session } from './store/sessions.ts';
import type { Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';
import { eventMembersOf, forgetOrigins, isOfUser, recordEvent } from './user-events/recorder.ts';
import type { Refusals } from './user-events/refusals.ts';

/** How a write is committed: alone, or together with concurrent ones. */
interface WriteModes {
  readonly transactions: Transactions;
  readonly group: GroupCommit;
  readonly signing: ThreadSigning;
  readonly refusals: Refusals;
}

/** The only functions that write: a transaction, and the two exchanges of tokens that share a transaction with concurrent ones. */
export function createWrites(
  context: IssuerContext,
  modes: WriteModes,
  telemetry: Telemetry,
): Pick<Issuer, 'transaction' | 'refresh' | 'renew'> {
  return {
    transaction: (work) =>
      modes.transactions.runAndRetry(async (tx) => {
        const pending = createPending();
        const result = await work(toTransaction(context, tx, pending.call));
        pending.end();
        return result;
      }),
    async refresh(given) {
      const request = calls.refreshOptions(given);
      const attempt = (tx: Transaction, onFound: OnFound) => refresh(context, tx, request, onFound);
      return exchange(modes, context, telemetry, { ...REFRESH, onRecovered: request.onRecovered }, attempt);
    },
    async renew(given) {
      const request = calls.renewOptions(given);
      return exchange(modes, context, telemetry, RENEWAL, (tx, onFound) => renew(context, tx, request, onFound));
    },
  };
}

type Call = <R>(method: () => Promise<R>) => Promise<R>;

/** The calls of one transaction that have not settled: part of an unawaited call must not be committed. */
function createPending(): { readonly call: Call; end(): void } {
  const pending = new Set<Promise<unknown>>();
  let isOver = false;
  return {
    call(method) {
      if (isOver) throw new Error('the transaction is over: its work must not continue after it');
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

/** Every method of a transaction: checks its arguments, and runs the operation. */
function toTransaction(context: IssuerContext, tx: Transaction, call: Call): IssuerTransaction {
  const method =
    <A, R>(check: (given: A) => A, work: (context: IssuerContext, tx: Transaction, given: A) => Promise<R>) =>
    (given: A) =>
      call(async () => work(context, tx, check(given)));
  return {
    sql: tx.store.sql,
    beginSession: method(calls.beginSessionOptions, beginLogin),
    endSession: method(calls.endSessionOptions, endSession),
    endAllSessions: method(calls.endAllSessionsOptions, revoke),
    revoke: method(calls.cutOffRequests, (...given) => revoke(...given)),
    revokeToken: method(calls.revokeTokenOptions, revokeToken),
    subjectChanged: method(calls.subjectChangeOptions, (...given) => revoke(...given)),
    requireReauthentication: method(calls.reauthenticationDemand, requireReauthentication),
    reauthenticate: method(calls.reauthenticationOptions, reauthenticate),
    stepUp: method(calls.stepUpOptions, stepUp),
    issueClientToken: method(calls.clientTokenOptions, issueClientToken),
    reissue: method(calls.reissueOptions, reissue),
    renameSession: method(calls.renameOptions, renameSession),
    recordEvent: method(calls.recordedUserEvent, recordEvent),
    forgetOrigins: method(calls.subject, forgetOrigins),
    get clients() {
      const clients = registrationsIn(context.clients, tx);
      return {
        put: (client: Client) => call(() => clients.put(client)),
        find: (clientId: string) => call(() => clients.find(clientId)),
        list: () => call(clients.list),
        remove: (clientId: string) => call(() => clients.remove(clientId)),
        addSecret: (clientId: string) => call(() => clients.addSecret(clientId)),
      };
    },
    get keys() {
      const keys = keyCommandsIn(context, tx);
      return {
        rotate: (rotation: RotateKey) => call(() => keys.rotate(rotation)),
        revoke: (revocation: RevokeKey) => call(() => keys.revoke(revocation)),
      };
    },
  };
}

type Outcome<T extends AccessAnswer> =
  | { readonly kind: 'rotated' | 'kept' | 'renewed' | 'repeated'; readonly answer: Unsigned<T> }
  | { readonly kind: 'recovered'; readonly answer: Unsigned<T>; readonly session: Session }
  | { readonly kind: 'early'; readonly asItIs: T }
  | { readonly kind: 'reused'; readonly session: Session };

interface Exchange {
  readonly metric: 'rescind_refresh_total' | 'rescind_renewals_total';
  readonly reason: string;
  readonly onRecovered?: RefreshRequest['onRecovered'] | undefined;
}

const REFRESH: Exchange = { metric: 'rescind_refresh_total', reason: 'refresh_token_reused' };
const RENEWAL: Exchange = { metric: 'rescind_renewals_total', reason: 'access_token_reused' };

/** Exchanges a token for another. Reuse of a token ends its session, and is logged. */
async function exchange<T extends AccessAnswer>(
  { transactions, group, signing, refusals }: WriteModes,
  context: IssuerContext,
  telemetry: Telemetry,
  { metric, reason, onRecovered }: Exchange,
  work: (tx: Transaction, onFound: OnFound) => Promise<Outcome<T>>,
): Promise<T> {
  const { userEvents } = context;
  let presented: Session | undefined;
  const attempt = async (tx: Transaction) => {
    const found = await work(tx, (session) => {
      presented = session;
    });
    if (found.kind !== 'reused') return found;
    const { sid } = found.session;
    await userEvents.as('issuer', async () => {
      await userEvents.record(tx, { type: 'token_reused', reason, ...eventMembersOf(found.session) });
      await endSession(context, tx, { sid, reason });
    });
    return found;
  };
  const outcome = await refusing(
    () => transactions.retryWhileClockAhead(() => group.run(attempt)),
    (error) => recordRefusal(refusals, presented, error),
  );
  telemetry.count(metric, { result: outcome.kind });
  if (outcome.kind === 'early') return outcome.asItIs;
  if (outcome.kind === 'recovered') {
    const { sid, sub, clientId, address } = outcome.session;
    telemetry.log('info', 'authn_token_recovered', { sid, sub, clientId });
    onRecovered?.({ sid, sub, clientId, address });
  }
  if (outcome.kind !== 'reused') return signing.sign(outcome.answer);
  const { sid, sub, clientId } = outcome.session;
  telemetry.count('rescind_refresh_reuse_total');
  telemetry.log('warn', 'authn_token_reuse', { sid, sub, clientId, reason });
  throw new RescindError('grant_reused');
}

async function refusing<T>(work: () => Promise<T>, refused: (error: RescindError) => void): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RescindError && isCallersError(error)) refused(error);
    throw error;
  }
}

/** Records a refused exchange of a token whose session is known: a token of nobody is no event of a user. */
function recordRefusal(refusals: Refusals, session: Session | undefined, { code, reason }: RescindError): void {
  if (session === undefined || !isOfUser(session)) return;
  const { sub, sid, clientId, deviceName, address, userAgent } = session;
  refusals.add({
    ...{ type: 'refresh_refused', code, reason, sub, sid, clientId, deviceName: deviceName ?? undefined },
    origin: { ...(address === null ? {} : { address }), ...(userAgent === null ? {} : { userAgent }) },
  });
}
