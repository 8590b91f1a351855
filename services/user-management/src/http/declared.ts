import type { ErrorCode } from '@rescind/revocation';
import type { OperationResponse } from '@rescind/service/http';
import { accessAnswer, tokenAnswer } from './bodies.ts';

/** RFC 6749 section 5.1. */
export const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' } as const;

/** Tokens, as operations declare them. */
export const TOKENS: OperationResponse = {
  description: 'Tokens',
  schema: tokenAnswer,
  headers: { 'Cache-Control': '`no-store`' },
};

/** An access token alone: what a call by access token is answered. */
export const ACCESS: OperationResponse = {
  ...TOKENS,
  description: 'An access token of no more scope than the one sent, and no refresh token',
  schema: accessAnswer,
};

/** What everything that writes may be refused for. */
export const WRITES: readonly ErrorCode[] = ['database_restored', 'storage_unavailable', 'clock_ahead', 'stopping'];
/** What everything that mints a token may be refused for. */
export const MINTS: readonly ErrorCode[] = [
  'database_restored',
  'storage_unavailable',
  'clock_ahead',
  'clock_parted',
  'stopping',
];
/** What everything that costs a password hash may be refused for. */
export const LIMITED: readonly ErrorCode[] = ['rate_limited', 'busy'];
