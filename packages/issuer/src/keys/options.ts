import type { DurationMs } from '@rescind/revocation';
import type { KeyRotation } from '../issuer-keys.ts';

const SECOND_MS: DurationMs = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** Longer than anybody means; who wants none says `'never'`. */
const TEN_YEARS_MS = 3_650 * DAY_MS;

const EVERY_MS = 30 * DAY_MS;
const EVENT_EVERY_MS = 90 * DAY_MS;
/** Twice what readers wait between two fetches of the keys: one of them may fail. */
const PUBLISH_BEFORE_MS = 10 * MINUTE_MS;

/** @throws TypeError naming the option and what would be right */
export function toKeyRotation(options: KeyRotation): Required<KeyRotation> {
  const { everyMs = EVERY_MS, eventEveryMs = EVENT_EVERY_MS, publishBeforeMs = PUBLISH_BEFORE_MS } = options;
  const { algorithm = 'RS256' } = options;
  if (!isWithin(publishBeforeMs, SECOND_MS, DAY_MS)) {
    throw new TypeError(
      `keyRotation.publishBeforeMs must be whole milliseconds from ${SECOND_MS} to ${DAY_MS}, got ${publishBeforeMs}`,
    );
  }
  for (const [name, every] of Object.entries({ everyMs, eventEveryMs })) {
    // A key that is to retire before it has been published for long enough would never sign.
    if (every === 'never' || isWithin(every, publishBeforeMs + 1, TEN_YEARS_MS)) continue;
    throw new TypeError(
      `keyRotation.${name} must be whole milliseconds, more than publishBeforeMs (${publishBeforeMs}), or 'never', got ${every}`,
    );
  }
  if (algorithm !== 'RS256' && algorithm !== 'ES256') {
    throw new TypeError(`keyRotation.algorithm must be RS256 or ES256, got ${String(algorithm)}`);
  }
  return { everyMs, eventEveryMs, publishBeforeMs, algorithm };
}

function isWithin(value: DurationMs, least: DurationMs, most: DurationMs): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}
