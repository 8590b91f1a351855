import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';

/** Logs failures that may occur with each request, at most one line in ten seconds. Metrics count all of them. */
export type FailureLog = (
  event: 'decision_failed' | 'denylist_unreadable' | 'introspection_failed',
  error: string,
) => void;

const REPEAT_LOG_AFTER_MS: DurationMs = 10_000;

/** Claims of a token with a valid signature that differ from the options, which is often a mistake in the options. */
const DIFFERENCES = {
  token_issuer_unknown: ['iss', 'token_issuer_differs'],
  token_audience_wrong: ['aud', 'token_audience_differs'],
} as const;

/** Logs both values if a token of the configured keys has another issuer or audience, at most once in ten seconds. */
export function createDifferenceLog(telemetry: Telemetry, clock: Clock) {
  const loggedAt = new Map<string, DurationMs>();
  return (code: string, payload: Readonly<Record<string, unknown>>, { issuer, audience }: Configured): void => {
    if (code !== 'token_issuer_unknown' && code !== 'token_audience_wrong') return;
    const [claim, event] = DIFFERENCES[code];
    const now = clock.monotonic();
    if (now - (loggedAt.get(event) ?? Number.NEGATIVE_INFINITY) < REPEAT_LOG_AFTER_MS) return;
    loggedAt.set(event, now);
    const configured = JSON.stringify(claim === 'iss' ? issuer : audience);
    telemetry.log('warn', event, { configured, found: JSON.stringify(payload[claim] ?? null).slice(0, 256) });
  };
}

interface Configured {
  readonly issuer: string;
  readonly audience: string | readonly string[];
}

export function createFailureLog(telemetry: Telemetry, clock: Clock): FailureLog {
  const loggedAt = new Map<string, DurationMs>();
  return (event, error) => {
    const now = clock.monotonic();
    if (now - (loggedAt.get(event) ?? Number.NEGATIVE_INFINITY) < REPEAT_LOG_AFTER_MS) return;
    loggedAt.set(event, now);
    telemetry.log('error', event, { error });
  };
}
