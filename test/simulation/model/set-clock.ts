import { NEVER } from '@rescind/revocation/cut-off';
import type { CutOffEntry } from '../../support/cut-offs.ts';
import type { Issuer, IssuerWorld } from './issuer.ts';
import { epochOf, fresh, TOLERANCE_MS } from './issuer.ts';
import type { Revocation } from './truth.ts';
import { ISSUER, OTHER } from './truth.ts';
import { acknowledge, append, commit, denyEventKeys, markHighWater } from './writes.ts';

/** The operator has corrected the wall clock and sets the issuer's clock by it, while no issuer runs. */
export function setClock(issuer: Issuer, world: IssuerWorld): void {
  const { database } = issuer;
  const { mutants } = world;
  issuer.aheadMs = 0;
  issuer.toldAt = 0;
  issuer.lead = null;
  const at = Math.floor(world.now());
  lowerTimes(issuer, world, at);

  const live = database.rows
    .filter(({ kills, expiresAt }) => kills === undefined && expiresAt + TOLERANCE_MS >= at)
    .flatMap((row) => withinTime(row, at));
  database.counter += 1;
  const epoch = epochOf(database.counter, world);
  issuer.epochs.push(epoch);
  issuer.clockSet = { at, epoch };
  const older = issuer.kids;
  const kid = fresh('k');
  issuer.kids = [...older, kid];
  const position = { epoch, head: 0, last: null, floor: 1, rows: [], sentSeq: 0 };
  Object.assign(database, { ...position, kid, timeSince: epoch, clockFloor: at + 1 });
  const kids = older.map((value) => ({ iss: ISSUER, claim: 'kid', value, expiresAt: NEVER, endsSession: false }));
  const other = { iss: OTHER, claim: 'iss', value: OTHER, issuedUntil: at, expiresAt: NEVER, endsSession: true };
  const deny: CutOffEntry[] = [...(mutants.noKidRows ? [] : kids), ...(mutants.othersGoOn ? [] : [other])];
  if (deny.length > 0) {
    const revocation: Revocation = { txn: fresh('t'), deny };
    append(issuer, world, revocation, at, NEVER);
    commit(issuer, world, revocation);
    acknowledge(issuer, world, revocation);
  }
  denyEventKeys(issuer, world, at);
  for (const row of live) append(issuer, world, row, at, row.expiresAt);
  markHighWater(issuer);
}

/** Cut-offs by a time that is ahead are not appended again for our own tokens, whose keys are denied. */
function withinTime<R extends { readonly deny: readonly CutOffEntry[] }>(row: R, at: number): R[] {
  const isBeyond = ({ issuedUntil = 0 }: CutOffEntry) => issuedUntil > at;
  const kept = row.deny.filter((denial) => denial.iss !== ISSUER || !isBeyond(denial));
  const deny = kept.map((denial) => (isBeyond(denial) ? { ...denial, issuedUntil: at } : denial));
  return deny.length === 0 ? [] : [{ ...row, deny }];
}

function lowerTimes({ database }: Issuer, { mutants }: IssuerWorld, at: number): void {
  const soft = database.rows
    .flatMap(({ deny }) => deny)
    .filter(({ issuedUntil = 0, endsSession }) => issuedUntil > at && !endsSession);
  for (const [sid, session] of database.sessions) {
    const held: Record<string, string> = { sid, sub: session.sub, client_id: session.client };
    const isDenied = soft.some(({ claim, value }) => held[claim] === value);
    const isLater = session.rotatedAt !== null && session.rotatedAt > at;
    database.sessions.set(sid, {
      ...session,
      ended: session.ended || isDenied,
      rotatedAt: isLater && !mutants.negativeGrace ? null : session.rotatedAt,
    });
  }
  database.maxExp = Math.min(database.maxExp, at);
  // Its denials of later times no longer hold.
  const { revocations } = database.branch;
  revocations.forEach((revocation, index) => {
    const deny = revocation.deny.map((denial) =>
      denial.issuedUntil !== undefined && denial.issuedUntil > at ? { ...denial, issuedUntil: at } : denial,
    );
    revocations[index] = { ...revocation, deny };
  });
}
