import { AsyncLocalStorage } from 'node:async_hooks';
import type { EpochMillis, Telemetry } from '@rescind/revocation';
import { UNBOUNDED } from '@rescind/revocation/cut-off';
import type { RecordedUserEvent } from '../issuer-user-events.ts';
import type { Session, SessionClaim } from '../store/sessions.ts';
import type { NewUserEvent } from '../store/user-events.ts';
import type { Transaction } from '../transaction.ts';

/** The members of an event that a caller gives; the others are null. */
type EventMembers = Partial<NewUserEvent> & Pick<NewUserEvent, 'type'>;

/**
 * Writes events in the transactions of what they record. An event that cannot be written is counted and logged: no login, no logout and
 * no revocation fails because of it, unless the transaction itself fails.
 */
export interface UserEventRecorder {
  record(tx: Transaction, event: EventMembers): Promise<void>;
  /** As `record`, for a caller that writes the event later. @throws what the store throws */
  write(tx: Transaction, event: NewUserEvent): Promise<void>;
  /** Records the sessions that `sessions.end` is about to end with the same arguments. Default of `begunUntil`: any time. */
  recordEnds(tx: Transaction, ends: SessionEnds, begunUntil?: EpochMillis): Promise<void>;
  /** @see IssuerUserEvents.as */
  as<T>(actor: string, work: () => T): T;
  onAppend(listener: () => void): () => void;
  /** @see IssuerTransaction.forgetOrigins */
  forgetOrigins(tx: Transaction, sub: string): Promise<number>;
}

/** Sessions that end. */
export interface SessionEnds {
  readonly claim: SessionClaim;
  readonly value: string;
  readonly at: EpochMillis;
  readonly reason: string;
  readonly txn: string | null;
}

/** The most sessions that get an event each when they end together. Of more, one event has their number. */
const MAX_ROWS = 10_000;

/** The most rows that one call of `forgetOrigins` changes, since more would delay other writers; and the deleted users that are kept in mind. */
const MAX_FORGOTTEN = 10_000;

const NO_ORIGIN = { address: null, userAgent: null, deviceName: null } as const;

/** The members that an event does not have. */
const NOTHING = {
  ...{ sub: null, sid: null, clientId: null, code: null, reason: null, txn: null },
  ...{ ...NO_ORIGIN, count: 1 },
} as const;

export function createUserEventRecorder(telemetry: Pick<Telemetry, 'count' | 'log'>): UserEventRecorder {
  const actors = new AsyncLocalStorage<string>();
  const listeners = new Set<() => void>();
  /** Deleted users, so that refusals that are written later have no origin either. A login shows that the user exists again. */
  const forgotten = new Set<string>();

  function forget(sub: string): void {
    forgotten.add(sub);
    const [first] = forgotten;
    if (forgotten.size > MAX_FORGOTTEN && first !== undefined) forgotten.delete(first);
  }

  function notify(): void {
    for (const listener of listeners) queueMicrotask(listener);
  }

  async function append(tx: Transaction, event: EventMembers): Promise<void> {
    const { at = tx.now(), sub } = event;
    if (event.type === 'login' && sub) forgotten.delete(sub);
    const origin = sub && forgotten.has(sub) ? NO_ORIGIN : {};
    await tx.store.userEvents.append({
      ...NOTHING,
      actor: actors.getStore() ?? null,
      at,
      lastAt: at,
      ...event,
      ...origin,
    });
  }

  /** Runs `work` so that the rest of the transaction remains when it fails. */
  async function contained(tx: Transaction, work: () => Promise<void>): Promise<void> {
    try {
      await tx.store.savepoint(work);
      tx.afterCommit(notify);
    } catch (error) {
      telemetry.count('rescind_user_events_dropped_total', { reason: 'failed' });
      telemetry.log('error', 'user_event_failed', { error: error instanceof Error ? error.message : String(error) });
    }
  }

  return {
    record: (tx, event) => contained(tx, () => append(tx, event)),
    async write(tx, event) {
      await append(tx, event);
      tx.afterCommit(notify);
    },
    recordEnds: (tx, { claim, value, at, reason, txn }, begunUntil = UNBOUNDED) =>
      contained(tx, async () => {
        const { sessions } = tx.store;
        const shared = { reason, txn, at: tx.now() };
        const count = claim === 'sid' ? 1 : (await sessions.count(claim, value, at)).sessions;
        if (count > MAX_ROWS) {
          await append(tx, { type: 'sessions_ended', ...shared, ...WIDE[claim](value), count });
          return;
        }
        for (const session of await sessions.live(claim, value, at, '', count)) {
          if (isOfUser(session) && session.createdAt <= begunUntil)
            await append(tx, { type: 'session_ended', ...shared, ...eventMembersOf(session) });
        }
      }),
    as: (actor, work) => actors.run(actor, work),
    forgetOrigins(tx, sub) {
      tx.afterCommit(() => forget(sub));
      return tx.store.userEvents.forgetOrigins(sub, MAX_FORGOTTEN);
    },
    onAppend(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** The members of the one event of many sessions. */
const WIDE: Readonly<Record<SessionClaim, (value: string) => Partial<NewUserEvent>>> = {
  sid: (sid) => ({ sid }),
  sub: (sub) => ({ sub }),
  client_id: (clientId) => ({ clientId }),
  iss: () => ({}),
};

/** Whether a session is of a user: that of a client itself (RFC 6749 section 4.4) has no events. */
export function isOfUser({ sub, clientId }: Pick<Session, 'sub' | 'clientId'>): boolean {
  return sub !== clientId;
}

/** What an event has of its session. */
export function eventMembersOf(
  session: Pick<Session, 'sub' | 'sid' | 'clientId' | 'address' | 'userAgent' | 'deviceName'>,
) {
  const { sub, sid, clientId, address, userAgent, deviceName } = session;
  return { sub, sid, clientId, address, userAgent, deviceName };
}

/** `IssuerTransaction.recordEvent`. */
export async function recordEvent(
  { userEvents }: { readonly userEvents: UserEventRecorder },
  tx: Transaction,
  event: RecordedUserEvent,
): Promise<void> {
  await userEvents.record(tx, event);
}

/** `IssuerTransaction.forgetOrigins`. */
export function forgetOrigins(
  { userEvents }: { readonly userEvents: UserEventRecorder },
  tx: Transaction,
  sub: string,
): Promise<number> {
  return userEvents.forgetOrigins(tx, sub);
}
