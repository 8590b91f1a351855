import type { Publisher } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { standardErrorTelemetry, systemClock } from '@rescind/revocation';
import type { OptionCheck } from '@rescind/revocation/options';
import { option, optionError, optionsOf, required } from '@rescind/revocation/options';
import { clientOptions } from './call-options.ts';
import type { IssuerOptions, OtherIssuer, RestoreOptions } from './issuer.ts';
import type { KeyRotation } from './issuer-keys.ts';
import type { StoreProvider } from './store/store.ts';

const SECOND_MS: DurationMs = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** The longest finite life of a session. */
const HUNDRED_YEARS_MS = 36_525 * DAY_MS;

interface Bounds {
  readonly min: DurationMs;
  readonly max: DurationMs;
  readonly default: DurationMs;
}

const BOUNDS = {
  accessTokenTtlMs: { min: SECOND_MS, max: DAY_MS, default: 15 * MINUTE_MS },
  refreshTokenTtlMs: { min: SECOND_MS, max: HUNDRED_YEARS_MS, default: 30 * DAY_MS },
  refreshIdleTtlMs: { min: SECOND_MS, max: HUNDRED_YEARS_MS, default: 7 * DAY_MS },
  // A minute covers any lost response; each further second helps an attacker (RFC 9700 section 4.14.2).
  refreshGraceMs: { min: 0, max: MINUTE_MS, default: 10 * SECOND_MS },
  // The longest recovery, a week, covers a laptop that is closed over a weekend.
  refreshRecoveryMs: { min: 0, max: 7 * DAY_MS, default: DAY_MS },
  userEventRetentionMs: { min: 60 * MINUTE_MS, max: 3_650 * DAY_MS, default: 30 * DAY_MS },
  eventRetentionMs: { min: MINUTE_MS, max: HUNDRED_YEARS_MS, default: 7 * DAY_MS },
} as const satisfies Record<string, Bounds>;

type Lengths = Record<keyof typeof BOUNDS, DurationMs>;

export interface IssuerSettings extends Lengths {
  readonly keyRotation: Required<KeyRotation>;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const lengthCheck =
  (name: keyof Lengths): OptionCheck<DurationMs> =>
  (value, path) => {
    if (typeof value !== 'number') throw optionError(path, 'a number of milliseconds', value);
    return lengthOption(name, value);
  };

/** The options that opening and restoring have in common. */
const sharedShape = {
  // RFC 8414 section 2. `http:` is for a local machine; an operator chooses it explicitly.
  issuer: required(option.url()),
  store: required(option.having<StoreProvider>('a store such as sqliteStore({ path })', 'open')),
  keysPath: required(option.filePath('the path of a directory')),
  publisher: option.having<Publisher>('a publisher such as openPublisher(…)', 'publish', 'tail', 'replay', 'close'),
  eventRetentionMs: lengthCheck('eventRetentionMs'),
  keyRotation: optionsOf<KeyRotation>('keyRotation', {
    everyMs: intervalOption,
    eventEveryMs: intervalOption,
    publishBeforeMs: option.count({ min: 1 }),
    algorithm: option.oneOf('RS256', 'ES256'),
  }),
  clock: option.clock,
  telemetry: option.telemetry,
} as const;

function intervalOption(value: unknown, path: string): DurationMs | 'never' {
  if (value === 'never' || typeof value === 'number') return value;
  throw optionError(path, "a number of milliseconds, or 'never'", value);
}

/** The options of `openIssuer`. */
export const issuerShape = {
  ...sharedShape,
  subject: required(option.callable<IssuerOptions['subject']>('a function from sub to its record')),
  accessTokenTtlMs: lengthCheck('accessTokenTtlMs'),
  refreshTokenTtlMs: lengthCheck('refreshTokenTtlMs'),
  refreshIdleTtlMs: lengthCheck('refreshIdleTtlMs'),
  refreshGraceMs: lengthCheck('refreshGraceMs'),
  refreshRecoveryMs: lengthCheck('refreshRecoveryMs'),
  userEventRetentionMs: lengthCheck('userEventRetentionMs'),
  trustedClock: option.oneOf('issuer', 'publisher'),
  resources: option.callable<NonNullable<IssuerOptions['resources']>>('a function that returns resource servers'),
  // An empty list: no client is built in.
  clients: option.list(clientOptions, { min: 0 }),
} as const;

/** The check of the options of `openIssuer`. */
export const issuerOptions = optionsOf<IssuerOptions>('openIssuer', issuerShape);

/** The check of the options of `restoreIssuer`. */
export const restoreOptions = optionsOf<RestoreOptions>('restoreIssuer', {
  ...sharedShape,
  otherIssuers: option.list(
    optionsOf<OtherIssuer>('another issuer', {
      issuer: required(option.text()),
      longestTokenTtlMs: required(option.duration()),
    }),
  ),
  proofs: option.list(option.text(), { min: 0 }),
  setClock: option.flag(),
  lowerTimes: option.callable<NonNullable<RestoreOptions['lowerTimes']>>('a function that lowers times in tables'),
});

/** @throws TypeError naming the option and what would be right */
export function toSettings(options: Partial<IssuerOptions>): IssuerSettings {
  const names = Object.keys(BOUNDS) as (keyof Lengths)[];
  const lengths = Object.fromEntries(names.map((name) => [name, lengthOption(name, options[name])])) as Lengths;
  const keyRotation = toKeyRotation(options.keyRotation ?? {});
  return {
    ...lengths,
    keyRotation,
    clock: options.clock ?? systemClock,
    telemetry: options.telemetry ?? standardErrorTelemetry,
  };
}

/** @throws TypeError */
function lengthOption(name: keyof Lengths, value: DurationMs | undefined): DurationMs {
  const problem = lengthProblem(name, value);
  if (problem !== undefined) throw new TypeError(problem);
  return value ?? BOUNDS[name].default;
}

/** What is wrong with a length of time, and what would be right; undefined: nothing. */
export function lengthProblem(name: keyof Lengths, value: DurationMs | undefined): string | undefined {
  const { min, max } = BOUNDS[name];
  if (value === undefined) return undefined;
  if (name === 'accessTokenTtlMs' && value % SECOND_MS !== 0) return `${name} must be whole seconds, got ${value}`;
  if (Number.isSafeInteger(value) && value >= min && value <= max) return undefined;
  return `${name} must be whole milliseconds from ${min} to ${max}, got ${value}`;
}

/** A longer interval is a mistake: no rotation is `'never'`. */
const TEN_YEARS_MS = 3_650 * DAY_MS;

const EVERY_MS = 30 * DAY_MS;
const EVENT_EVERY_MS = 90 * DAY_MS;
/** Twice the interval at which readers fetch the keys, since one fetch may fail. */
const PUBLISH_BEFORE_MS = 10 * MINUTE_MS;

/** @throws TypeError naming the option and what would be right */
function toKeyRotation(options: KeyRotation): Required<KeyRotation> {
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

function isWithin(value: DurationMs, min: DurationMs, max: DurationMs): boolean {
  return Number.isSafeInteger(value) && value >= min && value <= max;
}
