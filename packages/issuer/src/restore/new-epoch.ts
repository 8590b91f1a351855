import type { EventRecord } from '@rescind/feed';
import type { Denial, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, UNBOUNDED } from '@rescind/revocation';
import type { OtherIssuer } from '../issuer.ts';
import type { KeyPurpose } from '../issuer-keys.ts';
import type { KeyRoom } from '../keys/changes.ts';
import { algorithmOf, retirementOf } from '../keys/changes.ts';
import { EVENT_ALGORITHM } from '../keys/event-signing.ts';
import type { Revocation } from '../log/appender.ts';
import { revocationOf } from '../log/appender.ts';
import { toEpoch } from '../log/epoch.ts';
import { denyRevokedEventKeys } from '../log/event-key-denials.ts';
import { denyKid, endsSessions, isAboutEventKeys } from '../revoke/denials.ts';
import { inParts } from '../revoke/parts.ts';
import { createId } from '../session/mint.ts';
import type { Unit } from '../transactions.ts';
import type { Evidence } from './evidence.ts';
import type { RestorePlan } from './plan.ts';
import { toRevocation } from './plan.ts';

interface Restoring {
  readonly issuer: string;
  readonly otherIssuers: readonly OtherIssuer[];
  readonly keys: KeyRoom;
  readonly evidence: Evidence;
  readonly plan: RestorePlan;
  /** Made before: its file is there. */
  readonly signingKid: string;
}

export interface NewEpoch {
  readonly epoch: string;
  readonly endedSessions: number;
  readonly revokedKids: readonly string[];
  readonly signingKid: string;
  readonly appendedEvents: number;
}

const REASON = 'issuer_restored';

/** Everything that a restore changes in the database, inside one transaction. */
export function openNewEpoch(restoring: Restoring, unit: Unit): NewEpoch {
  const { issuer, keys, evidence, plan, signingKid } = restoring;
  const { store } = keys;
  store.meta.clockFloor.set(latestTime(evidence) + 1);
  const at = unit.now();
  // What is left out of the new epoch stays dead only if the clock never shows an earlier time.
  store.meta.clockFloor.set(at);
  importRevokedEventKeys(keys, evidence, at);
  ensureEventKey(keys, at);
  let endedSessions = evidence.events.reduce((total, event) => total + importEvent(restoring, event, at), 0);
  // Logouts are missing that nobody can tell: whoever is logged in has to log in again.
  if (!plan.whole) endedSessions += store.sessions.end('iss', issuer, at, REASON, at);

  const live = liveRevocations(restoring, at);
  const epoch = toEpoch(plan.counter);
  unit.openEpoch(epoch);
  denyRevokedEventKeys(store, unit, at);
  for (const revocation of live) unit.append(revocation);
  const revokedKids = replaceTokenKeys(keys, signingKid, at);
  const deny = [...revokedKids.map((kid) => denyKid(issuer, kid)), ...restoring.otherIssuers.map(denyOther)];
  const parts = inParts(deny);
  const txn = createId();
  for (const part of parts) unit.append({ txn, reason: REASON, deny: part });
  return { epoch, endedSessions, revokedKids, signingKid, appendedEvents: live.length + parts.length };

  function denyOther({ issuer: iss, longestTokenTtlMs }: OtherIssuer): Denial {
    const issuedUntil = unit.cutOffTime();
    const expiresAt = issuedUntil + longestTokenTtlMs;
    return { iss, claim: 'iss', value: iss, issuedUntil, expiresAt, endsSession: true };
  }
}

/** The clock goes on from the latest time that anything of the lost state shows. */
function latestTime({ latest, events }: Evidence): EpochMillis {
  const bounds = events.flatMap(({ cutoffs }) => cutoffs.map(({ issuedUntil }) => issuedUntil));
  return Math.max(latest, ...bounds.filter((until) => until !== UNBOUNDED));
}

/** The sessions it ended, in the database as it is now. Its rows come with the event that says it anew. */
function importEvent({ keys: { store }, issuer }: Restoring, event: EventRecord, at: EpochMillis): number {
  let ended = 0;
  for (const cutoff of event.cutoffs) {
    store.revocations.merge(cutoff);
    if (cutoff.iss !== issuer || !endsSessions(cutoff.claim)) continue;
    ended += store.sessions.end(cutoff.claim, cutoff.value, at, event.reason, cutoff.sessionUntil);
  }
  return ended;
}

/** What the log has said of event keys since: they stay revoked. */
function importRevokedEventKeys({ store: { keys } }: KeyRoom, { events }: Evidence, at: EpochMillis): void {
  for (const kid of new Set(events.flatMap(({ kills }) => kills))) {
    if (keys.find(kid) !== undefined) keys.revoke(kid);
    else
      keys.insert({ kid, purpose: 'event', alg: EVENT_ALGORITHM, state: 'revoked', cause: 'restore', createdAt: at });
  }
}

/** What still denies, of the database and of the events imported: each once, in the order it was said in. */
function liveRevocations({ keys: { store }, evidence }: Restoring, at: EpochMillis): Revocation[] {
  const alive = at - CLOCK_TOLERANCE_MS;
  const own = store.outbox
    .live(alive)
    .map(revocationOf)
    .filter(({ deny }) => !isAboutEventKeys(deny));
  const imported = evidence.events
    .map(toRevocation)
    .filter(({ deny }) => deny.some(({ expiresAt }) => expiresAt > alive));
  const all = [...own, ...imported].map(
    (revocation) => [`${revocation.txn} ${namesOf(revocation)}`, revocation] as const,
  );
  return [...new Map(all).values()];
}

function namesOf({ deny }: Revocation): string {
  return JSON.stringify(deny.map(({ iss, claim, value }) => [iss, claim, value]));
}

/**
 * Without its file the key that signed is lost, or has retired since: a new one signs. Others may have signed what readers
 * still have: they stay published for as long as the topic remembers.
 */
function ensureEventKey(room: KeyRoom, at: EpochMillis): void {
  const { keys } = room.store;
  const { event } = room.keyrings;
  const retiresAt = retirementOf('event', at, room);
  const active = keys.active('event');
  const stays = active !== undefined && event.signing(active) !== undefined;
  for (const { kid, alg } of event.published()) {
    if (stays && kid === active) continue;
    if (keys.find(kid) === undefined) {
      keys.insert({ kid, purpose: 'event', alg, state: 'former', cause: 'restore', createdAt: at });
    }
    keys.retire(kid, retiresAt);
  }
  if (stays) return;
  if (active !== undefined) keys.retire(active, retiresAt);
  insertActive(room, 'event', event.make(EVENT_ALGORITHM).kid, at);
}

/** Every key that anything in the lost state may have been signed with; those revoked before have their events. */
function replaceTokenKeys(room: KeyRoom, signingKid: string, at: EpochMillis): string[] {
  const { keys } = room.store;
  const { token } = room.keyrings;
  const older = token.everyKid().filter((kid) => kid !== signingKid && keys.stateOf(kid) !== 'revoked');
  const algorithms = new Map(token.published().map(({ kid, alg }) => [kid, alg]));
  for (const kid of older) {
    const alg = algorithms.get(kid) ?? algorithmOf('token', room);
    if (keys.find(kid) === undefined) {
      keys.insert({ kid, purpose: 'token', alg, state: 'revoked', cause: 'restore', createdAt: at });
    } else keys.revoke(kid);
  }
  insertActive(room, 'token', signingKid, at);
  return older;
}

function insertActive(room: KeyRoom, purpose: KeyPurpose, kid: string, createdAt: EpochMillis): void {
  const alg = algorithmOf(purpose, room);
  room.store.keys.insert({ kid, purpose, alg, state: 'active', cause: 'restore', createdAt });
}
