import type { BeginSession, TokenAnswer } from '@rescind/issuer';
import type { Account } from './account.ts';
import type { DeviceTraits } from './devices.ts';
import { coarseAddress } from './devices.ts';
import type { Proved } from './proving.ts';
import type { AccountRoom } from './room.ts';

/** For whom, and from where, a session is to begin. */
export interface NewLogin extends DeviceTraits {
  readonly clientId: string;
  readonly scope?: string | undefined;
  /** The way the refresh tokens go. Default `body`. */
  readonly storage?: BeginSession['storage'] | undefined;
}

/** Begins a session of who has been proved, and tells the owner where the device is a new one. */
export function enter(room: AccountRoom, proved: Proved, login: NewLogin): TokenAnswer {
  const { tx, account, authentication } = proved;
  const tokens = tx.beginSession({ ...sessionOf(room, account, login), ...authentication });
  noteDevice(room, account, login, tokens.sid);
  room.table.update(account.sub, { lastLoginAt: room.clock.now() });
  return tokens;
}

function sessionOf({ audience }: AccountRoom, account: Account, login: NewLogin): BeginSession {
  const { clientId, scope, deviceName, deviceId, storage } = login;
  return {
    sub: account.sub,
    clientId,
    audience,
    credentialVersion: account.credentialVersion,
    origin: originOf(login),
    ...(scope === undefined ? {} : { scope }),
    ...(deviceName === undefined ? {} : { deviceName }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(storage === undefined ? {} : { storage }),
  };
}

function originOf({ address, userAgent }: DeviceTraits): NonNullable<BeginSession['origin']> {
  const place = coarseAddress(address);
  return { ...(place === undefined ? {} : { address: place }), ...(userAgent === undefined ? {} : { userAgent }) };
}

/** The first login of an account is no news to its owner; from then on every device is that was never seen. */
function noteDevice(room: AccountRoom, account: Account, login: NewLogin, sid: string): void {
  const { devices, links, notices, clock, notMeTtlMs, telemetry } = room;
  const now = clock.now();
  const isNew = devices.note(account.sub, login, now);
  if (!isNew || account.lastLoginAt === null) return;
  telemetry.log('info', 'authn_login_new_device', { sub: account.sub, sid });
  if (notices === undefined) return;
  const expiresAt = now + notMeTtlMs;
  const data = {
    ...contactOf(account),
    sid,
    device_name: login.deviceName ?? null,
    user_agent: login.userAgent ?? null,
    place: coarseAddress(login.address) ?? null,
    not_me: links.issue(account.sub, 'not_me', expiresAt),
    not_me_expires_at: new Date(expiresAt).toISOString(),
  };
  notices.add({ sub: account.sub, type: 'login.new_device', data }, now);
}

/** By what a notifier may find the owner, if it has no list of its own. */
export function contactOf({ username, claims }: Account): Record<string, string | null> {
  const phone = claims.phone_number;
  return { username, phone_number: typeof phone === 'string' ? phone : null };
}
