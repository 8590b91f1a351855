import type { EpochMillis } from '@rescind/revocation';
import { isCallersError, NEVER } from '@rescind/revocation';
import { askerOptions } from './call-options.ts';
import type { Issuer } from './issuer.ts';
import type { RegisteredClient } from './issuer-clients.ts';
import type { Introspection } from './issuer-sessions.ts';
import { allowedScope, requireGoingOn } from './session/grant.ts';
import { findPresented } from './session/presented.ts';
import type { SessionRoom } from './session/room.ts';
import { presentScope } from './session/scope.ts';

const INACTIVE: Introspection = { active: false };

/** RFC 7662: unknown, expired, revoked and not the asker's business are one answer (section 4). */
export function createIntrospect(
  room: SessionRoom,
  verify: Issuer['verify'],
  now: () => EpochMillis,
): Issuer['introspect'] {
  return async (token, given) => {
    const { clientId } = askerOptions(given);
    const asker = await room.clients.find(room.store.read.clients, clientId);
    if (asker === undefined || asker.disabled) return INACTIVE;
    try {
      return (await aboutRefreshToken(room, token, asker, now())) ?? (await aboutAccessToken(verify, token, asker));
    } catch (error) {
      if (isCallersError(error)) return INACTIVE;
      throw error;
    }
  };
}

async function aboutAccessToken(
  verify: Issuer['verify'],
  token: string,
  asker: RegisteredClient,
): Promise<Introspection> {
  const { payload } = await verify(token);
  if (!isTheirs(payload, asker)) return INACTIVE;
  // Verified, and minted here: these claims are there, and are text.
  const { iss, sub, client_id, scope, sid } = payload as Record<'iss' | 'sub' | 'client_id' | 'scope' | 'sid', string>;
  return { ...payload, iss, sub, client_id, scope, sid, token_type: 'Bearer', active: true };
}

/** A resource server that took a refresh token for an access token must not be told that it is good. */
async function aboutRefreshToken(
  room: SessionRoom,
  token: string,
  asker: RegisteredClient,
  at: EpochMillis,
): Promise<Introspection | undefined> {
  const { read } = room.store;
  const presented = await findPresented(read, token);
  if (presented === undefined) return undefined;
  const { session, state } = presented;
  if (state !== 'present' || session.clientId !== asker.clientId) return INACTIVE;
  const subject = await requireGoingOn(room, read, session, at);
  const expires = Math.min(session.idleExpiresAt, session.absoluteExpiresAt);
  return {
    active: true,
    iss: room.policy.issuer,
    sub: session.sub,
    client_id: session.clientId,
    scope: presentScope(session.scope, allowedScope(subject, asker)).join(' '),
    sid: session.sid,
    ...(expires === NEVER ? {} : { exp: Math.floor(expires / 1000) }),
    token_use: 'refresh_token',
  };
}

function isTheirs({ client_id, aud }: Readonly<Record<string, unknown>>, asker: RegisteredClient): boolean {
  if (client_id === asker.clientId) return true;
  if (!asker.mayIntrospect) return false;
  return asker.audience === undefined || [aud].flat().some((one) => asker.audience?.includes(String(one)));
}
