import { claimKey, fresh, prove } from './issuer.ts';
import { placeOf } from './relay.ts';
import type { World } from './setting.ts';
import type { SimRecord } from './truth.ts';
import { FORGED_EPOCH, newBranch } from './truth.ts';
import { turnEpoch } from './writes.ts';

/** Acts as a thief, who steals the private half of an event key, or writes to the topic. */
export function actAsThief(world: World): void {
  const { issuer, random } = world;
  if (issuer.stolen.size === 0 || random.chance(0.2)) {
    const kid = random.pick(issuer.eventKids);
    if (kid !== undefined) issuer.stolen.add(kid);
    return;
  }
  const active = issuer.database.eventKid;
  const kid = random.pick([...issuer.stolen]);
  // The issuer detects a thief of the active key by positions that it does not have, so other forged records of that key are left out.
  if (kid === undefined || (kid === active && !random.chance(0.1))) return;
  const record = kid === active ? ownRevocation(world, kid) : forge(world, kid);
  world.forged.add(record);
  world.topic.log.append([world.registry.sign(record)], world.now());
}

function forge(world: World, kid: string): SimRecord {
  const { random, issuer, now } = world;
  const { database } = issuer;
  const epoch =
    random.pick([database.epoch, issuer.epochs.at(-2), `${FORGED_EPOCH}${random.below(9)}`]) ?? database.epoch;
  const at = Math.floor(now());
  if (random.chance(0.5)) {
    const [head, last] = random.chance(0.5) ? [database.head, database.last] : [random.below(90) + 1, fresh('x')];
    const key = claimKey(epoch, { at, wall: at }, head, last);
    if (!world.claims.has(key)) {
      world.claims.set(key, { branch: newBranch(), acknowledged: 0, readAt: now(), aheadMs: 0, isForged: true });
    }
    return {
      kind: 'heartbeat',
      kid,
      epoch,
      head,
      headId: last,
      lowWatermark: random.chance(0.3) ? head + 1 : 1,
      at,
      wall: at,
      timeSince: null,
    };
  }
  const kills = random.chance(0.4) ? [random.pick([...issuer.eventKids, kid]) ?? kid] : [];
  const seq = random.chance(0.5) ? database.head + 1 : random.below(90) + 1;
  return event(kid, epoch, { seq, prev: seq === 1 ? null : (database.last ?? fresh('x')), at, kills });
}

function ownRevocation({ issuer: { database }, now }: World, kid: string): SimRecord {
  const at = Math.floor(now());
  return event(kid, database.epoch, { seq: database.head + 1, prev: database.last, at, kills: [kid] });
}

interface Forged {
  readonly seq: number;
  readonly prev: string | null;
  readonly at: number;
  readonly kills: readonly string[];
}

function event(kid: string, epoch: string, forged: Forged): SimRecord {
  return { kind: 'event', kid, epoch, id: fresh('x'), txn: fresh('t'), cutOffs: [], future: false, ...forged };
}

/** Submits a signed record to the issuer: it was restored, or a thief signs with its key. */
export function takeProof(world: World, record: SimRecord): void {
  const { issuer } = world;
  const { database } = issuer;
  if (!world.forged.has(record)) {
    prove(issuer, ...placeOf(record));
    return;
  }
  if (world.mutants.stolenKeyStays === true) return;
  // Mark and key files agree with the database, so it is the latest one, and the key was stolen.
  const isRevocation = record.kind === 'event' && record.kills.includes(record.kid);
  const isOwn = record.kid === database.eventKid && (record.epoch === database.epoch || isRevocation);
  if (isOwn && !database.refusing) {
    turnEpoch(issuer, world, true, true);
  }
}
