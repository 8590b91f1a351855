import type { FollowerEffect, FollowerInput, FollowerState } from '@rescind/feed/core';
import type { CutOff, CutOffRow } from '@rescind/revocation/cut-off';
import type { Find } from '@rescind/revocation/judge';
import { judge } from '@rescind/revocation/judge';
import type { Follower, Store } from './follower.ts';
import type { ClockSet, Rows, Token } from './truth.ts';
import { ISSUER, putRow, rowKey, Violation } from './truth.ts';

/** Faults: look-ups that read the file without the pending rows in memory. */
export interface LookupMutants {
  readonly namesOfFileOnly?: boolean;
  readonly excludesByFileOnly?: boolean;
  readonly recentOfFileOnly?: boolean;
}

interface Checked {
  readonly tokens: readonly Token[];
  readonly mutants: LookupMutants;
  readonly issuer: { readonly clockSet: ClockSet | null };
  now(): number;
}

/** The look-ups of a follower's denylist: pending rows first. */
function findOf({ store, disk }: Follower, mutants: LookupMutants): Find {
  const all = findIn(store.rows);
  if (disk === null) return all;
  const file = findIn(disk.rows);
  return {
    names: mutants.namesOfFileOnly ? file.names : all.names,
    row(iss, claim, value) {
      const held = file.row(iss, claim, value);
      if (held === undefined) return mutants.excludesByFileOnly ? undefined : all.row(iss, claim, value);
      return mutants.recentOfFileOnly ? held : all.row(iss, claim, value);
    },
  };
}

/** Requires that verified denials are enforced from that step on, whatever the state of the disk. */
export function checkVerified(follower: Follower, cutoffs: Iterable<CutOff>, mutants: LookupMutants): void {
  const find = findOf(follower, mutants);
  const isNamed = (claim: string) => [...find.names(ISSUER)].includes(claim);
  for (const { iss, claim, value, issuedUntil, expiresAt } of cutoffs) {
    const row = isNamed(claim) ? find.row(iss, claim, value) : undefined;
    if (row !== undefined && row.issuedUntil >= issuedUntil && row.expiresAt >= expiresAt) continue;
    throw new Violation(`${follower.name} does not deny what it has verified: ${claim} ${value}`);
  }
}

function findIn(rows: Rows): Find {
  return { names: () => rows.keys(), row: (iss, claim, value) => rows.get(claim)?.get(rowKey(iss, value)) };
}

/** Whether a guard refuses the token as expired. */
function isExpired(token: Token, follower: Follower, now: number): boolean {
  return token.expMs <= Math.max(now + follower.aheadMs, follower.store.state?.logTime ?? 0);
}

const isDenied = (token: Token, find: Find) => judge({ kid: token.kid, payload: token.payload }, find).denied;

/**
 * Whether the denial of a token must last until its expiry. A row that a restored database has forgotten may expire before the token:
 * such a denial ends then. So may the denial, by an older row, of a token that was minted after a clock command.
 */
function lasts(token: Token, find: Find, clockSet: ClockSet | null): boolean {
  const verdict = judge({ kid: token.kid, payload: token.payload }, find);
  if (!verdict.denied || verdict.reason !== 'revoked' || verdict.cutoff.expiresAt < token.expMs) return false;
  return clockSet === null || token.iatMs <= clockSet.at || verdict.cutoff.epoch >= clockSet.epoch;
}

function tell(token: Token, { store, aheadMs }: Follower, now: number): string {
  const kept = { ...store.state, proof: undefined };
  const held = [...store.rows].map(([claim, values]) =>
    values.get(String(claim === 'kid' ? token.kid : token.payload[claim])),
  );
  const rows = held.filter((row) => row !== undefined);
  return JSON.stringify({ token, kept, aheadMs, now, rows });
}

/** Checks the invariants after each change of a follower's rows. */
export function checkRows(follower: Follower, world: Checked): void {
  const { denied } = follower;
  const now = world.now();
  const find = findOf(follower, world.mutants);
  for (const token of world.tokens) {
    const isNow = isDenied(token, find);
    if (isNow && !token.named) throw new Violation(`${follower.name} denies a token that was not revoked`);
    if (isNow && !denied.has(token) && lasts(token, find, world.issuer.clockSet)) denied.add(token);
    if (!isNow && denied.has(token) && !isExpired(token, follower, now)) {
      throw new Violation(`${follower.name} un-revoked a token: ${tell(token, follower, now)}`);
    }
  }
}

/** Applies a crash: tokens that only memory denied need no longer be denied. */
export function forgetOwed(follower: Follower, { tokens }: Pick<Checked, 'tokens'>): void {
  if (follower.disk === null) return;
  follower.store = follower.disk;
  follower.disk = null;
  follower.owedRows = 0;
  const find = findIn(follower.store.rows);
  follower.denied = new Set(tokens.filter((token) => follower.denied.has(token) && isDenied(token, find)));
}

/** Requires that a view that is complete as of a heartbeat denies everything acknowledged before the time of the heartbeat was read. */
export function checkClaim(follower: Follower, { mutants, ...world }: Omit<Checked, 'tokens' | 'issuer'>): void {
  const { claim } = follower.store;
  if (claim === null || claim.isForged) return;
  const now = world.now();
  const find = findOf(follower, mutants);
  for (const { token, from } of claim.branch.owed) {
    if (from >= claim.acknowledged) break;
    if (isExpired(token, follower, now) || isDenied(token, find)) continue;
    throw new Violation(
      `${follower.name} has a complete view and accepts a token that was revoked before: ${tell(token, follower, now)}`,
    );
  }
}

/** Requires that everything acknowledged by now, on the present branch, is denied. */
export function checkAll(follower: Follower, owed: readonly { readonly token: Token }[], now: number): void {
  const find = findIn(follower.store.rows);
  for (const { token } of owed) {
    if (!isExpired(token, follower, now) && !isDenied(token, find)) {
      throw new Violation(`${follower.name} has the complete log and accepts a revoked token`);
    }
  }
}

/** Requires that a ready follower denies every token that the topic denied when it was opened. */
export function checkReady(
  follower: Follower,
  remembered: readonly CutOffRow[],
  tokens: readonly Token[],
  now: number,
): void {
  const rows: Rows = new Map();
  for (const cutoff of remembered) putRow(rows, cutoff);
  const remembers = findIn(rows);
  const find = findIn(follower.store.rows);
  for (const token of tokens) {
    // Events that a restored database lacks are missing from its log too.
    if (token.forgotten) continue;
    if (isDenied(token, remembers) && !isExpired(token, follower, now) && !isDenied(token, find)) {
      throw new Violation(`${follower.name} was ready before it had caught up: ${tell(token, follower, now)}`);
    }
  }
}

/** The tolerance of ages: a suspension this short may be hidden by a wall clock that was set meanwhile. */
const EXACT_MS = 110;

/** Requires that the reported age is not less than the true one, except by the difference of the clocks. */
export function checkAge(follower: Follower, state: FollowerState, ageMs: number, now: number): void {
  const { claim, slackMs } = follower.store;
  if (claim === null) {
    if (Number.isFinite(ageMs)) throw new Violation(`${follower.name} reports the age of a view that it never had`);
    return;
  }
  if (claim.isForged) return;
  const trueAge = now - claim.readAt;
  if (ageMs < trueAge - slackMs - EXACT_MS) {
    throw new Violation(
      `${follower.name} reports an age of ${ageMs} ms instead of ${trueAge} (±${slackMs}), at ${state.logState.seq}`,
    );
  }
}

/** Requires that a restart adds the time since to the age of the last commit. */
export function checkRestart(follower: Follower, ageMs: number, setBackMs: number, now: number): void {
  const { saved } = follower.store;
  if (saved === null || ageMs >= saved.ageMs + now - saved.at - setBackMs - EXACT_MS) return;
  const before = `${saved.ageMs} ms at its last commit, ${now - saved.at} ms ago`;
  throw new Violation(`${follower.name} reports ${ageMs} ms after a restart, and reported ${before}`);
}

/** Requires that no key is followed that has revoked itself, or that the set no longer has. */
export function checkEventKeys(follower: Follower, input: FollowerInput, { logState }: FollowerState): void {
  const { revoked } = follower.store;
  if (input.kind === 'records') {
    for (const record of input.records) {
      if (record.kind === 'event' && record.kills.includes(record.kid)) revoked.add(record.kid);
    }
  }
  const { epochKid, revokedEventKids = [] } = logState;
  if (epochKid == null || logState.epoch === '') return;
  if (revoked.has(epochKid)) throw new Violation(`${follower.name} follows a key that has revoked itself`);
  if (input.kind === 'keys' && !input.set.kids.includes(epochKid)) {
    throw new Violation(`${follower.name} follows a key that is no longer published`);
  }
  for (const kid of revoked) {
    if (!revokedEventKids.includes(kid)) throw new Violation(`${follower.name} has forgotten a revoked key`);
  }
}

export function slackOf(store: Store, followerAheadMs: number): number {
  return Math.max(0, (store.claim?.aheadMs ?? 0) - followerAheadMs);
}

interface Steady {
  readonly steady: 'calm' | 'stalls' | null;
}

/** Requires that the fallback is read for at least 10 s when the position stayed behind, and twice as long each time soon after. */
export function checkOpening(
  { name, process }: Follower,
  { transport, standby }: Extract<FollowerEffect, { kind: 'open' }>,
  world: Steady & { now(): number },
): void {
  if (transport !== 'fallback' || process === null) return;
  if (!standby && world.steady !== null) throw new Violation(`${name} requests the log although there is no fault`);
  const { hold } = process.state.standby;
  const now = world.now();
  if (standby || hold === null || process.behind?.at === hold.startedAt) return;
  if (
    process.behind !== null &&
    hold.startedAt - process.behind.at < 10_000 * 2 ** Math.min(4, process.behind.times - 1)
  ) {
    throw new Violation(`${name} alternates between the transports, at ${now}`);
  }
  const isSoon = process.behind !== null && hold.startedAt - process.behind.at < 300_000;
  process.behind = { at: hold.startedAt, times: isSoon ? (process.behind?.times ?? 0) + 1 : 1 };
}

/** Requires that a standby stream raises the head only, and reports no gap. */
export function checkStandby(
  { name }: Follower,
  input: FollowerInput,
  before: FollowerState,
  after: FollowerState,
): void {
  const isStandby = input.kind === 'records' && input.transport === 'fallback' && before.transports.fallback.standby;
  if (isStandby && after.cause === 'gap' && before.cause !== 'gap') {
    throw new Violation(`${name} finds a gap because of a standby stream`);
  }
}

/** Requires one connection at most: a standby stream is replaced by a connection that is read, and the reverse. */
export function checkConnections({ name, process }: Follower): void {
  const { connection, beside } = process?.transports.fallback ?? {};
  if (connection != null && beside != null) throw new Violation(`${name} has two connections to the issuer`);
}
