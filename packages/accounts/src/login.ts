import type { BeginSession, TokenAnswer } from '@rescind/issuer';
import type { Account } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import type { Verified } from './credentials.ts';
import { notifyOwner } from './notify.ts';
import type { DeviceAttributes } from './rows/devices.ts';
import { coarseAddress } from './rows/devices.ts';

/** For which client, and from where, a session begins. */
export interface NewLogin extends DeviceAttributes {
  readonly clientId: string;
  readonly scope?: string | undefined;
  /** `aud` of the access tokens (RFC 8707). Default: the client's services. */
  readonly resource?: readonly string[] | undefined;
  /** Where the client keeps the refresh tokens. Default `body`. */
  readonly storage?: BeginSession['storage'] | undefined;
  /** No deadlines: the session lives until it is revoked. Default false. */
  readonly neverExpires?: boolean | undefined;
  /** Deadlines of this session alone. Default: those of its client. */
  readonly policy?: BeginSession['policy'] | undefined;
}

/** Begins a session of the verified account, and notifies the owner where the device is a new one. */
export async function beginLogin(context: AccountContext, verified: Verified, login: NewLogin): Promise<TokenAnswer> {
  const { tx, account, authentication } = verified;
  const tokens = await tx.issuer.beginSession({ ...sessionOf(account, login), ...authentication });
  rememberDevice(context, tx, account, login, tokens.sid);
  tx.users.update(account.sub, { lastLoginAt: tx.now });
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

/** The origin of a login, as its session and its events have it. */
export function originOf({ address, userAgent }: DeviceAttributes): NonNullable<BeginSession['origin']> {
  const network = coarseAddress(address);
  return { ...(network === undefined ? {} : { address: network }), ...(userAgent === undefined ? {} : { userAgent }) };
}

/** Remembers the device of a login, and notifies the owner of an unknown one, except at the first login of the account. */
function rememberDevice(
  context: AccountContext,
  tx: AccountTransaction,
  account: Account,
  login: NewLogin,
  sid: string,
): void {
  const isNew = tx.devices.add(account.sub, login, tx.now);
  if (!isNew || account.lastLoginAt === null) return;
  context.telemetry.log('info', 'authn_login_new_device', { sub: account.sub, sid });
  notifyOwner(context, tx, account, 'login.new_device', {
    sid,
    device_name: login.deviceName ?? null,
    user_agent: login.userAgent ?? null,
    place: coarseAddress(login.address) ?? null,
  });
}
