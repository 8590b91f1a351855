import type { Accounts } from '@rescind/accounts';
import type { Issuer } from '@rescind/issuer';
import type { IssuerEndpoints } from '@rescind/issuer/http';
import type { Clock, DurationMs, ErrorCode, Telemetry } from '@rescind/revocation';
import type { Request, Response } from 'express';
import type { CallerLocals } from '../http/bearer.ts';
import type { LoginLimits } from './limits.ts';

/** What the endpoints of persons work with. */
export interface EndpointRoom {
  readonly issuer: Issuer;
  readonly accounts: Accounts['own'];
  readonly secondFactors: Accounts['secondFactors'];
  readonly limits: LoginLimits;
  readonly endpoints: IssuerEndpoints;
  /** How long after a login devices may be logged out. */
  readonly recentLoginMs: DurationMs;
  /** Whether a login may ask for a session without deadlines. */
  readonly neverExpiring: boolean;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** An answer to who sent an access token. */
export type CallerResponse = Response<unknown, CallerLocals>;

/** The session of an access token, as accounts take it. */
export function holderOf({ sub, sid, scope, audience }: CallerLocals['caller']) {
  return { sub, sid, scope, audience };
}

/** What everything that takes a password may be refused for. */
export const PROVES: readonly ErrorCode[] = [
  'credentials_wrong',
  'credentials_changed',
  'second_factor_required',
  'second_factor_wrong',
  'totp_used',
  'recovery_code_used',
  'subject_inactive',
];

/** From where a request comes, as the owner of an account is told. */
export function placeOf(request: Request): { readonly address?: string; readonly userAgent?: string } {
  const userAgent = request.get('user-agent');
  return {
    ...(request.ip === undefined ? {} : { address: request.ip }),
    ...(userAgent === undefined ? {} : { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
  };
}

const MAX_USER_AGENT = 256;
