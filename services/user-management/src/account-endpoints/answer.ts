import type { AccessAnswer, TokenAnswer } from '@rescind/issuer';
import type { IssuerEndpoints } from '@rescind/issuer/http';
import type { Telemetry } from '@rescind/revocation';
import type { Response } from 'express';
import { NO_STORE } from '../http/declared.ts';
import { sendAnswer } from '../http/refresh-cookie.ts';

interface AnswerContext {
  readonly endpoints: IssuerEndpoints;
  readonly telemetry: Telemetry;
}

/** Answers a login: the refresh token goes into the body or into a cookie, as the session has chosen. */
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
 * Answers a call that was authorised by an access token: another access token, and `more` beside it. Members are named
 * one by one, so no refresh token can come along: whoever has an access token alone never gains one (RFC 9700 section 4.14).
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
