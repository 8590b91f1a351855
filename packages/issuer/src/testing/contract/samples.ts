import type { EpochMillis } from '@rescind/revocation';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { NO_SESSION } from '@rescind/revocation/cut-off';
import type { RegisteredClient } from '../../issuer-clients.ts';
import type { InstanceRow } from '../../store/instances.ts';
import type { OutboxRow } from '../../store/log.ts';
import type { Minted, NewSession } from '../../store/sessions.ts';
import type { StoreTransaction } from '../../store/store.ts';
import type { NewUserEvent } from '../../store/user-events.ts';

export const START: EpochMillis = 1_800_000_000_000;
export const ISSUER = 'https://login.example';
export const OTHER = 'https://other.example';
export const EPOCH = '0000000001-first';
export const NEXT_EPOCH = '0000000002-next';
/** Deadlines of the samples' sessions; their tokens live longer, so that `Sessions.live` shows the greatest `exp`. */
export const IDLE: EpochMillis = START + 100_000;
export const ABSOLUTE: EpochMillis = START + 200_000;
export const EXP: EpochMillis = START + 900_000;
export const LATER_EXP: EpochMillis = START + 1_000_000;

/** A hash or a digest: the bytes of a name. */
export const bytes = (name: string): Buffer => Buffer.from(name.padEnd(16, '.'));

export function session(number: number, sub: string, clientId: string): NewSession {
  const at = START + number;
  return {
    sid: `s-${number}`,
    sub,
    clientId,
    audience: ['prices', 'orders'],
    scope: 'read',
    deviceName: 'laptop',
    deviceId: null,
    address: '192.0.2.1',
    userAgent: null,
    storage: 'body',
    amr: ['pwd'],
    acr: null,
    policy: null,
    credentialVersion: 1,
    createdAt: at,
    authTime: at,
    lastUsedAt: at,
    idleExpiresAt: IDLE,
    absoluteExpiresAt: ABSOLUTE,
    selector: `selector-${number}`,
    verifierHash: bytes(`hash-${number}`),
  };
}

export function minted(number: number, more: Partial<Minted> = {}): Minted {
  const at = START + number;
  return { sid: `s-${number}`, at, idleExpiresAt: IDLE, jti: `jti-${number}`, exp: EXP, scope: null, ...more };
}

export function client(clientId: string, more: Partial<RegisteredClient> = {}): RegisteredClient {
  const secretHashes = ['hash'];
  return {
    clientId,
    name: clientId,
    authMethod: 'client_secret_basic',
    secretHashes,
    mayIntrospect: false,
    policy: { refreshGraceMs: 0 },
    disabled: false,
    ...more,
  };
}

export function cutoff(claim: string, value: string, more: Partial<CutOffRow> = {}): CutOffRow {
  return {
    ...{ iss: ISSUER, claim, value, issuedUntil: START + 5, expiresAt: EXP, sessionUntil: NO_SESSION },
    ...{ txn: 'txn-b', reason: 'logout', epoch: EPOCH, seq: 2 },
    ...more,
  };
}

export function event(seq: number, txn: string, more: Partial<OutboxRow> = {}): OutboxRow {
  const [at, type] = [START + seq, 'session-revoked'];
  return {
    ...{ epoch: EPOCH, seq, jti: `id-${seq}`, txn, type, jws: `jws-${seq}`, expiresAt: EXP, appendedAt: at },
    ...more,
  };
}

export function instance(id: string, more: Partial<InstanceRow> = {}): InstanceRow {
  return {
    ...{ id, clientId: 'prices', name: 'host:1', version: '1.0.0', transport: 'kafka', suspect: null, epoch: EPOCH },
    ...{ seq: 2, ageMs: 12.5, reportedAt: START + 20, forgotten: false },
    leases: [
      { from: START, until: START + 10, ending: 'lost' },
      { from: START + 15, until: null, ending: null },
    ],
    steps: [{ epoch: EPOCH, seq: 2, at: START + 9 }],
    ...more,
  };
}

export function userEvent(number: number, more: Partial<NewUserEvent> = {}): NewUserEvent {
  const at = START + number;
  return {
    ...{ at, lastAt: at, type: 'login', sub: 'ada', sid: 's-1', clientId: 'web', code: null, reason: null },
    ...{ actor: 'user', txn: null, address: '192.0.2.0/24', userAgent: 'Browser', deviceName: null, count: 1 },
    ...more,
  };
}

/** The events of the samples: two of one time, one of another user, one without a user, and one of everybody. */
export const USER_EVENTS: readonly NewUserEvent[] = [
  userEvent(2),
  userEvent(1, { sub: 'bob', sid: 's-3', deviceName: 'laptop', userAgent: null }),
  userEvent(2, { type: 'session_ended', reason: 'logout', txn: 'txn-b', address: null, userAgent: null }),
  userEvent(3, {
    type: 'login_refused',
    sub: null,
    sid: null,
    code: 'credentials_wrong',
    count: 4,
    lastAt: START + 40,
  }),
  userEvent(4, { type: 'sessions_ended', sub: null, sid: null, clientId: null, reason: 'emergency', count: 12_000 }),
];

/** Writes the samples with which every case begins. */
export async function fill(tx: StoreTransaction): Promise<void> {
  const { meta, keys, sessions, clients, revocations, outbox, closingEvents, otherIssuers, instances, userEvents } = tx;
  await meta.setIssuer(ISSUER);
  await meta.openEpoch(EPOCH);
  await meta.raiseClockFloor(START + 30);
  for (const purpose of ['token', 'event'] as const) {
    const key = { purpose, alg: 'RS256', cause: 'start' } as const;
    await keys.insert({ ...key, kid: `${purpose}-former`, state: 'active', createdAt: START });
    await keys.retire(`${purpose}-former`, EXP);
    await keys.insert({ ...key, kid: `${purpose}-active`, state: 'active', createdAt: START + 1 });
    await keys.insert({ ...key, kid: `${purpose}-next`, state: 'next', createdAt: START + 2 });
  }
  const people = [['ada', 'web'] as const, ['ada', 'app'] as const, ['bob', 'web'] as const, ['eve', 'web'] as const];
  for (const [index, [sub, clientId]] of people.entries()) {
    await sessions.insert(session(index + 1, sub, clientId));
    await sessions.mint(minted(index + 1));
  }
  await sessions.end('sid', 's-4', START + 10, 'logout', START + 10);
  for (const clientId of ['web', 'app']) await clients.put(client(clientId));
  await clients.takeAssertion('app', bytes('assertion'), START + 60_000);
  await revocations.merge(cutoff('sid', 's-4'));
  await revocations.merge(cutoff('sub', 'ada', { expiresAt: START + 1_000 }));
  await revocations.merge(cutoff('tenant', 'north', { iss: OTHER }));
  await otherIssuers.add(OTHER);
  await outbox.append(event(1, 'txn-a', { expiresAt: START + 1_000 }));
  await outbox.append(event(2, 'txn-b'));
  await outbox.append(event(3, 'txn-b'));
  await outbox.append(event(4, 'txn-c'));
  await meta.moveHead(4, 'id-4');
  await meta.setSentSeq(EPOCH, 2);
  await closingEvents.add({ epoch: '0000000000-before', jws: 'last' });
  for (const id of ['i-1', 'i-2']) await instances.put(instance(id));
  for (const one of USER_EVENTS) await userEvents.append(one);
}
