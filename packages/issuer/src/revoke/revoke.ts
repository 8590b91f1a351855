import { RescindError } from '@rescind/revocation';
import type { CutOff } from '@rescind/revocation/cut-off';
import { NO_SESSION, UNBOUNDED } from '@rescind/revocation/cut-off';
import { isCallersError } from '@rescind/revocation/errors';
import type { IssuerContext } from '../context.ts';
import type { CutOffRequest, EndSession, Revoked, RevokeToken, SubjectChange } from '../issuer-revocations.ts';
import { replaceRevoked } from '../keys/changes.ts';
import { findPresented } from '../session/refresh-token.ts';
import type { Transaction } from '../transaction.ts';
import { appendRevocation, denyEventKid, denyKid } from './cut-offs.ts';

import type { RevocationPlan, RevocationRequest } from './plan.ts';
import { createPlanContext, planRevocation } from './plan.ts';

/** Ends sessions, writes rows and the outbox: one revocation. `undefined`: there is no session to end. */
export async function revoke(
  context: IssuerContext,
  tx: Transaction,
  requested: CutOffRequest | readonly CutOffRequest[] | SubjectChange,
): Promise<Revoked>;
export async function revoke(
  context: IssuerContext,
  tx: Transaction,
  requested: RevocationRequest,
): Promise<Revoked | undefined>;
export async function revoke(
  context: IssuerContext,
  tx: Transaction,
  requested: RevocationRequest,
): Promise<Revoked | undefined> {
  if ('exceptSid' in requested && requested.exceptSid !== undefined) {
    await takeToPresentCredential(context, tx, requested.sub, requested.exceptSid);
  }
  const plan = await planRevocation(await createPlanContext(context, tx.store, tx), requested);
  return plan && (await applyPlan(context, tx, plan));
}

export async function endSession(
  context: IssuerContext,
  tx: Transaction,
  { sid, sub, reason }: EndSession,
): Promise<Revoked | undefined> {
  const { sessions } = tx.store;
  // An ended session without live tokens needs no revocation.
  if ((await sessions.count('sid', sid, tx.aliveAt())).sessions === 0) return undefined;
  if (sub !== undefined && (await sessions.find(sid))?.sub !== sub) return undefined;
  return revoke(context, tx, { claim: 'sid', value: sid, reason });
}

async function applyPlan(context: IssuerContext, tx: Transaction, plan: RevocationPlan): Promise<Revoked> {
  const { txn, reason, cutOffs, endings } = plan;
  let endedSessions = 0;
  for (const { claim, value } of endings) {
    const at = tx.aliveAt();
    await context.userEvents.recordEnds(tx, { claim, value, at, reason, txn });
    endedSessions += await tx.store.sessions.end(claim, value, at, reason, UNBOUNDED);
  }
  for (const { iss, claim, value, sessionUntil } of cutOffs) {
    if (iss !== context.policy.issuer || claim !== 'sub' || sessionUntil !== NO_SESSION) continue;
    await context.userEvents.record(tx, { type: 'tokens_revoked', sub: value, reason, txn });
  }
  const keys = await replaceKeys(context, tx, cutOffs);
  if (tx.leads()) warnOfTimes(context, tx, cutOffs);
  return Object.assign(appendRevocation(tx, { txn, reason, cutOffs: [...cutOffs, ...keys] }), { endedSessions });
}

/** Logs until when a cut-off by time denies tokens while the clock leads: readers keep it, and no command removes it. */
function warnOfTimes({ keys: { settings } }: IssuerContext, tx: Transaction, cutOffs: readonly CutOff[]): void {
  for (const { iss, claim, issuedUntil } of cutOffs) {
    if (issuedUntil === UNBOUNDED || claim === 'sid') continue;
    const until = new Date(issuedUntil).toISOString();
    tx.afterCommit(() => settings.telemetry.log('warn', 'cutoff_ahead', { iss, claim, until }));
  }
}

/** RFC 7009 section 2.1. */
export async function revokeToken(
  context: IssuerContext,
  tx: Transaction,
  { token, clientId, reason = 'token_revoked' }: RevokeToken,
): Promise<Revoked | undefined> {
  const found = await findPresented(tx.store, token);
  if (found === undefined) return revokeAccessToken(context, tx, { token, clientId, reason });
  requireClient(found.session.clientId, clientId);
  return endSession(context, tx, { sid: found.session.sid, reason });
}

async function revokeAccessToken(
  context: IssuerContext,
  tx: Transaction,
  { token, clientId, reason }: Required<RevokeToken>,
): Promise<Revoked | undefined> {
  const payload = readAccessToken(context, tx, token);
  if (payload === undefined) return undefined;
  requireClient(payload.client_id, clientId);
  const { jti, exp } = payload;
  if (typeof jti !== 'string' || typeof exp !== 'number') return undefined;
  if ((await tx.store.revocations.row(context.policy.issuer, 'jti', jti)) !== undefined) return undefined;
  const done = await revoke(context, tx, { claim: 'jti', value: jti, expiresAt: exp * 1000, reason });
  const { sub, sid } = payload;
  if (typeof sub === 'string' && sub !== clientId) {
    const ofSession = typeof sid === 'string' ? { sid } : {};
    await context.userEvents.record(tx, { type: 'tokens_revoked', sub, ...ofSession, clientId, reason, txn: done.txn });
  }
  return done;
}

/** The payload of the token; undefined if no reader can accept the token: then no revocation is needed (RFC 7009 section 2.2). */
function readAccessToken({ revocable }: IssuerContext, tx: Transaction, token: string) {
  try {
    return revocable.verify(token, tx.aliveAt()).payload;
  } catch (error) {
    if (isCallersError(error)) return undefined;
    throw error;
  }
}

/** RFC 7009 section 2.1, RFC 6749 section 5.2: `invalid_grant` is also what "was issued to another client". */
function requireClient(owner: unknown, clientId: string): void {
  if (owner !== clientId) throw new RescindError('grant_invalid', { detail: 'the token was issued to another client' });
}

/** Sets the credential version of the session that stays open after a change of the password to the present one. */
async function takeToPresentCredential(
  context: IssuerContext,
  tx: Transaction,
  sub: string,
  sid: string,
): Promise<void> {
  const session = await tx.store.sessions.find(sid);
  const subject = await context.subject(tx.store, sub);
  if (session?.sub !== sub || subject === undefined) return;
  await tx.store.sessions.setCredentialVersion(sid, subject.credentialVersion);
}

/** Replaces revoked keys in this transaction. @returns further cut-offs, of keys that are denied with them */
async function replaceKeys(
  { keys, policy }: IssuerContext,
  tx: Transaction,
  cutOffs: readonly CutOff[],
): Promise<readonly CutOff[]> {
  const revoked: string[] = [];
  for (const { iss, claim, value } of cutOffs) if (claim === 'kid' && iss === policy.issuer) revoked.push(value);
  const eventKids: string[] = [];
  for (const kid of revoked) {
    // The denial of the signing event key opens the epoch that follows; that of any other event key is in this epoch.
    const row = await tx.store.keys.find(kid);
    if (row?.purpose === 'event' && (row.state === 'former' || row.state === 'next')) eventKids.push(kid);
  }
  const others: string[] = [];
  for (const kid of revoked) others.push(...(await replaceRevoked(keys, tx, kid)));
  return [
    ...others.map((kid) => denyKid(policy.issuer, kid)),
    ...eventKids.map((kid) => denyEventKid(policy.issuer, kid, tx.now())),
  ];
}
