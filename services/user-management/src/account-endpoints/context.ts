import type { Accounts } from '@rescind/accounts';
import type { AccessAnswer, Issuer, TokenAnswer } from '@rescind/issuer';
import type { IssuerEndpoints } from '@rescind/issuer/http';
import type { Clock, DurationMs, ErrorCode, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, Response } from 'express';
import type { CallerLocals } from '../http/caller.ts';
import { NO_STORE, sendAnswer } from '../http/responses.ts';
import type { LoginLimits } from './login-limits.ts';

/** The dependencies of the endpoints of users. */
export interface EndpointContext {
  readonly issuer: Issuer;
  readonly accounts: Accounts['own'];
  readonly secondFactors: Accounts['secondFactors'];
  readonly limits: LoginLimits;
  readonly endpoints: IssuerEndpoints;
  /** How long after a login devices may be logged out. */
  readonly recentLoginMs: DurationMs;
  /** Whether a login may request a session without deadlines. */
  readonly neverExpiring: boolean;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The response to a request with an access token. */
export type CallerResponse = Response<unknown, CallerLocals>;

/** The session of an access token, as accounts take it. */
export function callerSession({ sub, sid, scope, audience }: CallerLocals['caller']) {
  return { sub, sid, scope, audience };
}

/** Error codes of every operation that verifies a password. */
export const CREDENTIAL_ERRORS: readonly ErrorCode[] = [
  'credentials_wrong',
  'credentials_changed',
  'second_factor_required',
  'second_factor_wrong',
  'totp_used',
  'recovery_code_used',
  'subject_inactive',
];

/** The origin of a request, as its session and notices name it. */
export function originOf(request: Request): { readonly address?: string; readonly userAgent?: string } {
  const userAgent = request.get('user-agent');
  return {
    ...(request.ip === undefined ? {} : { address: request.ip }),
    ...(userAgent === undefined ? {} : { userAgent: userAgent.slice(0, MAX_USER_AGENT) }),
  };
}

const MAX_USER_AGENT = 256;

/** Runs `work`, and logs the code of its error as the event `failure`. */
export type LogFailure = <T>(failure: string, work: () => Promise<T>) => Promise<T>;

export function createFailureLog(telemetry: Telemetry): LogFailure {
  return async (failure, work) => {
    try {
      return await work();
    } catch (error) {
      // Without the name: people type passwords there, and the log must not reveal which names exist.
      telemetry.log('warn', failure, { code: codeOf(error) });
      throw error;
    }
  };
}

export function codeOf(error: unknown): string {
  return error instanceof RescindError ? error.code : 'internal';
}

interface AnswerContext {
  readonly endpoints: IssuerEndpoints;
  readonly telemetry: Telemetry;
}

/** Sends the response to a login: the refresh token is in the body or in a cookie, as the session has chosen. */
export async function answerTokens(
  { endpoints, telemetry }: AnswerContext,
  response: Response,
  sub: string,
  tokens: TokenAnswer,
): Promise<void> {
  telemetry.log('info', 'authn_token_created', { sub, sid: tokens.sid });
  sendAnswer(response, await endpoints.tokens(tokens));
}

/**
 * Sends another access token to a caller that presented one, and `more` beside it. Members are named one by one, so that the response
 * never contains a refresh token: an access token must not be exchanged for one (RFC 9700 section 4.14).
 */
export function answerAccess(
  { telemetry }: Pick<AnswerContext, 'telemetry'>,
  response: Response,
  sub: string,
  { access_token, token_type, expires_in, refresh_in, scope, sid }: AccessAnswer,
  more: object = {},
): void {
  telemetry.log('info', 'authn_token_created', { sub, sid });
  response.set(NO_STORE).json({ access_token, token_type, expires_in, refresh_in, scope, sid, ...more });
}
