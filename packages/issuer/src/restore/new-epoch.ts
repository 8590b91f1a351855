import type { EventRecord } from '@rescind/feed';
import type { Denial, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS, NEVER, UNBOUNDED } from '@rescind/revocation';
import type { OtherIssuer } from '../issuer.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Revocation } from '../log/appender.ts';
import { revocationOf } from '../log/appender.ts';
import { toEpoch } from '../log/epoch.ts';
import { endsSessions } from '../revoke/denials.ts';
import { inParts } from '../revoke/parts.ts';
import { createId } from '../session/mint.ts';
import type { KeyPurpose } from '../sql/keys.ts';
import type { Store } from '../sql/store.ts';
import type { Unit } from '../transactions.ts';
import type { Evidence } from './evidence.ts';
import type { RestorePlan } from './plan.ts';
import { toRevocation } from './plan.ts';

interface Restoring {
  readonly issuer: string;
  readonly otherIssuers: readonly OtherIssuer[];
  readonly store: Store;
  readonly keyrings: Readonly<Record<KeyPurpose, Keyring>>;
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
  const { issuer, store, keyrings, evidence, plan, signingKid } = restoring;
  store.meta.clockFloor.set(latestTime(evidence) + 1);
  const at = unit.now();
  ensureEventKey(store, keyrings.event, at);
  let endedSessions = evidence.events.reduce((total, event) => total + importEvent(restoring, event, at), 0);
  // Logouts are missing that nobody can tell: whoever is logged in has to log in again.
  if (!plan.whole) endedSessions += store.sessions.end('iss', issuer, at, REASON, at);

  const live = liveRevocations(restoring, at);
  const epoch = toEpoch(plan.counter);
  store.outbox.clear();
  store.meta.openEpoch(epoch);
  for (const revocation of live) unit.append(revocation);
  const revokedKids = replaceKeys(store, keyrings, signingKid, at);
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
function importEvent({ store, issuer }: Restoring, event: EventRecord, at: EpochMillis): number {
  let ended = 0;
  for (const cutoff of event.cutoffs) {
    store.revocations.merge(cutoff);
    if (cutoff.iss !== issuer || !endsSessions(cutoff.claim)) continue;
    ended += store.sessions.end(cutoff.claim, cutoff.value, at, event.reason, cutoff.sessionUntil);
  }
  return ended;
}

/** What still denies, of the database and of the events imported: each once, in the order it was said in. */
function liveRevocations({ store, evidence }: Restoring, at: EpochMillis): Revocation[] {
  const alive = at - CLOCK_TOLERANCE_MS;
  const own = store.outbox.live(alive).map(revocationOf);
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

/** Without its file the key that signed is lost: readers fetch the new one, and keep the old for what it signed. */
function ensureEventKey({ keys }: Store, keyring: Keyring, at: EpochMillis): void {
  const kid = keys.active('event');
  if (kid !== undefined && keyring.kids().includes(kid)) return;
  if (kid !== undefined) keys.setState(kid, 'former');
  keys.insert(keyring.make().kid, 'event', 'active', at);
}

/** Every key that anything in the lost state may have been signed with; those revoked before have their events. */
function replaceKeys(
  { keys }: Store,
  { token }: Readonly<Record<KeyPurpose, Keyring>>,
  signingKid: string,
  at: EpochMillis,
): string[] {
  const states = new Map(keys.all('token').map(({ kid, state }) => [kid, state]));
  const older = token.everyKid().filter((kid) => kid !== signingKid && states.get(kid) !== 'revoked');
  for (const kid of older) {
    if (states.has(kid)) keys.setState(kid, 'revoked');
    else keys.insert(kid, 'token', 'revoked', at);
  }
  keys.insert(signingKid, 'token', 'active', at);
  return older;
}

function denyKid(iss: string, kid: string): Denial {
  return { iss, claim: 'kid', value: kid, expiresAt: NEVER, endsSession: false };
}
