import type { IssuerClock } from '@rescind/revocation/issuer-clock';
import { createIssuerClock, isLeading } from '@rescind/revocation/issuer-clock';
import type { Comparison } from './comparison.ts';
import { knownAheadMs, namedBy, newComparison, wrongComparison } from './comparison.ts';
import type { Random } from './random.ts';
import type { Branch, Claim, ClockSet, Registry, Revocation, Token } from './truth.ts';
import { forkBranch, newBranch, Violation } from './truth.ts';

export const TOLERANCE_MS = 60_000;

export interface Session {
  readonly sid: string;
  readonly sub: string;
  readonly client: string;
  readonly ended: boolean;
  /** When its refresh token was last exchanged, by the issuer's clock; null: no retry is permitted. */
  readonly rotatedAt: number | null;
  readonly rotatedReal: number;
}

export interface Row extends Revocation {
  readonly seq: number;
  readonly id: string;
  readonly jws: string;
  readonly at: number;
  readonly expiresAt: number;
}

/** The issuer's database, which a backup copies and a crash leaves intact. */
interface Database {
  epoch: string;
  counter: number;
  head: number;
  last: string | null;
  floor: number;
  rows: Row[];
  sessions: Map<string, Session>;
  kid: string;
  /** Signs the events. */
  eventKid: string;
  /** The former event keys that are published, and the revoked ones. */
  formerEventKids: string[];
  revokedEventKids: string[];
  /** The last event of each epoch whose key was revoked. */
  lastWords: { readonly epoch: string; readonly jws: string; sent: boolean }[];
  maxExp: number;
  clockFloor: number;
  /** The epoch in which the clock was last set. */
  timeSince: string | null;
  sentSeq: number;
  refusing: boolean;
  branch: Branch;
}

interface HighWater {
  readonly epoch: string;
  readonly head: number;
  readonly id: string | null;
}

/** The faults of an issuer that the simulation must detect. */
interface IssuerMutants {
  readonly headBeforeTime: boolean;
  readonly floorTooHigh: boolean;
  readonly floorFalls: boolean;
  readonly prunesByWall: boolean;
  readonly pruningKeepsNoTime: boolean;
  readonly neverAppendsAnew: boolean;
  readonly newEpochIsEmpty: boolean;
  readonly epochSortsBelow: boolean;
  readonly turnForgetsAll: boolean;
  readonly turnForgetsUnsent: boolean;
  readonly turnSortsBelow: boolean;
  readonly lastWordIsLost: boolean;
  readonly mintsByWall: boolean;
  readonly unwrittenFloor: boolean;
  readonly clockStands: boolean;
  readonly fullSpeed: boolean;
  readonly noKidRows: boolean;
  readonly othersGoOn: boolean;
  readonly liveSidsOnly: boolean;
  readonly negativeGrace: boolean;
  readonly shortE: boolean;
  /** Faults in the comparison of the broker's clock with the issuer's. */
  readonly neverCompared: boolean;
  readonly takesFaster: boolean;
  readonly belowFloor: boolean;
  readonly mintsWhileParted: boolean;
  /** Heartbeats made before the comparison are published after it. */
  readonly publishesEarlierHeartbeats: boolean;
  /** A delivery begins with the first unacknowledged event, without the margin of a second. */
  readonly noMargin: boolean;
  /** An event is overdue after 250 ms, however long acknowledgements usually take. */
  readonly fixedPatience: boolean;
}

export interface IssuerWorld {
  readonly random: Random;
  readonly registry: Registry;
  readonly tokens: Token[];
  readonly minted: { count: number };
  /** Every revocation ever committed, on whichever branch. */
  readonly committed: Revocation[];
  /** By `claimKey`: the promise of the first heartbeat with this claim. */
  readonly claims: Map<string, Claim>;
  readonly mutants: Partial<IssuerMutants>;
  readonly retentionMs: number;
  /** Whether the topic has times of the broker, with which the issuer compares its clock at a start. */
  readonly comparesClocks: boolean;
  /** How far the clock of the broker is ahead of real time. */
  readonly broker: { aheadMs: number };
  now(): number;
}

export interface Issuer {
  database: Database;
  highWater: HighWater;
  backup: { readonly database: Database; readonly highWater: HighWater; readonly minted: number } | null;
  /** How far the wall clock is ahead of real time. */
  aheadMs: number;
  up: boolean;
  /** Whether a backup has ever taken the place of the database. */
  wasPutBack: boolean;
  clockSet: ClockSet | null;
  clock: IssuerClock;
  /** The comparison of clocks of this process; null: there is none. */
  comparison: Comparison | null;
  /** The previous head, for the mutant that reads the head too early. */
  earlier: { head: number; last: string | null; floor: number };
  kids: string[];
  /** Every event key that was ever made, and those that a thief has. */
  eventKids: string[];
  stolen: Set<string>;
  /** The last published time while its clock led: no later one may be earlier, after a restart either. */
  toldAt: number;
  /** The last heartbeat of this process. */
  beatAt: { readonly at: number; readonly real: number } | null;
  /** How far the clocks were ahead at the last heartbeat, the result of their comparison, and whose clock is trusted. */
  clocks: string;
  /** An observed lead, since when in real time, and the state of the clocks then. */
  lead: { readonly ms: number; readonly since: number; readonly clocks: string } | null;
  /** Every epoch that was opened. */
  epochs: string[];
  /** The revoked event keys in the directory of the keys, which no backup restores. */
  revokedEver: Set<string>;
}

/** A kid in the form of the issuer's kids. */
export const freshKid = () => fresh('v').padEnd(43, '_');

let given = 0;
export const fresh = (kind: string) => `${kind}${(given++).toString(36)}`;

export function newIssuer(world: IssuerWorld): Issuer {
  const kid = fresh('k');
  const database: Database = {
    epoch: epochOf(1, world),
    counter: 1,
    head: 0,
    last: null,
    floor: 1,
    rows: [],
    sessions: new Map(),
    kid,
    eventKid: freshKid(),
    formerEventKids: [],
    revokedEventKids: [],
    lastWords: [],
    maxExp: 0,
    clockFloor: 0,
    timeSince: null,
    sentSeq: 0,
    refusing: false,
    branch: newBranch(),
  };
  const issuer: Issuer = {
    database,
    highWater: { epoch: database.epoch, head: 0, id: null },
    backup: null,
    aheadMs: 0,
    up: true,
    wasPutBack: false,
    clock: createIssuerClock({ now: () => 0, monotonic: () => 0 }, { get: () => 0, set: () => undefined }),
    comparison: null,
    earlier: { head: 0, last: null, floor: 1 },
    kids: [kid],
    eventKids: [],
    stolen: new Set(),
    toldAt: 0,
    clockSet: null,
    beatAt: null,
    clocks: '',
    lead: null,
    epochs: [database.epoch],
    revokedEver: new Set(),
  };
  issuer.eventKids.push(database.eventKid);
  startIssuer(issuer, world);
  return issuer;
}

export function epochOf(counter: number, world: IssuerWorld): string {
  return `${String(counter).padStart(4, '0')}-${world.random.below(1e9).toString(36)}`;
}

/** Starts a process with the present database. */
export function startIssuer(issuer: Issuer, world: IssuerWorld): void {
  issuer.up = true;
  issuer.beatAt = null;
  const wall = () => Math.floor(world.now() + issuer.aheadMs);
  issuer.comparison = newComparison(issuer, world, namedBy(issuer, world));
  const real = createIssuerClock(
    { now: wall, monotonic: () => world.now() },
    {
      get: () => issuer.database.clockFloor,
      set: (floor) => {
        issuer.database.clockFloor = floor;
      },
    },
    TOLERANCE_MS,
    issuer.comparison?.reference,
  );
  issuer.clock = wrongComparison(wrongClock(real, issuer, world), issuer, world);
  if (issuer.wasPutBack && issuer.eventKids.at(-1) !== issuer.database.eventKid) issuer.database.refusing = true;
  prove(issuer, issuer.highWater.epoch, issuer.highWater.head, issuer.highWater.id);
}

/** The clock with a fault of `mutants`. */
function wrongClock(clock: IssuerClock, { database }: Issuer, { mutants, now }: IssuerWorld): IssuerClock {
  if (!mutants.clockStands && !mutants.fullSpeed) return clock;
  let told = { at: 0, real: now() };
  const time = () => {
    const goneOn = mutants.fullSpeed ? told.at + Math.floor(now() - told.real) : 0;
    const at = Math.max(clock.wall(), database.clockFloor, goneOn);
    if (at > told.at) told = { at, real: now() };
    return at;
  };
  const heartbeat = () => ({ at: time(), wall: clock.wall() });
  return { ...clock, now: time, heartbeat, leadMs: () => Math.max(0, time() - clock.wall()) };
}

/** Receives a signed position. One beyond the database, or with another id, shows that the database was restored. */
export function prove(issuer: Issuer, epoch: string, seq: number, id: string | null): void {
  const { database } = issuer;
  if (epoch < database.epoch) return;
  const held = seq === database.head ? database.last : database.rows.find((row) => row.seq === seq)?.id;
  const isKnown = epoch === database.epoch && seq <= database.head && (held === undefined || held === id);
  if (isKnown) return;
  if (!issuer.wasPutBack) throw new Violation('the issuer treats its own log as another history');
  database.refusing = true;
}

/** Identifies the claim of a heartbeat: two histories may have the same times, but never the same last event. */
export const claimKey = (
  epoch: string,
  { at, wall }: { readonly at: number; readonly wall: number },
  head: number,
  last: string | null,
): string => `${epoch}|${at}|${wall}|${head}|${last}`;

export function heartbeat(
  issuer: Issuer,
  world: IssuerWorld,
): { jws: string; head: number; epoch: string; at: number } {
  const { database } = issuer;
  const { at, wall } = issuer.clock.heartbeat();
  if (at < database.clockFloor) throw new Violation('the issuer publishes a time below its floor');
  if (at < issuer.toldAt && !issuer.wasPutBack) throw new Violation('the issuer publishes an earlier time than before');
  if (isLeading(issuer.clock)) {
    issuer.toldAt = at;
    if (!world.mutants.unwrittenFloor) database.clockFloor = Math.max(database.clockFloor, at);
  }
  checkLead(issuer, world, at);
  const { epoch, timeSince } = database;
  const seen = world.mutants.headBeforeTime ? issuer.earlier : database;
  const { head, last } = seen;
  const floor = world.mutants.floorTooHigh ? head + 1 : seen.floor;
  const key = claimKey(epoch, { at, wall }, head, last);
  const { branch } = database;
  // The first heartbeat with this claim promises the least.
  if (!world.claims.has(key)) {
    world.claims.set(key, {
      branch,
      acknowledged: branch.acknowledged,
      readAt: world.now(),
      aheadMs: Math.min(at, wall) - world.now(),
    });
  }
  return {
    jws: world.registry.sign({
      kind: 'heartbeat',
      kid: signingKidOf(issuer),
      epoch,
      head,
      headId: last,
      lowWatermark: floor,
      at,
      wall,
      timeSince,
    }),
    head,
    epoch,
    at,
  };
}

/** Requires that a leading clock advances, and no longer leads after twice the lead, unless the wall clock is set again. */
function checkLead(issuer: Issuer, world: IssuerWorld, at: number): void {
  const now = world.now();
  const state = issuer.comparison?.reference.state();
  // Until the comparison, heartbeats have the time of the floor.
  if (state === 'awaited' || (state === 'unknown' && issuer.comparison?.reference.trusted === 'publisher')) return;
  const clocks = `${issuer.aheadMs} ${knownAheadMs(issuer, world)} ${state} ${issuer.comparison?.reference.trusted}`;
  // The issuer may now use the other clock, the slower one.
  if (issuer.clocks !== clocks) issuer.beatAt = null;
  issuer.clocks = clocks;
  const { beatAt } = issuer;
  if (beatAt !== null && now - beatAt.real >= 1_000 && at <= beatAt.at)
    throw new Violation('the issuer clock stands still');
  if (beatAt === null || at > beatAt.at) issuer.beatAt = { at, real: now };
  const ms = issuer.clock.leadMs();
  const { lead } = issuer;
  if (ms <= LEAD_MS) issuer.lead = null;
  else if (lead === null || lead.clocks !== clocks) issuer.lead = { ms, since: now, clocks };
  else if (now - lead.since > 2 * lead.ms + LEAD_SLACK_MS) throw new Violation('the issuer clock leads for ever');
}

/** The most that a burst of cut-offs pushes the clock ahead. */
const LEAD_MS = 2_000;
const LEAD_SLACK_MS = 5_000;

/** The response of its server about the event keys. */
export function keySetOf(issuer: Issuer): { kids: string[]; epoch: string; epochKid: string } {
  const { database } = issuer;
  const kids = [database.eventKid, ...database.formerEventKids].filter((kid) => !issuer.revokedEver.has(kid));
  const epochKid = signingKidOf(issuer);
  return { kids: [...new Set([epochKid, ...kids])], epoch: database.epoch, epochKid };
}

/** The key that signs. In a restored database the active key may have no file any more: then another one signs, only heartbeats. */
function signingKidOf({ database, eventKids, revokedEver }: Issuer): string {
  return revokedEver.has(database.eventKid) ? (eventKids.at(-1) ?? '') : database.eventKid;
}

export function takeBackup(issuer: Issuer, world: IssuerWorld): void {
  const { database, highWater } = issuer;
  issuer.backup = { database: copyDatabase(database), highWater, minted: world.minted.count };
}

/** Replaces the database by the backup. @param alsoHighWater whether the high-water mark is restored too */
export function putBack(issuer: Issuer, world: IssuerWorld, alsoHighWater: boolean): void {
  if (issuer.backup === null) return;
  issuer.wasPutBack = true;
  for (const token of world.tokens) if (token.no >= issuer.backup.minted) token.forgotten = true;
  issuer.database = copyDatabase(issuer.backup.database);
  issuer.database.branch = forkBranch(issuer.database.branch);
  if (alsoHighWater) issuer.highWater = issuer.backup.highWater;
}

function copyDatabase(database: Database): Database {
  return {
    ...database,
    rows: [...database.rows],
    formerEventKids: [...database.formerEventKids],
    revokedEventKids: [...database.revokedEventKids],
    lastWords: database.lastWords.map((word) => ({ ...word })),
    sessions: new Map(database.sessions),
    // The original branch continues to grow, so the backup has a copy.
    branch: forkBranch(database.branch),
  };
}
