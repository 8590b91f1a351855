import type { Issuer, TokenAnswer } from '@rescind/issuer';
import type { Response } from 'express';
import { NO_STORE } from '../http/declared.ts';

/** Answers tokens, the refresh token by the way its session has chosen; `more` goes into the body beside them. */
export function sendTokens(response: Response, _issuer: Issuer, tokens: TokenAnswer, more: object = {}): void {
  response.set(NO_STORE).json({ ...tokens, ...more });
}
