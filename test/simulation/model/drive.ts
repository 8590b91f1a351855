import type { FollowerEffect, FollowerInput, FollowerState, InputTime, TransportRole } from '@rescind/feed/core';
import { openMemoryCursor } from '@rescind/feed/testing';
import type { CutOffRow } from '@rescind/revocation/cut-off';
import { toRow, UNBOUNDED } from '@rescind/revocation/cut-off';
import type { LogChange } from '@rescind/revocation/log-state';
import type { LookupMutants } from './check.ts';
import {
  checkAge,
  checkClaim,
  checkConnections,
  checkEventKeys,
  checkOpening,
  checkReady,
  checkRestart,
  checkRows,
  checkStandby,
  checkVerified,
  forgetOwed,
  slackOf,
} from './check.ts';
import type { Client, Follower } from './follower.ts';
import { applyChange, copyStore, decodeBatch, newClients, readsTopic, TOPIC } from './follower.ts';
import { accept, endEpoch, pump, pumpStandby } from './http.ts';
import type { Issuer } from './issuer.ts';
import { claimKey, fresh, keySetOf } from './issuer.ts';
import type { Relay, RelayWorld } from './relay.ts';
import { tellStep } from './trace.ts';
import { FORGED_EPOCH, putRow, Violation } from './truth.ts';

interface FollowerMutants extends LookupMutants {
  readonly forgetsRows: boolean;
  readonly allIsLive: boolean;
  readonly positionMovesWhileOwed: boolean;
  readonly ceilingDropsRows: boolean;
  /** A standby stream stays open beside the connection that replaces it. */
  readonly standbyStays: boolean;
  readonly lowersT: boolean;
}

/** With this number of pending rows no step is taken. */
const OWED_MOST = 12;

export interface DriveWorld extends Omit<RelayWorld, 'mutants'> {
  readonly mutants: RelayWorld['mutants'] & Partial<FollowerMutants>;
  readonly issuer: Issuer;
  relay: Relay | null;
  httpUp: boolean;
  trace?: (line: string) => void;
  readonly faults: { crash: number; drop: number; slow: number; coalesce: number };
}

type Unstamped<Input> = Input extends { readonly at: InputTime } ? Omit<Input, 'at'> : never;

/** The monotonic time of a process at a real time. */
function instantAt({ process }: Follower, at: number): number {
  return at - (process?.bornAt ?? at) - (process?.suspendedMs ?? 0);
}

export function instant({ aheadMs, process, boot }: Follower, world: DriveWorld): InputTime {
  const now = world.now();
  return {
    wall: Math.floor(now + aheadMs),
    monotonic: now - (process?.bornAt ?? now) - (process?.suspendedMs ?? 0),
    boot: { id: boot.id, uptimeMs: now - boot.at },
    random: world.random.next(),
  };
}

/** Starts a process with the content of the disk. */
export function startFollower(follower: Follower, world: DriveWorld): void {
  const { store, core } = follower;
  const raw = [...store.quarantine.values()];
  const again = raw.map(({ epoch, seq, jws }) => {
    const [record] = decodeBatch([{ jws, live: false, hint: null }], world.registry, {
      ...follower,
      isKeyUnknown: () => false,
    });
    if (record === undefined) throw new Violation('nothing was decoded');
    return { epoch, seq, record };
  });
  const { saved } = store;
  const isSameBoot = saved?.bootId === follower.boot.id;
  // Only a clock that was set while the machine was down may hide some of the age.
  const setBackMs = saved === null || isSameBoot ? 0 : setBackSince(saved, follower.aheadMs);
  store.slackMs += setBackMs;
  const { state, effects } = core.start(store.state, again, instant(follower, world));
  follower.process = {
    state,
    transports: newClients(),
    bornAt: world.now(),
    suspendedMs: 0,
    heldAtOpen: null,
    verified: new Map(),
    hasCommitted: false,
    liveBy: new Set(),
    behind: null,
    fetching: null,
    wantsKeys: false,
  };
  checkRestart(follower, follower.core.view(state, instant(follower, world)).ageMs, setBackMs, world.now());
  applyEffects(follower, world, effects);
}

function setBackSince({ aheadMs, seenAheadMs }: NonNullable<Follower['store']['saved']>, now: number): number {
  return Math.max(0, seenAheadMs - now) + Math.min(1_000, Math.abs(seenAheadMs - aheadMs));
}

export function crash(follower: Follower, world: DriveWorld): void {
  follower.process = null;
  forgetOwed(follower, world);
  follower.restartAt = world.now() + world.random.below(world.random.chance(0.2) ? 20_000 : 1_500);
  if (world.random.chance(0.3)) follower.boot = { id: fresh('b'), at: world.now() };
}

/** Takes one step of the core, with the faults that may occur around its commit. */
function submit(follower: Follower, world: DriveWorld, happening: Unstamped<FollowerInput>): void {
  const { process } = follower;
  if (process === null) return;
  const input = { ...happening, at: instant(follower, world) } as FollowerInput;
  const { state, effects } = follower.core.step(process.state, input);
  if (world.trace !== undefined && (input.kind !== 'tick' || effects.length > 0)) {
    world.trace(tellStep(follower, input, state, effects));
  }
  if (world.random.chance(world.faults.crash)) {
    crash(follower, world);
    return;
  }
  checkStandby(follower, input, process.state, state);
  noteLive(process.liveBy, input, process.state, state);
  process.state = state;
  applyEffects(follower, world, effects);
  if (follower.process === null) return;
  checkEventKeys(follower, input, state);
  // A tick notices that the clock was set; the saved state of an earlier process remains until this one commits.
  const isNoticed = input.kind === 'tick' && process.hasCommitted;
  if (isNoticed && follower.store.saved !== null) follower.store.saved.seenAheadMs = follower.aheadMs;
  checkAge(follower, state, follower.core.view(state, input.at).ageMs, world.now());
}

function applyEffects(follower: Follower, world: DriveWorld, effects: readonly FollowerEffect[]): void {
  for (const effect of effects) {
    const { process } = follower;
    if (process === null) return;
    switch (effect.kind) {
      case 'commit':
        commit(follower, world, effect);
        break;
      case 'open':
        checkOpening(follower, effect, world);
        openClient(process.transports[effect.transport], effect.standby, world);
        break;
      case 'close':
        Object.assign(process.transports[effect.transport], { phase: 'closed', connection: null });
        break;
      case 'restart':
        Object.assign(process.transports[effect.transport], {
          phase: 'idle',
          retryAt: world.now() + 50,
          connection: null,
        });
        break;
      case 'fetchKeys':
        process.wantsKeys = true;
        break;
      case 'submitEvidence':
        if (world.issuer.up && world.httpUp) takeProof(world, effect.jws);
        break;
      case 'ready':
        if (effect.by === 'heartbeat') checkReady(follower, rememberedBy(follower, world), world.tokens, world.now());
        break;
      default:
    }
  }
}

function openClient(client: Client, standby: boolean, { now, mutants }: DriveWorld): void {
  const beside = mutants.standbyStays && client.standby ? client.connection : null;
  Object.assign(client, { phase: 'idle', retryAt: now(), connection: null, standby, beside });
}

function commit(follower: Follower, world: DriveWorld, effect: Extract<FollowerEffect, { kind: 'commit' }>): void {
  const { store } = follower;
  const { change } = effect;
  const before = store.state;
  const isTorn = world.mutants.forgetsRows === true && world.random.chance(0.1);
  const isDropped = world.mutants.ceilingDropsRows === true && follower.owedRows >= OWED_MOST;
  owe(follower, world, change);
  applyChange(store, isTorn || isDropped ? { ...change, cutoffs: [] } : change);
  if (world.mutants.lowersT && change.state.logTime < (before?.logTime ?? 0)) lowerT(store, change.state.logTime);
  const beat = follower.process?.state.heartbeat;
  const { epoch, wholeAt, wholeWall = wholeAt, suspect } = change.state;
  // The time of another history may be the same by chance.
  const isAnothers = before?.epoch !== epoch || before.suspect === 'epoch' || before.suspect === 'fork';
  const isSame =
    isAnothers && suspect === null && beat?.agrees === true && beat.at === wholeAt && beat.wall === wholeWall;
  if (epoch.startsWith(FORGED_EPOCH)) throw new Violation(`${follower.name} follows an epoch that no issuer opened`);
  // The age of a view whose epoch was left does not decrease.
  if (suspect !== 'epoch' && (isSame || wholeAt !== (before?.wholeAt ?? 0))) {
    const claim = world.claims.get(
      claimKey(epoch, { at: wholeAt, wall: wholeWall }, beat?.head ?? -1, beat?.headId ?? null),
    );
    if (claim === undefined)
      throw new Violation(`${follower.name} has a complete view as of a time that no heartbeat has`);
    const hasPredecessor = beat?.isLive === false && store.claim !== null;
    // A heartbeat that is not live may lower the age by the difference of the two times at most.
    const fromBefore = store.slackMs + Math.max(0, claim.aheadMs - (store.claim?.aheadMs ?? 0));
    store.claim = claim;
    const byClock = slackOf(store, follower.aheadMs);
    store.slackMs = hasPredecessor ? Math.min(byClock, fromBefore) : byClock;
  }
  if (follower.process !== null) {
    follower.process.hasCommitted = true;
    const { ageMs } = follower.core.view(follower.process.state, instant(follower, world));
    const { aheadMs, boot } = follower;
    store.saved = { ageMs, at: world.now(), aheadMs, seenAheadMs: aheadMs, bootId: boot.id };
  }
  if (change.state.savedAt > world.now() + 1e9) throw new Violation('a saved time in the far future');
  if (!isTorn) noteVerified(follower, world, change.cutoffs);
  const isLowered = change.state.logTime < (before?.logTime ?? 0);
  if (change.cutoffs.length > 0 || isLowered) checkRows(follower, world);
  checkClaim(follower, world);
  if (isTorn || world.random.chance(world.faults.crash)) crash(follower, world);
}

/** The fault of a follower that lowers T: no row denies what was issued after log time. */
function lowerT({ rows }: Follower['store'], logTime: number): void {
  for (const values of rows.values()) {
    for (const [key, row] of values) {
      if (row.issuedUntil < UNBOUNDED) values.set(key, { ...row, issuedUntil: Math.min(row.issuedUntil, logTime) });
    }
  }
}

/** Writes a change with all pending ones to the disk, or leaves it pending: for a moment, or because the disk is full. */
function owe(follower: Follower, { random, faults, mutants }: DriveWorld, { state, cutoffs }: LogChange): void {
  const isDurable = !follower.isDiskFull && !random.chance(faults.coalesce);
  if (isDurable) {
    payOwed(follower);
    return;
  }
  follower.disk ??= copyStore(follower.store);
  follower.owedRows += cutoffs.length;
  if (mutants.positionMovesWhileOwed) follower.disk.state = state;
}

/** Writes all pending changes to the disk. */
export function payOwed(follower: Follower): void {
  follower.disk = null;
  follower.owedRows = 0;
}

function noteVerified(follower: Follower, { mutants, random }: DriveWorld, cutoffs: readonly CutOffRow[]): void {
  const verified = follower.process?.verified;
  if (verified === undefined) return;
  for (const cutoff of cutoffs) putRow(verified, cutoff);
  checkVerified(follower, cutoffs, mutants);
  if (!random.chance(0.1)) return;
  for (const values of verified.values()) checkVerified(follower, values.values(), mutants);
}

function takeProof(world: DriveWorld, jws: string): void {
  const record = world.registry.find(jws);
  if (record !== undefined) world.proven(record);
}

function noteLive(
  liveBy: Set<TransportRole>,
  input: FollowerInput,
  before: FollowerState,
  { logState }: FollowerState,
): void {
  if (input.kind !== 'records' || (input.transport === 'fallback' && before.transports.fallback.standby)) return;
  const isLive = input.records.some(
    (record) =>
      record.kind === 'heartbeat' && record.live && record.epoch === logState.epoch && record.kid === logState.epochKid,
  );
  if (isLive) liveBy.add(input.transport);
}

/** The denials of this epoch that the topic held when this process first opened it. */
function rememberedBy({ process, deafUntil }: Follower, { registry, topic }: DriveWorld): CutOffRow[] {
  if (process === null || process.state.transport !== TOPIC.name) return [];
  // The issuer has sent its head by its own transport: the head that it knows, if it was restored.
  if (process.liveBy.has('fallback') && !process.liveBy.has('primary')) return [];
  // Records that could not be verified then, or were lost before they were read, do not count.
  if (deafUntil >= process.bornAt || topic.hasLost) return [];
  const { epoch, floor } = process.state.logState;
  return (process.heldAtOpen ?? []).flatMap((jws) => {
    const record = registry.find(jws);
    if (record?.kind !== 'event' || record.epoch !== epoch || record.seq < floor) return [];
    return record.cutOffs.map((cutOff) => toRow(cutOff, { ...record, reason: 'simulated' }));
  });
}

/** Fetches the key set: at the request of the core, or now and then by the source itself. */
function fetchKeys(follower: Follower, world: DriveWorld): void {
  const { process } = follower;
  if (process === null) return;
  const now = world.now();
  const { fetching } = process;
  if (fetching === null) {
    const isNeeded = follower.store.keys === null || process.wantsKeys;
    if (!isNeeded && !world.random.chance(0.003)) return;
    process.fetching = { begunAt: now, due: now + world.random.below(150), isAsked: process.wantsKeys };
    process.wantsKeys = false;
    return;
  }
  if (now < fetching.due) return;
  process.fetching = null;
  const fails = !world.issuer.up || !world.httpUp || now < follower.deafUntil || world.random.chance(world.faults.drop);
  if (!fails) {
    const set = keySetOf(world.issuer);
    follower.store.keys = set.kids;
    const begunAt = instantAt(follower, fetching.begunAt);
    submit(follower, world, { kind: 'keys', set: { ...set, begunAt } });
  } else if (fetching.isAsked) submit(follower, world, { kind: 'keysFailed' });
}

/** Runs a follower's connections for the time of one step. */
export function advance(follower: Follower, world: DriveWorld): void {
  fetchKeys(follower, world);
  if (follower.disk !== null && !follower.isDiskFull && world.random.chance(0.5)) payOwed(follower);
  if (follower.owedRows >= OWED_MOST && !world.mutants.ceilingDropsRows) return;
  // Records wait for the first set.
  if (follower.store.keys === null) return;
  for (const transport of ['primary', 'fallback'] as const) {
    const client = follower.process?.transports[transport];
    if (client === undefined || client.phase === 'closed') continue;
    if (client.phase === 'open') deliver(follower, world, transport, client);
    else if (world.now() >= client.retryAt) connect(follower, world, transport, client);
  }
  submit(follower, world, { kind: 'tick' });
}

function connect(follower: Follower, world: DriveWorld, transport: TransportRole, client: Client): void {
  const { random, topic, issuer } = world;
  if (client.phase === 'idle') {
    submit(follower, world, { kind: 'startRequested', transport });
    if (follower.process === null) return;
    client.asked = follower.core.startOf(follower.process.state, transport);
    client.phase = 'asked';
    client.retryAt = world.now() + random.below(150);
    return;
  }
  const isOfTopic = readsTopic(follower, transport);
  if (!(isOfTopic ? topic.log.isUp : issuer.up && world.httpUp) || client.asked === null) {
    lose(follower, world, transport, client);
    return;
  }
  client.phase = 'open';
  client.said = 0;
  if (isOfTopic) {
    if (follower.process !== null) follower.process.heldAtOpen ??= topic.log.records.map(({ jws }) => jws);
    client.cursor = openMemoryCursor(topic.log, client.asked.hint);
  } else {
    client.connection = accept(issuer, world, client.asked, client.standby);
    checkConnections(follower);
  }
  submit(follower, world, { kind: 'opened', transport });
}

function lose(follower: Follower, world: DriveWorld, transport: TransportRole, client: Client): void {
  client.phase = 'idle';
  client.connection = null;
  client.retryAt = world.now() + 100 + world.random.below(1_500);
  submit(follower, world, { kind: 'lost', transport, reason: 'simulated' });
}

function deliver(follower: Follower, world: DriveWorld, transport: TransportRole, client: Client): void {
  const { random, faults } = world;
  const isLost = random.chance(faults.drop);
  const batch = isLost
    ? 'lost'
    : readsTopic(follower, transport)
      ? fetchTopic(world, client)
      : fetchHttp(world, client);
  if (batch === 'lost') {
    lose(follower, world, transport, client);
    return;
  }
  if (batch.length === 0) return;
  const { upgraded } = follower;
  const kids = follower.store.keys ?? [];
  const records = decodeBatch(batch, world.registry, { upgraded, isKeyUnknown: (kid) => !kids.includes(kid) });
  submit(follower, world, { kind: 'records', transport, records });
}

function fetchTopic(world: DriveWorld, { cursor }: Client) {
  const { topic, random, faults, mutants } = world;
  if (cursor?.take(0) === undefined) return 'lost';
  if (!topic.log.isUp || topic.stalledUntil > world.now() || random.chance(faults.slow)) return [];
  const batch = cursor.take(1 + random.below(30)) ?? [];
  return mutants.allIsLive ? batch.map((record) => ({ ...record, live: true })) : batch;
}

function fetchHttp(world: DriveWorld, client: Client) {
  const { random, faults, issuer } = world;
  const { connection } = client;
  if (connection === null || !issuer.up || !world.httpUp) return 'lost';
  if (connection.epoch !== issuer.database.epoch) endEpoch(connection, issuer);
  else if (connection.standby) pumpStandby(connection, issuer, world, world.relay);
  else pump(connection, issuer, world);
  if (connection.ended && connection.written.length === 0) return 'lost';
  if (random.chance(faults.slow)) return [];
  return connection.written.splice(0, 1 + random.below(25)).map((jws) => ({ jws, live: true, hint: null }));
}
