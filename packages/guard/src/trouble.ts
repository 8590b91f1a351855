import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';

/** Trouble that comes with each request is one line now and then, and a count of all. */
export type FailureLog = (
  event: 'decision_failed' | 'denylist_unreadable' | 'introspection_failed',
  error: string,
) => void;

const REPEAT_LOG_AFTER_MS: DurationMs = 10_000;

/** Which claim of a token with a good signature is not what is configured: a mistake in the options, most often. */
const DIFFERENCES = {
  token_issuer_unknown: ['iss', 'token_issuer_differs'],
  token_audience_wrong: ['aud', 'token_audience_differs'],
} as const;

/** Logs both values when the tokens of the configured keys are of another issuer or for another audience; seldom. */
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
  const saidAt = new Map<string, DurationMs>();
  return (event, error) => {
    const now = clock.monotonic();
    if (now - (saidAt.get(event) ?? Number.NEGATIVE_INFINITY) < REPEAT_LOG_AFTER_MS) return;
    saidAt.set(event, now);
    telemetry.log('error', event, { error });
  };
}
