import type { BeginSession, TokenAnswer } from '@rescind/issuer';
import type { Account } from './account.ts';
import type { DeviceTraits } from './devices.ts';
import { coarseAddress } from './devices.ts';
import type { Proved } from './proving.ts';
import type { AccountRoom } from './room.ts';
import { tellOwner } from './telling.ts';

/** For whom, and from where, a session is to begin. */
export interface NewLogin extends DeviceTraits {
  readonly clientId: string;
  readonly scope?: string | undefined;
  /** `aud` of the access tokens (RFC 8707). Default: the client's services. */
  readonly resource?: readonly string[] | undefined;
  /** The way the refresh tokens go. Default `body`. */
  readonly storage?: BeginSession['storage'] | undefined;
  /** No deadlines: it lives until it is revoked. */
  readonly neverExpires?: boolean | undefined;
  /** Deadlines of this session alone. Default: those of its client. */
  readonly policy?: BeginSession['policy'] | undefined;
}

/** Begins a session of who has been proved, and tells the owner where the device is a new one. */
export function enter(room: AccountRoom, proved: Proved, login: NewLogin): TokenAnswer {
  const { tx, account, authentication } = proved;
  const tokens = tx.beginSession({ ...sessionOf(account, login), ...authentication });
  noteDevice(room, account, login, tokens.sid);
  room.table.update(account.sub, { lastLoginAt: room.clock.now() });
  return tokens;
}

function sessionOf(account: Account, login: NewLogin): BeginSession {
  const { clientId, scope, resource, deviceName, deviceId, storage, neverExpires = false } = login;
  const policy = neverExpires ? ({ refreshTokenTtlMs: 'never', refreshIdleTtlMs: 'never' } as const) : login.policy;
  return {
    sub: account.sub,
    clientId,
    credentialVersion: account.credentialVersion,
    origin: originOf(login),
    ...(scope === undefined ? {} : { scope }),
    ...(resource === undefined ? {} : { resource }),
    ...(deviceName === undefined ? {} : { deviceName }),
    ...(deviceId === undefined ? {} : { deviceId }),
    ...(storage === undefined ? {} : { storage }),
    ...(policy === undefined ? {} : { policy }),
  };
}

function originOf({ address, userAgent }: DeviceTraits): NonNullable<BeginSession['origin']> {
  const place = coarseAddress(address);
  return { ...(place === undefined ? {} : { address: place }), ...(userAgent === undefined ? {} : { userAgent }) };
}

/** The first login of an account is no news to its owner; from then on every device is that was never seen. */
function noteDevice(room: AccountRoom, account: Account, login: NewLogin, sid: string): void {
  const { devices, clock, telemetry } = room;
  const now = clock.now();
  const isNew = devices.note(account.sub, login, now);
  if (!isNew || account.lastLoginAt === null) return;
  telemetry.log('info', 'authn_login_new_device', { sub: account.sub, sid });
  const data = {
    sid,
    device_name: login.deviceName ?? null,
    user_agent: login.userAgent ?? null,
    place: coarseAddress(login.address) ?? null,
  };
  tellOwner(room, account, 'login.new_device', data, now);
}
