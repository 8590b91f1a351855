import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { silentTelemetry, systemClock } from '@rescind/revocation';
import type { IssuerOptions } from './issuer.ts';
import type { KeyRotation } from './issuer-keys.ts';
import { toKeyRotation } from './keys/options.ts';

const SECOND_MS: DurationMs = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A session that never expires, as near as a number comes to it. */
const HUNDRED_YEARS_MS = 36_525 * DAY_MS;

interface Bounds {
  readonly least: DurationMs;
  readonly most: DurationMs;
  readonly default: DurationMs;
}

const BOUNDS = {
  accessTokenTtlMs: { least: SECOND_MS, most: DAY_MS, default: 15 * MINUTE_MS },
  refreshTokenTtlMs: { least: SECOND_MS, most: HUNDRED_YEARS_MS, default: 30 * DAY_MS },
  refreshIdleTtlMs: { least: SECOND_MS, most: HUNDRED_YEARS_MS, default: 7 * DAY_MS },
  // A minute covers any lost answer; each second more is one for a thief (RFC 9700 section 4.14.2).
  refreshGraceMs: { least: 0, most: MINUTE_MS, default: 10 * SECOND_MS },
  eventRetentionMs: { least: MINUTE_MS, most: HUNDRED_YEARS_MS, default: 7 * DAY_MS },
} as const satisfies Record<string, Bounds>;

type Lengths = Record<keyof typeof BOUNDS, DurationMs>;

export interface Settings extends Lengths {
  readonly keyRotation: Required<KeyRotation>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Where the issuer's files are, checked. @throws TypeError */
export function requirePlaces({
  issuer,
  databasePath,
  keysPath,
}: Pick<IssuerOptions, 'issuer' | 'databasePath' | 'keysPath'>): void {
  requireIssuer(issuer);
  if (typeof databasePath !== 'string' || databasePath === '' || databasePath === ':memory:') {
    throw new TypeError('databasePath must be the path of a file');
  }
  if (typeof keysPath !== 'string' || keysPath === '') throw new TypeError('keysPath must be the path of a directory');
}

/** @throws TypeError naming the option and what would be right */
export function toSettings(options: Partial<IssuerOptions>): Settings {
  const names = Object.keys(BOUNDS) as (keyof Lengths)[];
  const lengths = Object.fromEntries(names.map((name) => [name, lengthOption(name, options[name])])) as Lengths;
  const keyRotation = toKeyRotation(options.keyRotation ?? {});
  return {
    ...lengths,
    keyRotation,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? silentTelemetry,
  };
}

/** @throws TypeError */
export function lengthOption(name: keyof Lengths, value: DurationMs | undefined): DurationMs {
  const bounds = BOUNDS[name];
  if (value === undefined) return bounds.default;
  if (name === 'accessTokenTtlMs' && value % SECOND_MS !== 0) {
    throw new TypeError(`accessTokenTtlMs must be whole seconds, got ${value}`);
  }
  if (Number.isSafeInteger(value) && value >= bounds.least && value <= bounds.most) return value;
  throw new TypeError(`${name} must be whole milliseconds from ${bounds.least} to ${bounds.most}, got ${value}`);
}

/** RFC 8414 section 2. `http:` is for a machine of one's own; who deploys it says so by writing it. */
function requireIssuer(issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  const isGood = url !== undefined && /^https?:$/.test(url.protocol) && !/[?#]/.test(issuer);
  if (!isGood) throw new TypeError('issuer must be an http(s) URL without query or fragment');
}
