import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { deadline } from '../clients/policy.ts';
import type { AccessAnswer } from '../issuer-sessions.ts';
import type { Rotation } from '../store/sessions.ts';
import type { Unit } from '../transactions.ts';
import type { Audience } from './audience.ts';
import type { Grant } from './grant.ts';
import { createId, mintAccessToken } from './mint.ts';
import type { SessionRoom } from './room.ts';
import type { Unsigned } from './signing.ts';

interface Answering extends Omit<Grant, 'client'> {
  readonly audience: Audience;
  readonly scope: readonly string[];
  /** What it was narrowed to; null: it was not. */
  readonly narrowedTo: string | null;
  readonly at: EpochMillis;
  /** Of the session's refresh token. */
  readonly rotation?: Rotation;
  /** A token that was minted before and got lost: the same name, and the same end. */
  readonly again?: { readonly jti: string; readonly expiresAt: EpochMillis };
}

/** Mints, and remembers how long what was minted may live: no cut-off may be forgotten before. */
export async function answerAccess(
  { policy: { issuer }, tokenKeys }: SessionRoom,
  unit: Unit,
  answering: Answering,
): Promise<Unsigned<AccessAnswer>> {
  const { sessions, keys } = unit.store;
  const { session, subject, policy, audience, scope, narrowedTo, at, rotation, again } = answering;
  const jti = again?.jti ?? createId();
  const token = mintAccessToken({
    issuer,
    key: tokenKeys.requireSigning(await keys.active('token')),
    session,
    subject,
    audience,
    scope,
    jti,
    at,
    until: Math.min(again?.expiresAt ?? at + policy.accessTokenTtlMs, session.absoluteExpiresAt),
  });
  const { expiresAt, lifeSeconds } = token;
  const minted = {
    sid: session.sid,
    at,
    idleExpiresAt: deadline(at, policy.refreshIdleTtlMs),
    jti,
    exp: expiresAt,
    scope: narrowedTo,
  };
  if (rotation === undefined) await sessions.mint(minted);
  // Somebody else exchanged it first: nothing of this transaction stays.
  else if (!(await sessions.rotate(minted, rotation))) throw new RescindError('grant_invalid');
  return {
    token,
    rest: {
      token_type: 'Bearer',
      expires_in: lifeSeconds,
      refresh_in: Math.ceil(lifeSeconds / 2),
      scope: scope.join(' '),
      sid: session.sid,
    },
  };
}
