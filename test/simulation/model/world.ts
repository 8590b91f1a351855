import { isLogTimeOld, prunableBefore } from '@rescind/revocation/log-state';
import { checkAll, checkClaim, checkRows } from './check.ts';
import { advance, instant, startFollower } from './drive.ts';
import { calmDown, provoke } from './faults.ts';
import type { Follower, Setup, Store } from './follower.ts';
import { newFollower } from './follower.ts';
import type { Issuer } from './issuer.ts';
import { newIssuer, TOLERANCE_MS } from './issuer.ts';
import { mintElsewhere, presentSpent } from './other-issuer.ts';
import { bringIssuerBack, operatorRestores, operatorSetsClock, stopIssuer } from './processes.ts';
import type { Random } from './random.ts';
import { createRandom } from './random.ts';
import { startRelay, stepRelay } from './relay.ts';
import type { Fault, Mutants, World } from './setting.ts';
import { FAULTS } from './setting.ts';
import { takeProof } from './thief.ts';
import { newTopic, passTime } from './topic.ts';
import type { Rows } from './truth.ts';
import { createRegistry, Violation } from './truth.ts';
import { letIdle, mint, pruneLog, revoke } from './writes.ts';

const SETUPS: readonly Setup[] = ['topic+http', 'topic+http', 'topic+http', 'http', 'topic'];
/** The real time at the start, far greater than any sum of delays. */
const START = 1_800_000_000_000;

/** Steps with faults: a minute or so, sometimes an hour. */
const STEPS = 220;
/** The share of runs without faults, or with stalls of the broker only. Their steps have some 55 ms. */
const STEADY = 0.04;
const STEADIES = ['calm', 'stalls'] as const;
const STEADY_STEPS = 500;
/** The standby streams deliver no events in the first 10 s of an epoch. */
const FIRST_STALL_MS = 12_000;
/** Steps of 100 ms without faults: twice a back-off of a minute. */
const CALM_STEPS = 1_500;

/**
 * Runs one seed.
 *
 * @param mutants the faults to inject
 * @param trace is called for each step of a follower
 * @throws Violation when a promise was broken
 */
export function run(seed: number, mutants: Mutants = {}, trace?: (line: string) => void): void {
  let now = START;
  const random = createRandom(seed);
  const world = newWorld(random, mutants, () => now);
  if (trace !== undefined) world.trace = (line) => trace(`${now - START} ${line}`);
  for (let step = 0; step < (world.steady === null ? STEPS : STEADY_STEPS); step += 1) {
    now += stepLength(world);
    if (world.steady === 'stalls') stallNowAndThen(world, now - START);
    if (random.chance(0.25)) provoke(world);
    live(world);
  }
  calmDown(world);
  for (let step = 0; step < CALM_STEPS; step += 1) {
    now += 100;
    live(world);
    if (world.issuer.database.refusing) operatorRestores(world);
    else if (world.timeServer === 'wrong' || (world.issuer.up && world.issuer.clock.leadMs() > TOLERANCE_MS)) {
      // The operator sets the clock because the time server was wrong, also if a restart has hidden the lead.
      operatorSetsClock(world);
      world.timeServer = 'right';
    }
    if (step % 20 === 19 && isSettled(world)) return;
  }
  const still = world.followers.filter((follower) => !isWell(follower, world));
  throw new Violation(
    `not complete after all faults were over: ${still.map((follower) => describe(follower)).join('; ')}`,
  );
}

function describe({ name, setup, process }: Follower): string {
  if (process === null) return `${name} (${setup}) down`;
  const { logState, heartbeat, ready, segment: ahead } = process.state;
  return `${name} (${setup}) ${JSON.stringify({ ...logState, proof: undefined, beat: heartbeat, ready, ahead })}`;
}

/** The enabled faults of a run: a third of all, because a run with all of them tests each one rarely. */
function faultsOf(random: Random, { only }: Mutants): ReadonlySet<Fault> {
  return new Set(only ?? FAULTS.filter(() => random.chance(0.35)));
}

function newWorld(random: Random, mutants: Mutants, now: () => number): World {
  const steady =
    mutants.steady ?? (random.chance(STEADY) && mutants.only === undefined ? random.pick(STEADIES) : null) ?? null;
  const enabled = steady === null ? faultsOf(random, mutants) : new Set<Fault>();
  const has = (fault: Fault) => enabled.has(fault);
  const retentionMs = has('retention') ? 20_000 + random.below(60_000) : 600_000;
  const base = {
    random,
    registry: createRegistry(),
    tokens: [],
    minted: { count: 0 },
    committed: [],
    claims: new Map(),
    mutants,
    comparesClocks: has('broker-clock'),
    broker: { aheadMs: 0 },
    now,
  };
  const issuer: Issuer = newIssuer({ ...base, retentionMs });
  const world: World = {
    ...base,
    retentionMs,
    issuer,
    topic: newTopic(),
    sendFaults: has('sends') ? 0.3 : 0,
    httpUp: true,
    faults: {
      crash: has('crashes') ? 0.004 : 0,
      drop: has('drops') ? 0.04 : 0,
      slow: has('slow') ? 0.6 : 0.1,
      coalesce: has('full-disk') ? 0.3 : 0.05,
    },
    followers: [],
    enabled,
    steady,
    acknowledgementMs: steady !== null && random.chance(0.5) ? 300 : 0,
    busy: steady === null ? 0.4 : 0.15,
    relay: null,
    timeServer: 'right',
    issuerBackAt: 0,
    restores: 0,
    forged: new Set(),
    proven: (record) => takeProof(world, record),
  };
  world.relay = startRelay(issuer, world, now());
  for (let i = 0; i < 3; i += 1) {
    const setup = random.pick(SETUPS) ?? 'topic+http';
    const follower = newFollower(`follower ${i}`, setup, mutants.wrap ?? ((core) => core));
    // Some followers start later.
    follower.restartAt = now() + (random.chance(0.3) ? random.below(30_000) : 0);
    world.followers.push(follower);
  }
  return world;
}

/** Stalls the broker for an election, for less than the silence after which the fallback is read. */
function stallNowAndThen({ topic, random }: World, now: number): void {
  if (now < FIRST_STALL_MS || START + now < topic.stalledUntil + 5_000 || !random.chance(0.02)) return;
  topic.stalledUntil = START + now + 500 + random.below(1_000);
}

function stepLength({ random, enabled, steady }: World): number {
  if (steady !== null) return 10 + random.below(90);
  if (enabled.has('leaps') && random.chance(0.02)) return 5_000 + random.below(80_000);
  return random.chance(0.03) ? random.below(4_000) : 10 + random.below(240);
}

/** Runs one step, with or without faults. */
function live(world: World): void {
  const { random, issuer, topic } = world;
  const now = world.now();
  passTime(topic, now, world.retentionMs);
  // Tokens that expired long ago are no longer checked.
  while ((world.tokens[0]?.expMs ?? now) < now - 30_000) world.tokens.shift();
  if (!issuer.up && now >= world.issuerBackAt) bringIssuerBack(world);
  if (issuer.up) {
    if (!issuer.database.refusing) {
      if (random.chance(world.busy)) mint(issuer, world);
      if (random.chance(world.busy / 4)) mintElsewhere(world);
      if (random.chance(0.02)) letIdle(issuer, world);
      const spent = random.chance(0.02) ? random.pick([...issuer.database.sessions.values()]) : undefined;
      if (spent !== undefined && issuer.comparison?.reference.state() !== 'awaited')
        presentSpent(spent, issuer.clock.now(), world);
      if (random.chance(world.busy / 2)) {
        const answered = !(world.enabled.has('issuer') && random.chance(0.1));
        revoke(issuer, world, answered);
        if (!answered) stopIssuer(world);
      }
      if (random.chance(0.15)) pruneLog(issuer, world);
    }
    if (world.relay !== null) stepRelay(world.relay, issuer, world);
  }
  for (const follower of world.followers) {
    if (isSuspended(follower, world)) continue;
    if (follower.process === null && now >= follower.restartAt) startFollower(follower, world);
    advance(follower, world);
    if (random.chance(pruningChance(follower, world))) prune(follower, world);
  }
}

/** Whether the follower is suspended. Its clocks advance meanwhile, except the monotonic one. */
function isSuspended(follower: Follower, world: World): boolean {
  if (follower.suspendedUntil <= follower.seenAt) {
    follower.seenAt = world.now();
    return false;
  }
  const until = Math.min(world.now(), follower.suspendedUntil);
  if (follower.process !== null) follower.process.suspendedMs += Math.max(0, until - follower.seenAt);
  follower.seenAt = until;
  return world.now() < follower.suspendedUntil;
}

/** Prunes as the guard's process does: by log time, never by its own clock; rows on the disk by the log time on the disk. */
function prune(follower: Follower, world: World): void {
  const { store, disk, process } = follower;
  if (process === null) return;
  const ownTime = world.now() + follower.aheadMs;
  const { mutants } = world;
  const { prunableBefore: prunable } = follower.core.view(process.state, instant(follower, world));
  const beforeOf = ({ state }: Store) => {
    if (mutants.prunesByOwnClock) return ownTime;
    if (mutants.aheadPrunes && process.state.heartbeat !== null) return process.state.heartbeat.at - TOLERANCE_MS;
    if (state === undefined) return 0;
    if (mutants.prunesBeforeLowering) return prunableBefore({ logTime: state.logTime }, ownTime);
    return Math.min(prunableBefore(state, ownTime), prunable);
  };
  pruneRows(process.verified, beforeOf(store));
  pruneRows(store.rows, beforeOf(store), disk?.rows);
  if (disk !== null) {
    // The disk may not have the latest log time yet.
    const before = Math.min(beforeOf(store), beforeOf(disk));
    pruneRows(store.rows, before);
    pruneRows(disk.rows, before);
  }
  checkRows(follower, world);
  checkClaim(follower, world);
}

/** @param except rows whose keys are kept */
function pruneRows(rows: Rows, before: number, except?: Rows): void {
  for (const [claim, values] of rows) {
    for (const [value, row] of values) {
      if (row.expiresAt < before && !except?.get(claim)?.has(value)) values.delete(value);
    }
  }
}

/** The probability of pruning: higher while the time is ahead, and before it is lowered, when pruning could do harm. */
function pruningChance({ store: { state } }: Follower, { timeServer }: World): number {
  if (state !== undefined && isLogTimeOld(state)) return 0.5;
  return timeServer === 'right' ? 0.03 : 0.2;
}

/** Whether the view is ready and complete. A reader of Kafka alone is exempt: it cannot repair what Kafka has lost before a new epoch. */
function isWell(follower: Follower, world: World): boolean {
  if (follower.setup === 'topic') return true;
  const { process } = follower;
  if (process === null) return false;
  const at = { wall: world.now(), monotonic: world.now() - process.bornAt - process.suspendedMs, random: 0 };
  const view = follower.core.view(process.state, at);
  return view.ready && view.complete && view.suspect === null;
}

function isSettled(world: World): boolean {
  const { issuer, followers } = world;
  if (!issuer.up || issuer.database.refusing) return false;
  if (!followers.every((follower) => isWell(follower, world))) return false;
  for (const follower of followers) {
    const { claim, state } = follower.store;
    const latest = world.now() + TOLERANCE_MS + issuer.clock.leadMs();
    // A backup may have forgotten times that a topic has lost.
    const isKnown = follower.setup !== 'topic' && !issuer.wasPutBack;
    if (state !== undefined && state.logTime > latest && isKnown) {
      // It has not yet received the clock command, which has opened an epoch.
      if (state.epoch !== issuer.database.epoch) return false;
      throw new Violation(`${follower.name} refuses tokens that have not expired`);
    }
    if (follower.setup === 'topic' || claim === null) continue;
    if (claim.isForged) return false;
    if (claim.branch !== issuer.database.branch) {
      // The view is of another branch. If the clock of that one led, its time stands until the present clock has passed it.
      if ((state?.wholeAt ?? 0) < world.now()) return false;
      continue;
    }
    checkAll(
      follower,
      claim.branch.owed.filter(({ from }) => from < claim.acknowledged),
      world.now(),
    );
  }
  return true;
}
