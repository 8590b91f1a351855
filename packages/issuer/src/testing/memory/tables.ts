import type { EpochMillis } from '@rescind/revocation';
import { mergeRows, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { KeyState } from '../../issuer-keys.ts';
import type { Instances } from '../../store/instances.ts';
import type { OtherIssuers, Revocations, StoredTimes } from '../../store/log.ts';
import type { SessionClaim } from '../../store/sessions.ts';
import type { Clients, KeyRow, Keys, StoreTransaction } from '../../store/store.ts';

import { createClosingEvents, createMeta, createOutbox } from './log.ts';
import { createSessions } from './sessions.ts';
import type { Access, SessionRow } from './state.ts';
import { ascending, keyOf } from './state.ts';
import { createUserEvents } from './user-events.ts';

type Tables = Omit<StoreTransaction, 'sql' | 'savepoint'>;

/** Every table of the issuer. */
export function createTables(access: Access): Tables {
  return {
    meta: createMeta(access),
    keys: createKeys(access),
    sessions: createSessions(access),
    clients: createClients(access),
    revocations: createRevocations(access),
    outbox: createOutbox(access),
    closingEvents: createClosingEvents(access),
    otherIssuers: createOtherIssuers(access),
    storedTimes: createStoredTimes(access),
    instances: createInstances(access),
    userEvents: createUserEvents(access),
  };
}

const STATES: readonly KeyState[] = ['active', 'next', 'former', 'revoked'];

function createKeys({ state, draft }: Access): Keys {
  const of = (purpose: string) => [...state().keys.values()].filter((key) => key.purpose === purpose);
  const inState = (purpose: string, wanted: KeyState) => of(purpose).find((key) => key.state === wanted);

  function put(key: KeyRow): void {
    const other = key.state === 'active' || key.state === 'next' ? inState(key.purpose, key.state) : undefined;
    if (other !== undefined && other.kid !== key.kid) throw new Error(`${other.kid} is ${key.state}`);
    draft().keys.set(key.kid, key);
  }

  function patch(kid: string, columns: Partial<KeyRow>): void {
    const key = state().keys.get(kid);
    if (key !== undefined) put({ ...key, ...columns });
  }

  return {
    find: async (kid) => state().keys.get(kid),
    active: async (purpose) => inState(purpose, 'active')?.kid,
    next: async (purpose) => inState(purpose, 'next'),
    async all(purpose) {
      const rank = (key: KeyRow) => STATES.indexOf(key.state);
      return of(purpose).sort((a, b) => rank(a) - rank(b) || a.createdAt - b.createdAt || ascending(a.kid, b.kid));
    },
    async insert(key) {
      if (state().keys.has(key.kid)) throw new Error(`there is a key ${key.kid}`);
      put({ ...key, activatedAt: key.state === 'active' ? key.createdAt : null, retiresAt: null });
    },
    async activate(kid, at) {
      patch(kid, { state: 'active', activatedAt: at });
    },
    async retire(kid, retiresAt) {
      patch(kid, { state: 'former', retiresAt });
    },
    async revoke(kid) {
      patch(kid, { state: 'revoked', retiresAt: null });
    },
    async delete(kid) {
      draft().keys.delete(kid);
    },
  };
}

function createClients({ state, draft }: Access): Clients {
  return {
    find: async (clientId) => state().clients.get(clientId),
    all: async () => [...state().clients.values()].sort((a, b) => ascending(a.clientId, b.clientId)),
    async put(client) {
      draft().clients.set(client.clientId, client);
    },
    delete: async (clientId) => draft().clients.delete(clientId),
    async takeAssertion(clientId, digest, expiresAt) {
      const key = keyOf(clientId, digest);
      if (state().assertions.has(key)) return false;
      draft().assertions.set(key, expiresAt);
      return true;
    },
    async pruneAssertions(before) {
      for (const [key, expiresAt] of state().assertions) if (expiresAt < before) draft().assertions.delete(key);
    },
  };
}

function createRevocations({ state, draft }: Access): Revocations {
  const find = (iss: string, claim: string, value: string) => state().cutoffs.get(keyOf(iss, claim, value));
  return {
    async about(iss, values) {
      const cutoffs = [...state().cutoffs.values()].filter((cutoff) => cutoff.iss === iss);
      const names = [...new Set(cutoffs.map(({ claim }) => claim))];
      const rows = names.flatMap((claim) => values(claim).map((value) => find(iss, claim, value)));
      return { names, rows: rows.filter((row) => row !== undefined) };
    },
    row: async (iss, claim, value) => find(iss, claim, value),
    async merge(cutoff) {
      const { iss, claim, value } = cutoff;
      const existing = find(iss, claim, value);
      draft().cutoffs.set(keyOf(iss, claim, value), existing === undefined ? cutoff : mergeRows(existing, cutoff));
    },
    async prune(before) {
      const dead = [...state().cutoffs].filter(([, { expiresAt }]) => expiresAt < before);
      for (const [key] of dead) draft().cutoffs.delete(key);
      return dead.length;
    },
  };
}

function createOtherIssuers({ state, draft }: Access): OtherIssuers {
  return {
    all: async () => [...state().otherIssuers].sort(ascending),
    async add(iss) {
      draft().otherIssuers.add(iss);
    },
  };
}

function createInstances({ state, draft }: Access): Instances {
  return {
    all: async () => [...state().instances.values()].sort((a, b) => ascending(a.id, b.id)),
    async put(instance) {
      draft().instances.set(instance.id, structuredClone(instance));
    },
    async delete(id) {
      draft().instances.delete(id);
    },
  };
}

const SESSION_CLAIMS: readonly string[] = ['sid', 'sub', 'client_id', 'iss'] satisfies SessionClaim[];

function createStoredTimes({ state, draft }: Access): StoredTimes {
  return {
    async softBeyond(iss, at) {
      return [...state().cutoffs.values()].flatMap((cutoff) => {
        const { claim, value, issuedUntil, sessionUntil } = cutoff;
        const isSoft = issuedUntil < UNBOUNDED && sessionUntil < issuedUntil;
        const isBeyond = cutoff.iss === iss && issuedUntil > at && isSoft && SESSION_CLAIMS.includes(claim);
        return isBeyond ? [{ claim: claim as SessionClaim, value }] : [];
      });
    },
    async lower(at, eventKeysUntil) {
      const { keys, sessions, cutoffs, userEvents, meta } = state();
      const lowered = <T extends EpochMillis | null>(time: T) => (time !== null && time > at ? at : time);
      for (const row of sessions.values()) draft().sessions.set(row.sid, lowerSession(row, at));
      for (const key of keys.values()) {
        draft().keys.set(key.kid, {
          ...key,
          createdAt: lowered(key.createdAt),
          activatedAt: lowered(key.activatedAt),
          retiresAt: key.retiresAt === null ? null : Math.min(key.retiresAt, eventKeysUntil),
        });
      }
      const bounded = (time: EpochMillis) => (time < UNBOUNDED ? lowered(time) : time);
      for (const [key, cutoff] of cutoffs) {
        const { issuedUntil, sessionUntil } = cutoff;
        draft().cutoffs.set(key, {
          ...cutoff,
          issuedUntil: bounded(issuedUntil),
          sessionUntil: bounded(sessionUntil),
        });
      }
      for (const event of userEvents.values()) {
        draft().userEvents.set(event.seq, { ...event, at: lowered(event.at), lastAt: lowered(event.lastAt) });
      }
      draft().meta = { ...meta, greatestExp: lowered(meta.greatestExp) };
    },
  };
}

function lowerSession(row: SessionRow, at: EpochMillis): SessionRow {
  const lowered = (time: EpochMillis) => Math.min(time, at);
  const loweredOrNull = (time: EpochMillis | null) => (time === null ? null : lowered(time));
  const deadline = (time: EpochMillis, from: EpochMillis) => (time < UNBOUNDED ? time - Math.max(0, from - at) : time);
  const isPast = (time: EpochMillis | null) => time !== null && time <= at;
  return {
    ...row,
    absoluteExpiresAt: deadline(row.absoluteExpiresAt, row.createdAt),
    idleExpiresAt: deadline(row.idleExpiresAt, row.lastUsedAt),
    createdAt: lowered(row.createdAt),
    authTime: lowered(row.authTime),
    lastUsedAt: lowered(row.lastUsedAt),
    endedAt: loweredOrNull(row.endedAt),
    greatestExp: lowered(row.greatestExp),
    newestExp: loweredOrNull(row.newestExp),
    sealed: isPast(row.rotatedAt) ? row.sealed : null,
    rotatedAt: isPast(row.rotatedAt) ? row.rotatedAt : null,
    renewedAt: isPast(row.renewedAt) ? row.renewedAt : null,
  };
}
