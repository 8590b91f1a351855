import type { CutOff } from '@rescind/revocation';
import { isCallersError, RescindError, UNBOUNDED } from '@rescind/revocation';
import type { Verifier } from '@rescind/token';
import type { CutoffRequest, EndSession, Revoked, RevokeToken, SubjectChange } from '../issuer-revocations.ts';
import type { KeyRoom } from '../keys/changes.ts';
import { replaceRevoked } from '../keys/changes.ts';
import { findPresented } from '../session/presented.ts';
import type { SessionRoom } from '../session/room.ts';
import type { Unit } from '../transactions.ts';
import { appendRevocation } from './append.ts';
import { denyEventKid, denyKid } from './cut-offs.ts';
import type { RevocationPlan, RevocationRequest } from './plan.ts';
import { createPlanRoom, planRevocation } from './plan.ts';

/** What revoking works with. */
export interface RevocationRoom extends SessionRoom {
  /** Takes a token for as long as readers might: to its `exp` and their tolerance. */
  readonly revocable: Verifier;
  readonly keys: KeyRoom;
  /** Does what the schedule of the keys says is due. */
  readonly runKeySchedule: () => Promise<void>;
}

/** Ends sessions, writes rows and the outbox: one revocation. `undefined`: there is no session to end. */
export async function revoke(
  room: RevocationRoom,
  unit: Unit,
  asked: CutoffRequest | readonly CutoffRequest[] | SubjectChange,
): Promise<Revoked>;
export async function revoke(room: RevocationRoom, unit: Unit, asked: RevocationRequest): Promise<Revoked | undefined>;
export async function revoke(room: RevocationRoom, unit: Unit, asked: RevocationRequest): Promise<Revoked | undefined> {
  if ('exceptSid' in asked && asked.exceptSid !== undefined) {
    await takeToPresentCredential(room, unit, asked.sub, asked.exceptSid);
  }
  const plan = await planRevocation(await createPlanRoom(room, unit.store, unit), asked);
  return plan && (await carryOut(room, unit, plan));
}

export async function endSession(
  room: RevocationRoom,
  unit: Unit,
  { sid, sub, reason }: EndSession,
): Promise<Revoked | undefined> {
  const { sessions } = unit.store;
  // Of one that is over and has left nothing, there is nothing to say.
  if ((await sessions.count('sid', sid, unit.aliveAt())).sessions === 0) return undefined;
  if (sub !== undefined && (await sessions.find(sid))?.sub !== sub) return undefined;
  return revoke(room, unit, { claim: 'sid', value: sid, reason });
}

async function carryOut(room: RevocationRoom, unit: Unit, plan: RevocationPlan): Promise<Revoked> {
  const { txn, reason, cutOffs, endings } = plan;
  let endedSessions = 0;
  for (const { claim, value } of endings) {
    endedSessions += await unit.store.sessions.end(claim, value, unit.aliveAt(), reason, UNBOUNDED);
  }
  const keys = await replaceKeys(room, unit, cutOffs);
  if (unit.leads()) warnOfTimes(room, unit, cutOffs);
  return Object.assign(appendRevocation(unit, { txn, reason, cutOffs: [...cutOffs, ...keys] }), { endedSessions });
}

/** What a cut-off by time denies while the clock leads: readers keep it, and no command takes it back. */
function warnOfTimes({ keys: { settings } }: RevocationRoom, unit: Unit, cutOffs: readonly CutOff[]): void {
  for (const { iss, claim, issuedUntil } of cutOffs) {
    if (issuedUntil === UNBOUNDED || claim === 'sid') continue;
    const until = new Date(issuedUntil).toISOString();
    unit.afterCommit(() => settings.telemetry.log('warn', 'cutoff_ahead', { iss, claim, until }));
  }
}

/** RFC 7009 section 2.1. */
export async function revokeToken(
  room: RevocationRoom,
  unit: Unit,
  { token, clientId, reason = 'token_revoked' }: RevokeToken,
): Promise<Revoked | undefined> {
  const found = await findPresented(unit.store, token);
  if (found === undefined) return revokeAccessToken(room, unit, { token, clientId, reason });
  requireClient(found.session.clientId, clientId);
  return endSession(room, unit, { sid: found.session.sid, reason });
}

async function revokeAccessToken(
  room: RevocationRoom,
  unit: Unit,
  { token, clientId, reason }: Required<RevokeToken>,
): Promise<Revoked | undefined> {
  const payload = readAccessToken(room, unit, token);
  if (payload === undefined) return undefined;
  requireClient(payload.client_id, clientId);
  const { jti, exp } = payload;
  if (typeof jti !== 'string' || typeof exp !== 'number') return undefined;
  if ((await unit.store.revocations.row(room.policy.issuer, 'jti', jti)) !== undefined) return undefined;
  return revoke(room, unit, { claim: 'jti', value: jti, expiresAt: exp * 1000, reason });
}

/** Whatever cannot be accepted anywhere needs no revocation (RFC 7009 section 2.2). */
function readAccessToken({ revocable }: RevocationRoom, unit: Unit, token: string) {
  try {
    return revocable.verify(token, unit.aliveAt()).payload;
  } catch (error) {
    if (isCallersError(error)) return undefined;
    throw error;
  }
}

/** RFC 7009 section 2.1, RFC 6749 section 5.2: `invalid_grant` is also what "was issued to another client". */
function requireClient(owner: unknown, clientId: string): void {
  if (owner !== clientId) throw new RescindError('grant_invalid', { detail: 'the token was issued to another client' });
}

/** The one session that stays after a change of the password goes on with the new one. */
async function takeToPresentCredential(room: RevocationRoom, unit: Unit, sub: string, sid: string): Promise<void> {
  const session = await unit.store.sessions.find(sid);
  const subject = await room.subject(unit.store, sub);
  if (session?.sub !== sub || subject === undefined) return;
  await unit.store.sessions.setCredentialVersion(sid, subject.credentialVersion);
}

/** A revoked key signs nothing any more, from this transaction on. What is to be denied with it. */
async function replaceKeys(
  { keys, policy }: RevocationRoom,
  unit: Unit,
  cutOffs: readonly CutOff[],
): Promise<readonly CutOff[]> {
  const revoked = cutOffs
    .filter(({ iss, claim }) => claim === 'kid' && iss === policy.issuer)
    .map(({ value }) => value);
  const eventKids: string[] = [];
  for (const kid of revoked) {
    // The epoch that follows the revocation of the key that signs begins with its denial; any other stands in this one.
    const row = await unit.store.keys.find(kid);
    if (row?.purpose === 'event' && (row.state === 'former' || row.state === 'next')) eventKids.push(kid);
  }
  const others: string[] = [];
  for (const kid of revoked) others.push(...(await replaceRevoked(keys, unit, kid)));
  return [
    ...others.map((kid) => denyKid(policy.issuer, kid)),
    ...eventKids.map((kid) => denyEventKid(policy.issuer, kid, unit.now())),
  ];
}
