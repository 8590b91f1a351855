import { RescindError } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import { toCutOff } from '../../support/cut-offs.ts';
import { checkMinted } from './comparison.ts';
import type { Issuer, IssuerWorld, Row, Session } from './issuer.ts';
import { epochOf, fresh, freshKid, TOLERANCE_MS } from './issuer.ts';
import { denialElsewhere } from './other-issuer.ts';
import type { Revocation, Token } from './truth.ts';
import { ISSUER, names, Violation } from './truth.ts';

/** Appends a revocation to the log. */
export function append(
  issuer: Issuer,
  world: IssuerWorld,
  revocation: Revocation,
  at: number,
  expiresAt: number,
): void {
  const { database } = issuer;
  issuer.earlier = { head: database.head, last: database.last, floor: database.floor };
  const seq = database.head + 1;
  const id = fresh('e');
  const { epoch, last: prev } = database;
  const jws = world.registry.sign({
    kind: 'event',
    kid: database.eventKid,
    kills: revocation.kills ?? [],
    epoch,
    seq,
    id,
    prev,
    at,
    txn: revocation.txn,
    cutOffs: revocation.deny.map(toCutOff),
    future: revocation.kills === undefined && world.random.chance(0.02),
  });
  database.rows.push({ ...revocation, seq, id, jws, at, expiresAt });
  database.head = seq;
  database.last = id;
}

export function commit(issuer: Issuer, world: IssuerWorld, revocation: Revocation): void {
  world.committed.push(revocation);
  issuer.database.branch.revocations.push(revocation);
  for (const token of world.tokens) {
    if (revocation.deny.some((denial) => names(denial, token))) token.named = true;
  }
}

/** Acknowledges a revocation: from now on its tokens must be denied. */
export function acknowledge(issuer: Issuer, world: IssuerWorld, revocation: Revocation): void {
  const { branch } = issuer.database;
  for (const token of world.tokens) {
    const denials = revocation.deny.filter((denial) => names(denial, token));
    if (!denials.some(({ expiresAt }) => !token.forgotten || expiresAt >= token.expMs)) continue;
    if (!branch.owed.some((owed) => owed.token === token)) branch.owed.push({ token, from: branch.acknowledged });
  }
  branch.acknowledged += 1;
}

const isWaiting = (error: unknown) =>
  error instanceof RescindError && (error.code === 'clock_parted' || error.code === 'clock_ahead');

function newSession(random: IssuerWorld['random']): Session {
  const [sub, client] = [`u${random.below(3)}`, `c${random.below(2)}`];
  return { sid: fresh('s'), sub, client, ended: false, rotatedAt: null, rotatedReal: 0 };
}

/** Mints a token by a login, or by a refresh of a session that has not ended. */
export function mint(issuer: Issuer, world: IssuerWorld): void {
  const { database } = issuer;
  const { random } = world;
  const living = [...database.sessions.values()].filter(({ ended }) => !ended);
  const old = random.chance(0.6) ? random.pick(living) : undefined;
  const session = old ?? newSession(random);
  let iatMs: number;
  try {
    iatMs = world.mutants.mintsByWall ? Math.floor(world.now() + issuer.aheadMs) : issuer.clock.mint();
  } catch (error) {
    if (isWaiting(error)) return;
    throw error;
  }
  checkMinted(issuer, world);
  const exp = Math.floor(iatMs / 1000) + 5 + random.below(30);
  const rotated = old === undefined ? {} : { rotatedAt: iatMs, rotatedReal: world.now() };
  database.sessions.set(session.sid, { ...session, ...rotated });
  const { sid, sub, client } = session;
  const claims = { iss: ISSUER, sid, sub, client_id: client, tenant: `t${random.below(2)}`, jti: fresh('j') };
  const payload = { ...claims, iat: Math.floor(iatMs / 1000), iat_ms: iatMs, exp };
  const no = world.minted.count;
  world.minted.count += 1;
  const token: Token = { no, kid: database.kid, payload, iatMs, expMs: exp * 1000, named: false, forgotten: false };
  for (const { deny } of database.branch.revocations) {
    const bounded = deny.filter((denial) => denial.issuedUntil !== undefined);
    if (bounded.some((denial) => names(denial, token))) throw new Violation('a token was minted into a cut-off');
  }
  token.named = world.committed.some(({ deny }) => deny.some((denial) => names(denial, token)));
  database.maxExp = Math.max(database.maxExp, token.expMs);
  world.tokens.push(token);
}

/** Makes a random revocation. @param answered whether the process acknowledges it, before a possible crash */
export function revoke(issuer: Issuer, world: IssuerWorld, answered: boolean): void {
  const { database } = issuer;
  const { random } = world;
  let cutOff: number;
  try {
    cutOff = issuer.clock.cutOff();
  } catch (error) {
    if (isWaiting(error)) return;
    throw error;
  }
  const asked = random.chance(0.15) ? denialElsewhere(world, cutOff) : someDenials(issuer, world, cutOff);
  if (asked.length === 0) return;
  const deny = whileLeading(issuer, world, asked);
  for (const [sid, session] of database.sessions) {
    if (asked.some((denial) => denial.endsSession && isAbout(denial, session))) {
      database.sessions.set(sid, { ...session, ended: true });
    }
  }
  if (deny.some(({ claim }) => claim === 'kid')) {
    database.kid = fresh('k');
    issuer.kids.push(database.kid);
  }
  // Nothing to deny, as no session holds a live token.
  if (deny.length === 0) return;
  const revocation: Revocation = { txn: fresh('t'), deny };
  append(issuer, world, revocation, cutOff, Math.max(...deny.map(({ expiresAt }) => expiresAt)));
  if (random.chance(0.95)) markHighWater(issuer);
  commit(issuer, world, revocation);
  // A session that a restored database has forgotten is cut off by time only: its sid is not known.
  const known = asked.map((denial) => (deny.includes(denial) ? denial : { ...denial, expiresAt: 0 }));
  if (answered) acknowledge(issuer, world, { ...revocation, deny: [...known, ...deny] });
}

/** Ends a session by its idle deadline, while its token is still valid. */
export function letIdle({ database }: Issuer, { random }: IssuerWorld): void {
  const session = random.pick([...database.sessions.values()]);
  if (session !== undefined) database.sessions.set(session.sid, { ...session, ended: true });
}

/** The most sessions that are cut off by their sids. */
const MAX_SIDS = 8;

/**
 * While the clock leads, a cut-off of a user, a client or the issuer has no time, because readers would keep it until the wall clock has
 * passed it.
 */
function whileLeading(issuer: Issuer, world: IssuerWorld, asked: readonly CutOffEntry[]): CutOffEntry[] {
  const { database, clock } = issuer;
  if (clock.leadMs() <= 1_000) return [...asked];
  const kids = issuer.kids.map((value) => ({ iss: ISSUER, claim: 'kid', value, expiresAt: NEVER, endsSession: false }));
  return asked.flatMap((denial) => {
    if (denial.iss !== ISSUER || !['sub', 'client_id', 'iss'].includes(denial.claim)) return [denial];
    // Ended sessions count too: the wall clock may still be ahead, so their tokens may be valid.
    const mayLive = ({ ended }: Session) => !(world.mutants.liveSidsOnly && ended);
    const found = [...database.sessions.values()].filter((session) => isAbout(denial, session) && mayLive(session));
    if (denial.claim === 'iss' || found.length > MAX_SIDS) return kids;
    const { issuedUntil, ...unbounded } = denial;
    const by = denial.endsSession ? unbounded : denial;
    return found.map(({ sid }) => ({ ...by, claim: 'sid', value: sid }));
  });
}

function isAbout(denial: CutOffEntry, { sid, sub, client }: Session): boolean {
  const held: Record<string, string> = { sid, sub, client_id: client, iss: ISSUER };
  return held[denial.claim] === denial.value;
}

export function markHighWater(issuer: Issuer): void {
  const { epoch, head, last } = issuer.database;
  issuer.highWater = { epoch, head, id: last };
}

function someDenials(issuer: Issuer, world: IssuerWorld, cutOff: number): CutOffEntry[] {
  const { random, tokens, mutants } = world;
  const { database } = issuer;
  const token = random.pick(tokens.filter(({ payload }) => payload.iss === ISSUER).slice(-12));
  if (token === undefined) return [];
  const expiresAt = mutants.shortE ? Math.max(0, cutOff - TOLERANCE_MS + 2_000) : Math.max(database.maxExp, cutOff);
  const of = (claim: string) => ({ iss: ISSUER, claim, value: String(token.payload[claim]), expiresAt });
  const until = { issuedUntil: cutOff };
  switch (random.below(10)) {
    case 0:
      return [{ ...of('jti'), expiresAt: mutants.shortE ? expiresAt : token.expMs, endsSession: false }];
    case 1:
      return [{ ...of('sub'), ...until, endsSession: true }];
    case 2:
      return [{ ...of('sub'), ...until, endsSession: false }];
    case 3:
      return [{ ...of('client_id'), ...until, endsSession: true }];
    case 4:
      return [{ ...of('tenant'), ...until, endsSession: false }];
    case 5: {
      // All sessions of this user except this one.
      const sids = [...database.sessions.values()].filter(
        ({ sub, sid }) => sub === token.payload.sub && sid !== token.payload.sid,
      );
      return sids.map(({ sid }) => ({ ...of('sid'), value: sid, endsSession: true }));
    }
    case 6:
      return random.chance(0.5)
        ? [{ ...of('iss'), ...until, endsSession: true }]
        : [{ ...of('kid'), value: database.kid, expiresAt: NEVER, endsSession: false }];
    default:
      return [{ ...of('sid'), endsSession: true }];
  }
}

/** Raises the floor of the clock: what has expired by a time stays expired only if the clock never goes back behind it. */
function keepTime({ database }: Issuer, { mutants }: IssuerWorld, now: number): void {
  if (mutants.pruningKeepsNoTime || mutants.prunesByWall) return;
  database.clockFloor = Math.max(database.clockFloor, now);
}

/** Prunes the log from its oldest row: removes rows that no longer deny, and appends old ones again. */
export function pruneLog(issuer: Issuer, world: IssuerWorld): void {
  const { database } = issuer;
  if (issuer.comparison?.reference.state() === 'awaited') return;
  const now = world.mutants.prunesByWall ? world.now() + issuer.aheadMs + 90_000 : issuer.clock.now();
  const isDead = (row: Row) => row.expiresAt + TOLERANCE_MS < now;
  for (let rows = 0; rows < 20; rows += 1) {
    const row = database.rows[0];
    if (row === undefined) break;
    if (isDead(row)) keepTime(issuer, world, now);
    else {
      if (row.at >= now - world.retentionMs / 2) break;
      if (!world.mutants.neverAppendsAnew) append(issuer, world, row, issuer.clock.now(), row.expiresAt);
    }
    database.rows.shift();
  }
  const floor = database.rows.find((row) => !isDead(row))?.seq ?? database.head + 1;
  database.floor = world.mutants.floorFalls ? floor : Math.max(database.floor, floor);
}

/**
 * Changes the event key: opens an epoch to which rows that still deny are appended again. `marked`: whether the process still writes the
 * high-water mark before a possible crash.
 */
export function turnEpoch(issuer: Issuer, world: IssuerWorld, marked: boolean, isRevoked = false): void {
  const { database } = issuer;
  const { mutants } = world;
  const now = issuer.clock.now();
  keepTime(issuer, world, now);
  const live = database.rows.filter(
    ({ seq, expiresAt, kills }) =>
      kills === undefined &&
      expiresAt + TOLERANCE_MS >= now &&
      !mutants.turnForgetsAll &&
      !(mutants.turnForgetsUnsent && seq > database.sentSeq),
  );
  if (isRevoked) sayLastWord(issuer, world);
  database.counter += 1;
  const epoch = epochOf(mutants.turnSortsBelow ? 0 : database.counter, world);
  const former = database.eventKid;
  issuer.epochs.push(epoch);
  Object.assign(database, { epoch, head: 0, last: null, floor: 1, rows: [], sentSeq: 0, eventKid: freshKid() });
  issuer.eventKids.push(database.eventKid);
  (isRevoked ? database.revokedEventKids : database.formerEventKids).push(former);
  if (isRevoked) issuer.revokedEver.add(former);
  denyEventKeys(issuer, world, now);
  for (const row of live) append(issuer, world, row, now, row.expiresAt);
  if (marked) markHighWater(issuer);
}

/** Appends the closing event, by which the signing key revokes itself. */
function sayLastWord(issuer: Issuer, world: IssuerWorld): void {
  const { database } = issuer;
  const kills = [database.eventKid];
  append(issuer, world, { txn: fresh('t'), deny: [], kills }, issuer.clock.now(), NEVER);
  const { jws } = database.rows.at(-1) as Row;
  if (!world.mutants.lastWordIsLost) database.lastWords.push({ epoch: database.epoch, jws, sent: false });
}

/** Appends the denials of event keys, with which each epoch begins. */
export function denyEventKeys(issuer: Issuer, world: IssuerWorld, now: number): void {
  const kills = issuer.database.revokedEventKids;
  if (kills.length > 0) append(issuer, world, { txn: fresh('t'), deny: [], kills: [...kills] }, now, NEVER);
}

/** Revokes a former event key, which is then denied in the present epoch. */
export function revokeFormerEventKey(issuer: Issuer, world: IssuerWorld): void {
  const { database, clock } = issuer;
  const kid = database.formerEventKids.shift();
  if (kid === undefined) return;
  database.revokedEventKids.push(kid);
  issuer.revokedEver.add(kid);
  append(issuer, world, { txn: fresh('t'), deny: [], kills: [kid] }, clock.now(), NEVER);
  markHighWater(issuer);
}

/** The operator's `restore`: opens an epoch, revokes every older key, and appends again what still denies. */
export function restore(issuer: Issuer, world: IssuerWorld, seenEpochs: readonly string[]): void {
  const { database } = issuer;
  const revoked = issuer.revokedEver;
  const counters = seenEpochs.map((epoch) => Number(epoch.slice(0, 4)));
  database.counter = Math.max(database.counter, ...counters) + (world.mutants.epochSortsBelow ? -1 : 1);
  const live = database.rows.filter(({ kills }) => kills === undefined);
  Object.assign(database, {
    epoch: epochOf(database.counter, world),
    head: 0,
    last: null,
    floor: 1,
    rows: [],
    sentSeq: 0,
    refusing: false,
    kid: fresh('k'),
    sessions: new Map(),
  });
  const at = issuer.clock.now();
  // The key files are the latest: they have no revoked key.
  database.revokedEventKids = issuer.eventKids.filter((kid) => revoked.has(kid));
  // A retired key has no private half any more.
  if (database.eventKid !== issuer.eventKids.at(-1) || revoked.has(database.eventKid)) {
    database.eventKid = freshKid();
    issuer.eventKids.push(database.eventKid);
  }
  database.formerEventKids = issuer.eventKids.filter((kid) => kid !== database.eventKid && !revoked.has(kid));
  denyEventKeys(issuer, world, at);
  const dead = issuer.kids;
  issuer.kids = [...dead, database.kid];
  if (!world.mutants.newEpochIsEmpty) {
    const revocation: Revocation = {
      txn: fresh('t'),
      deny: dead.map((value) => ({ iss: ISSUER, claim: 'kid', value, expiresAt: NEVER, endsSession: false })),
    };
    append(issuer, world, revocation, at, NEVER);
    commit(issuer, world, revocation);
    for (const row of live) append(issuer, world, row, at, row.expiresAt);
    acknowledge(issuer, world, revocation);
  } else acknowledge(issuer, world, { txn: fresh('t'), deny: [] });
  markHighWater(issuer);
}
