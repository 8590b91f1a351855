import type { Issuer, TokenAnswer } from '@rescind/issuer';
import type { Telemetry } from '@rescind/revocation';
import type { Response } from 'express';
import { sendTokens } from '../http/refresh-cookie.ts';

/** Answers tokens of a person, by the way their session has chosen, and says that there are some. */
export function answerTokens(
  { issuer, telemetry }: { readonly issuer: Issuer; readonly telemetry: Telemetry },
  response: Response,
  sub: string,
  tokens: TokenAnswer,
  more: object = {},
): void {
  telemetry.log('info', 'authn_token_created', { sub, sid: tokens.sid });
  sendTokens(response, issuer, tokens, more);
}
