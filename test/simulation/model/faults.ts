import { crash, payOwed } from './drive.ts';
import { copyStore } from './follower.ts';
import { putBack, startIssuer, takeBackup } from './issuer.ts';
import { operatorRestores, operatorSetsClock, stopIssuer } from './processes.ts';
import type { Random } from './random.ts';
import type { Fault, World } from './setting.ts';
import { actAsThief } from './thief.ts';
import { lose } from './topic.ts';
import { pruneLog, revokeFormerEventKey, turnEpoch } from './writes.ts';

/** Causes a random one of the faults that are enabled in this seed. */
export function provoke(world: World): void {
  const fault = world.random.pick([...world.enabled]);
  if (fault === undefined) return;
  HAPPENS[fault]?.(world);
}

const HAPPENS: Partial<Record<Fault, (world: World) => void>> = {
  broker(world) {
    const { log } = world.topic;
    log.isUp = !log.isUp;
  },
  loss(world) {
    if (world.random.chance(0.3)) lose(world.topic, world.random);
  },
  retention({ topic, random }) {
    if (random.chance(0.2)) topic.log.removeOldest(random.below(topic.log.records.length + 1));
  },
  duplicates(world) {
    const { random } = world;
    const { log } = world.topic;
    const from = random.below(log.records.length + 1);
    const again = log.records.slice(from, from + random.below(8));
    log.append(
      again.map(({ jws }) => jws),
      world.now(),
    );
  },
  http(world) {
    world.httpUp = !world.httpUp;
  },
  issuer(world) {
    if (world.issuer.up) stopIssuer(world);
  },
  restore(world) {
    const { issuer, random } = world;
    if (issuer.database.refusing) {
      if (random.chance(0.3)) operatorRestores(world);
    } else if (issuer.backup === null || random.chance(0.5)) takeBackup(issuer, world);
    else if (random.chance(0.4)) {
      if (issuer.up) stopIssuer(world);
      putBack(issuer, world, random.chance(0.5));
    }
  },
  'event-key'(world) {
    const { issuer, random } = world;
    if (!issuer.up || issuer.database.refusing || !random.chance(0.4)) return;
    if (random.chance(0.3)) {
      revokeFormerEventKey(issuer, world);
      return;
    }
    const lives = random.chance(0.8);
    turnEpoch(issuer, world, lives, random.chance(0.4));
    if (!lives) stopIssuer(world);
  },
  thief: actAsThief,
  'follower-clock'({ followers, random }) {
    const follower = random.pick(followers);
    if (follower !== undefined) follower.aheadMs = someOffset(random);
  },
  suspend(world) {
    const follower = world.random.pick(world.followers);
    if (follower?.process == null || follower.suspendedUntil > world.now()) return;
    const ms = world.random.below(world.random.chance(0.3) ? 120_000 : 8_000);
    follower.suspendedUntil = world.now() + ms;
  },
  'issuer-clock'({ issuer, random }) {
    issuer.aheadMs = random.chance(0.05) ? DAY_MS : someOffset(random);
  },
  'broker-clock'({ broker, random }) {
    broker.aheadMs = random.chance(0.5) ? 0 : someOffset(random);
  },
  'clock-command'(world) {
    if (!world.issuer.database.refusing && world.random.chance(0.3)) operatorSetsClock(world);
  },
  /** A process of the issuer starts with a clock that is ahead, prunes, and ends before it publishes anything. */
  excursion(world) {
    const { issuer, random } = world;
    if (issuer.database.refusing) return;
    const { aheadMs } = issuer;
    if (issuer.up) stopIssuer(world);
    issuer.aheadMs = 70_000 + random.below(60_000);
    startIssuer(issuer, world);
    if (!issuer.database.refusing) pruneLog(issuer, world);
    issuer.aheadMs = aheadMs;
    // The floor now has another lead than the observed one.
    issuer.lead = null;
    stopIssuer(world);
  },
  /** Issuer and readers have their time from one server. Its clock is ahead; the issuer's is corrected first, by the command. */
  'time-server'(world) {
    const { issuer, followers, random } = world;
    if (world.timeServer === 'right') {
      const aheadMs = 70_000 + random.below(200_000);
      // A running process would continue by its monotonic clock.
      if (issuer.up) stopIssuer(world);
      issuer.aheadMs = aheadMs;
      for (const follower of followers) if (random.chance(0.8)) follower.aheadMs = aheadMs;
      world.timeServer = 'wrong';
    } else if (world.timeServer === 'wrong') {
      if (issuer.database.refusing) return;
      operatorSetsClock(world);
      world.timeServer = 'readers-wrong';
    } else {
      for (const follower of followers) follower.aheadMs = 0;
      world.timeServer = 'right';
    }
  },
  files(world) {
    const { random, followers } = world;
    const follower = random.pick(followers);
    if (follower === undefined) return;
    if (follower.kept === null || random.chance(0.5)) {
      follower.kept = copyStore(follower.disk ?? follower.store);
      return;
    }
    if (random.chance(0.5)) {
      const other = random.pick(followers);
      const from = random.chance(0.5) ? follower.kept : (other?.disk ?? other?.store ?? follower.kept);
      follower.process = null;
      follower.restartAt = world.now() + random.below(3_000);
      follower.store = copyStore(from);
      payOwed(follower);
      follower.denied = new Set();
    }
  },
  crashes(world) {
    const follower = world.random.pick(world.followers);
    if (follower?.process != null) crash(follower, world);
  },
  'full-disk'({ followers, random }) {
    const follower = random.pick(followers);
    if (follower !== undefined) follower.isDiskFull = !follower.isDiskFull;
  },
  rubbish(world) {
    world.topic.log.append(['rubbish', '', '#x'], world.now());
  },
  deaf(world) {
    const follower = world.random.pick(world.followers);
    if (follower !== undefined) follower.deafUntil = world.now() + world.random.below(5_000);
  },
};

const DAY_MS = 86_400_000;

/** The difference of a clock, in ms: mostly a small one. */
function someOffset(random: Random): number {
  const most = random.chance(0.3) ? 400_000 : 60_000;
  return Math.floor((random.next() * 2 - 1) * most);
}

/** Ends all faults. Their consequences remain. */
export function calmDown(world: World): void {
  Object.assign(world.faults, { crash: 0, drop: 0, slow: 0.1, coalesce: 0.1 });
  Object.assign(world, { sendFaults: 0, busy: 0.05, httpUp: true, enabled: new Set(), steady: null });
  world.topic.stalledUntil = 0;
  world.topic.log.isUp = true;
  // An issuer whose clocks have parted publishes old times until it is restarted.
  if (world.issuer.up) stopIssuer(world);
  world.issuer.aheadMs = 0;
  world.broker.aheadMs = 0;
  for (const follower of world.followers) {
    follower.aheadMs = 0;
    follower.isDiskFull = false;
    payOwed(follower);
    follower.deafUntil = 0;
    follower.suspendedUntil = Math.min(follower.suspendedUntil, world.now());
    follower.restartAt = world.now();
    if (follower.upgraded) continue;
    follower.upgraded = true;
    follower.process = null;
  }
  world.issuerBackAt = world.now();
}
