import type { EventRecord } from '@rescind/feed/event';
import { readOwnEvent } from '@rescind/feed/event';
import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import type { CutOff, Revocation } from '@rescind/revocation/cut-off';
import { NEVER, toRow, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { ClockFloor } from '@rescind/revocation/issuer-clock';
import type { KeyContext } from '../context.ts';
import type { OtherIssuer } from '../issuer.ts';
import type { KeyPurpose } from '../issuer-keys.ts';
import { algorithmOf, retirementOf } from '../keys/changes.ts';
import { denyRevokedEventKeys, toEpoch } from '../log/epoch.ts';
import { EVENT_ALGORITHM } from '../log/source.ts';

import { denyKid, endsSessions, isAboutEventKeys, splitRevocation } from '../revoke/cut-offs.ts';

import { createId } from '../session/refresh-token.ts';
import type { Transaction } from '../transaction.ts';
import type { SessionEnds } from '../user-events/recorder.ts';
import { createUserEventRecorder } from '../user-events/recorder.ts';
import type { Evidence, RestorePlan } from './evidence.ts';

interface Restoring {
  readonly issuer: string;
  /** The floor of the clock that the transaction uses. */
  readonly clockFloor: ClockFloor;
  readonly otherIssuers: readonly OtherIssuer[];
  readonly keys: KeyContext;
  readonly evidence: Evidence;
  readonly plan: RestorePlan;
  /** The key that signs afterwards: its file has been made. */
  readonly signingKid: string;
  /** Whether the clock goes back to the wall clock, and with it every stored time. */
  readonly setsClock: boolean;
}

export interface NewEpoch {
  readonly epoch: string;
  readonly endedSessions: number;
  readonly revokedKids: readonly string[];
  readonly signingKid: string;
  readonly appendedEvents: number;
}

const REASON = 'issuer_restored';
const CLOCK_REASON = 'issuer_clock_set';

/** Everything that a restore changes in the database, inside one transaction. */
export async function openNewEpoch(restoring: Restoring, tx: Transaction): Promise<NewEpoch> {
  const { issuer, clockFloor, keys, evidence, plan, signingKid, setsClock } = restoring;
  const { store } = tx;
  if (!setsClock) clockFloor.set(evidence.latest + 1);
  const at = tx.now();
  // Expired events are left out of the new epoch. Their tokens stay expired only if the clock never shows an earlier time.
  clockFloor.set(at);
  // The backup lacks events, whose seqs readers know. There were fewer of them than milliseconds since 1970, so theirs are lower.
  await store.userEvents.raiseHead(at);
  await importRevokedEventKeys(tx, evidence, at);
  await ensureEventKey(tx, keys, at);
  let endedSessions = 0;
  for (const event of evidence.events) endedSessions += await importEvent(restoring, tx, event, at);
  // Logouts may be missing from the import, so every session ends.
  if (!plan.complete) {
    const everyone = { claim: 'iss', value: issuer, at, reason: REASON, txn: null } as const;
    endedSessions += await endAll(restoring, tx, everyone);
  }
  if (setsClock) endedSessions += await lowerTimes(restoring, tx, at);

  const live = await liveRevocations(restoring, tx, at);
  const epoch = toEpoch(plan.counter);
  await tx.openEpoch(epoch);
  const timeSince = setsClock ? epoch : evidence.timeSince;
  if (timeSince !== null) await store.meta.setTimeSince(timeSince);
  const revokedKids = await replaceTokenKeys(tx, keys, signingKid, at);
  const others = await othersToCutOff(restoring, tx);
  const cutOffs = [...revokedKids.map((kid) => denyKid(issuer, kid)), ...others.map((other) => denyOther(other, tx))];
  const parts = splitRevocation({ txn: createId(), reason: setsClock ? CLOCK_REASON : REASON, cutOffs });
  const appendDenials = () => {
    for (const part of parts) tx.append(part);
  };
  // If the clock is set, the first events deny these tokens: rows that denied them may have been pruned by the time that was ahead.
  if (setsClock) appendDenials();
  await denyRevokedEventKeys(tx, at);
  for (const revocation of live) tx.append(revocation);
  if (!setsClock) appendDenials();
  return { epoch, endedSessions, revokedKids, signingKid, appendedEvents: live.length + parts.length };
}

/** Ends sessions, and records it. @returns how many ended */
function endAll(
  { keys }: Restoring,
  tx: Transaction,
  ends: SessionEnds,
  begunUntil: EpochMillis = UNBOUNDED,
): Promise<number> {
  const recorder = createUserEventRecorder(keys.settings.telemetry);
  const { claim, value, at, reason } = ends;
  return recorder.as('restore', async () => {
    await recorder.recordEnds(tx, ends, begunUntil);
    return tx.store.sessions.end(claim, value, at, reason, begunUntil);
  });
}

/** Lowers the stored times. @returns how many sessions ended: a soft cut-off of a later time, which readers keep, would deny their new tokens */
async function lowerTimes(restoring: Restoring, tx: Transaction, at: EpochMillis): Promise<number> {
  const { issuer, keys } = restoring;
  const { store } = tx;
  let ended = 0;
  for (const { claim, value } of await store.storedTimes.softBeyond(issuer, at)) {
    ended += await endAll(restoring, tx, { claim, value, at, reason: CLOCK_REASON, txn: null });
  }
  await store.storedTimes.lower(at, await retirementOf('event', at, store, keys));
  return ended;
}

/** The other issuers to cut off: those of the options and, if the clock is set, every other issuer in the log, with no expiry. */
async function othersToCutOff(
  { issuer, otherIssuers, setsClock }: Restoring,
  { store }: Transaction,
): Promise<readonly CutOffOther[]> {
  const named = otherIssuers.map((other) => ({ iss: other.issuer, ttlMs: other.longestTokenTtlMs }));
  if (!setsClock) return named;
  const isOther = (iss: string) => iss !== issuer && !named.some((other) => other.iss === iss);
  const spokenOf = (await store.otherIssuers.all()).filter(isOther);
  return [...named, ...spokenOf.map((iss) => ({ iss, ttlMs: NEVER }))];
}

interface CutOffOther {
  readonly iss: string;
  readonly ttlMs: DurationMs;
}

function denyOther({ iss, ttlMs }: CutOffOther, tx: Transaction): CutOff {
  const issuedUntil = tx.cutOffTime();
  const expiresAt = Math.min(NEVER, issuedUntil + ttlMs);
  return { iss, claim: 'iss', value: iss, issuedUntil, expiresAt, sessionUntil: issuedUntil };
}

/** Applies an event to the database. @returns how many sessions it ended. The event itself is appended again later. */
async function importEvent(
  restoring: Restoring,
  tx: Transaction,
  event: EventRecord,
  at: EpochMillis,
): Promise<number> {
  const { issuer } = restoring;
  const { store } = tx;
  const { reason, txn } = event;
  let ended = 0;
  for (const cutOff of event.cutOffs) {
    await store.revocations.merge(toRow(cutOff, event));
    if (cutOff.iss !== issuer || !endsSessions(cutOff.claim)) continue;
    const ends = { claim: cutOff.claim, value: cutOff.value, at, reason, txn };
    ended += await endAll(restoring, tx, ends, cutOff.sessionUntil);
  }
  return ended;
}

/** Revokes the event keys that the imported events revoke. */
async function importRevokedEventKeys(
  { store: { keys } }: Transaction,
  { events }: Evidence,
  at: EpochMillis,
): Promise<void> {
  for (const kid of new Set(events.flatMap(({ kills }) => kills))) {
    if ((await keys.find(kid)) !== undefined) await keys.revoke(kid);
    else
      await keys.insert({
        kid,
        purpose: 'event',
        alg: EVENT_ALGORITHM,
        state: 'revoked',
        cause: 'restore',
        createdAt: at,
      });
  }
}

/** The revocations that still deny, of the database and of the imported events: each once, in the order of the log. */
async function liveRevocations(restoring: Restoring, { store }: Transaction, at: EpochMillis): Promise<Revocation[]> {
  const { evidence } = restoring;
  const alive = at - CLOCK_TOLERANCE_MS;
  const rows = await store.outbox.liveAfter(alive, 0, Number.MAX_SAFE_INTEGER);
  const own = rows.map(({ jws }) => readOwnEvent(jws)).filter((revocation) => !isAboutEventKeys(revocation));
  const imported = evidence.events.filter(({ cutOffs }) => cutOffs.some(({ expiresAt }) => expiresAt > alive));
  const all = [...own, ...imported]
    .flatMap((revocation) => withinTime(restoring, revocation, at))
    .map((revocation) => [`${revocation.txn} ${namesOf(revocation)}`, revocation] as const);
  return [...new Map(all).values()];
}

/**
 * Adapts cut-offs by a time that is ahead. Those of our own tokens are removed: their keys are denied, and the cut-offs would deny
 * the tokens of the next hours, too. Those of other issuers get the present time.
 */
function withinTime({ issuer, setsClock }: Restoring, revocation: Revocation, at: EpochMillis): Revocation[] {
  if (!setsClock) return [revocation];
  const isBeyond = ({ issuedUntil }: CutOff) => issuedUntil !== UNBOUNDED && issuedUntil > at;
  const cutOffs = revocation.cutOffs
    .filter((cutOff) => cutOff.iss !== issuer || !isBeyond(cutOff))
    .map((cutOff) =>
      isBeyond(cutOff) ? { ...cutOff, issuedUntil: at, sessionUntil: Math.min(cutOff.sessionUntil, at) } : cutOff,
    );
  return cutOffs.length === 0 ? [] : [{ ...revocation, cutOffs }];
}

function namesOf({ cutOffs }: Revocation): string {
  return JSON.stringify(cutOffs.map(({ iss, claim, value }) => [iss, claim, value]));
}

/**
 * Makes a new event key if the file of the one that signed is lost, or it has retired since. Former keys may have signed records that
 * readers still read: they stay published for as long as the topic retains those.
 */
async function ensureEventKey(tx: Transaction, context: KeyContext, at: EpochMillis): Promise<void> {
  const { keys } = tx.store;
  const { event } = context.keyrings;
  event.load(await keys.all('event'));
  const retiresAt = await retirementOf('event', at, tx.store, context);
  const active = await keys.active('event');
  const stays = active !== undefined && event.signing(active) !== undefined;
  for (const { kid, alg } of event.published()) {
    if (stays && kid === active) continue;
    if ((await keys.find(kid)) === undefined) {
      await keys.insert({ kid, purpose: 'event', alg, state: 'former', cause: 'restore', createdAt: at });
    }
    await keys.retire(kid, retiresAt);
  }
  if (stays) return;
  if (active !== undefined) await keys.retire(active, retiresAt);
  await insertActive(tx, context, 'event', event.make(EVENT_ALGORITHM).kid, at);
}

/** Replaces every key that may have signed a token of the lost time. Keys that were revoked before are denied by their own events. */
async function replaceTokenKeys(
  tx: Transaction,
  context: KeyContext,
  signingKid: string,
  at: EpochMillis,
): Promise<string[]> {
  const { keys } = tx.store;
  const { token } = context.keyrings;
  const older = token.everyKid().filter((kid) => kid !== signingKid && token.stateOf(kid) !== 'revoked');
  const algorithms = new Map(token.published().map(({ kid, alg }) => [kid, alg]));
  for (const kid of older) {
    const alg = algorithms.get(kid) ?? algorithmOf('token', context);
    if ((await keys.find(kid)) === undefined) {
      await keys.insert({ kid, purpose: 'token', alg, state: 'revoked', cause: 'restore', createdAt: at });
    } else await keys.revoke(kid);
  }
  await insertActive(tx, context, 'token', signingKid, at);
  return older;
}

async function insertActive(
  tx: Transaction,
  context: KeyContext,
  purpose: KeyPurpose,
  kid: string,
  createdAt: EpochMillis,
): Promise<void> {
  const alg = algorithmOf(purpose, context);
  await tx.store.keys.insert({ kid, purpose, alg, state: 'active', cause: 'restore', createdAt });
}
