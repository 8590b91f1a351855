import type { DurationMs, ErrorCode } from '@rescind/revocation';
import type { Refused } from '../decision.ts';

/**
 * Each reason for which a live connection ends, with the close code of its WebSocket (RFC 6455 section 7.4.2), and whether the client may
 * connect again. Of the private codes, clients connect again after 4000 to 4499 and never after 4500 to 4999.
 */
const ENDS = {
  /** Its session has ended: logout, revocation, or the account. */
  session_ended: { closeCode: 4501, retry: false },
  /** The token is not accepted here, or lacks a right that is required here, or the page has another origin. */
  not_allowed: { closeCode: 4502, retry: false },
  /** No token arrived in time or in the right place, or a message is malformed. */
  request_invalid: { closeCode: 4400, retry: false },
  /** Its token has expired, or was revoked without its session: a renewal gets another one. */
  token_expired: { closeCode: 4401, retry: true },
  /** A more recent or stronger authentication is required (RFC 9470). */
  step_up: { closeCode: 4403, retry: true },
  rate_limited: { closeCode: 4429, retry: true },
  /** The client reads too slowly: its connection is cut without a close frame. */
  too_slow: { closeCode: 1013, retry: true },
  /** This instance does not know whether the token was revoked. */
  view_stale: { closeCode: 1013, retry: true },
  /** This instance stops, or cannot decide for another reason of its own. */
  unavailable: { closeCode: 1013, retry: true },
  message_too_large: { closeCode: 1009, retry: false },
} as const;

/** The reasons for which a live connection ends. */
export type SessionEndCode = keyof typeof ENDS;

/** Why a live connection ended. Its first three members are what the client gets. */
export interface SessionEnd {
  /** Why it ended. */
  readonly code: SessionEndCode;
  /** Whether the client may connect again: with a newer token after `token_expired`, after an authentication after `step_up`. */
  readonly retry: boolean;
  /** How long the client waits before that, in ms. Spread at random, so that clients that end together do not return together. */
  readonly after_ms: DurationMs;
  /** The close code of a WebSocket. */
  readonly closeCode: number;
  /** The refusal of its token, for operators; absent where the connection ended for another reason. */
  readonly refused?: Refused | undefined;
}

/** The longest wait before a client connects again, in ms: until then a mass of clients is spread. */
const SPREAD_MS: Readonly<Partial<Record<SessionEndCode, DurationMs>>> = {
  token_expired: 1_000,
  rate_limited: 5_000,
  too_slow: 5_000,
  view_stale: 30_000,
  unavailable: 30_000,
};

const CODES: Readonly<Partial<Record<ErrorCode, SessionEndCode>>> = {
  token_inactive: 'session_ended',
  token_expired: 'token_expired',
  token_soft_expired: 'token_expired',
  // Withdrawn, or not fetched yet: another token may have a key that is known.
  token_key_unknown: 'token_expired',
  // The clock of its issuer, or the one here, is wrong.
  token_not_yet_valid: 'unavailable',
  authentication_insufficient: 'step_up',
  token_missing: 'request_invalid',
  request_invalid: 'request_invalid',
  rate_limited: 'rate_limited',
  view_not_ready: 'view_stale',
  view_stale: 'view_stale',
};

export function endOf(code: SessionEndCode, refused?: Refused): SessionEnd {
  const least = (refused?.error.retryAfter ?? 0) * 1000;
  const spread = Math.round(Math.random() * (SPREAD_MS[code] ?? 0));
  return { code, retry: ENDS[code].retry, after_ms: least + spread, closeCode: ENDS[code].closeCode, refused };
}

/** The end of a connection whose token is refused. */
export function endOfRefusal(refused: Refused): SessionEnd {
  const { error, revoked } = refused;
  if (revoked !== undefined) return endOf(revoked.endsSession ? 'session_ended' : 'token_expired', refused);
  return endOf(CODES[error.code] ?? (error.status >= 500 ? 'unavailable' : 'not_allowed'), refused);
}

/** The message that the client receives. */
export const publicEnd = ({ code, retry, after_ms }: SessionEnd) => ({ code, retry, after_ms });
