import { createHash } from 'node:crypto';
import type { FactorProof } from '@rescind/accounts';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { createFailureLimit } from './failures.ts';

export interface LoginLimits {
  /** How often one address may try anything that costs a password hash. */
  readonly byAddress: RequestHandler;
  /**
   * Runs a login. Each address may fail so often for one account, and so may a device that has logged in to it, wherever it
   * is. Addresses that have never logged in to the account are counted together as well; beyond their limit
   * their guesses go on slowly. So nobody locks the owner out by failing on purpose.
   * @throws RescindError `rate_limited`, or whatever `login` throws
   */
  login<T>(request: Request, attempt: LoginAttempt, login: () => Promise<T>): Promise<T>;
  /**
   * Runs what requires the password of somebody who is logged in. Each session counts by itself, so a stolen access token
   * locks nobody out of another session. @throws as `login`
   */
  confirm<T>(sid: string, shown: FactorProof, work: () => Promise<T>): Promise<T>;
}

interface LoginAttempt {
  readonly username: string;
  /** What is known of the device, if it is known. */
  readonly device: string | undefined;
  readonly shown: FactorProof;
}

const MINUTE_MS = 60_000;
const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/** Of a million codes three are good at a time: whoever has the password and guesses for a year finds one in eight. */
const CODE_FAILURES = 5;
const CODE_WINDOW_MS = 60 * MINUTE_MS;

/**
 * Failures of one account from all unknown addresses together. At full speed a day 20 times what one address may in its window;
 * then one each so often. Together less a day than one address could before: 92 windows' worth of 96 for passwords, and
 * 116 of 120 for codes.
 */
const DAY_MS = 24 * 60 * MINUTE_MS;
const WINDOWS_AT_ONCE = 20;
const slowPasswordMs = (failures: number) => (20 * MINUTE_MS) / failures;
const CODES_AT_ONCE = 20;
const SLOW_CODE_MS = 15 * MINUTE_MS;
/** Of a digest: enough to tell the places of one account apart. */
const PLACE_LENGTH = 12;
/** Pairs of account and address that are remembered: some 10 MB; beyond, the oldest is forgotten. */
const MOST_KNOWN = 100_000;

export function createLoginLimits(options: {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly loginsPerMinute: number;
  readonly failures: number;
}): LoginLimits {
  const { telemetry, clock } = options;
  const passwords = createFailureLimit({ limit: options.failures, windowMs: FAILURE_WINDOW_MS, clock });
  const codes = createFailureLimit({
    limit: CODE_FAILURES,
    windowMs: CODE_WINDOW_MS,
    clock,
    counts: ['second_factor_wrong'],
  });
  const everywhere = {
    passwords: createFailureLimit({
      limit: WINDOWS_AT_ONCE * options.failures,
      windowMs: DAY_MS,
      slowlyMs: slowPasswordMs(options.failures),
      clock,
    }),
    codes: createFailureLimit({
      limit: CODES_AT_ONCE,
      windowMs: DAY_MS,
      slowlyMs: SLOW_CODE_MS,
      clock,
      counts: ['second_factor_wrong'],
    }),
  };
  const known = new Set<string>();

  const sayLimited = (what: string) => {
    telemetry.count('rescind_rate_limited_total', { what });
    telemetry.log('warn', 'excess_rate_limit_exceeded', { what });
  };

  const remember = (pair: string) => {
    known.delete(pair);
    known.add(pair);
    const [oldest] = known;
    if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
  };

  const attempt = async <T>(key: string, shown: FactorProof, work: () => Promise<T>): Promise<T> => {
    try {
      return await passwords.attempt(key, () => codes.attempt(key, work, { isUnguessable: isUnguessable(shown) }));
    } catch (error) {
      if (error instanceof RescindError && error.code === 'rate_limited') {
        sayLimited('account');
        // For a while, and only for the place, the device or the session that it says so to.
        telemetry.log('warn', 'authn_login_lock', { retryAfter: Math.ceil(error.retryAfter ?? 0) });
      }
      throw error;
    }
  };

  return {
    byAddress: rateLimit({
      windowMs: MINUTE_MS,
      limit: options.loginsPerMinute,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      keyGenerator: addressOf,
      handler: (_request, _response, next) => {
        sayLimited('address');
        // The Retry-After is on the answer already.
        next(new RescindError('rate_limited'));
      },
    }),
    async login<Result>(request: Request, { username, device, shown }: LoginAttempt, login: () => Promise<Result>) {
      const account = digest(username);
      const pair = digest(`${account}\n${addressOf(request)}`);
      const place = pair.slice(0, PLACE_LENGTH);
      const withCode = (): Promise<Result> =>
        everywhere.codes.attempt(account, login, { place, isUnguessable: isUnguessable(shown) });
      const fromAnywhere = () => everywhere.passwords.attempt(account, withCode, { place });
      const isKnown = known.has(pair) || device !== undefined;
      // A device that is known has its way in wherever others guess, also from the same address.
      const key = device === undefined ? pair : digest(`${account}\n${device}`);
      const result = await attempt(key, shown, isKnown ? login : fromAnywhere);
      remember(pair);
      return result;
    },
    confirm: (sid, shown, work) => attempt(`sid:${sid}`, shown, work),
  };
}

/** A recovery code has 80 random bits, a one-time code six digits, which count where both are sent. */
function isUnguessable({ totp, recoveryCode }: FactorProof): boolean {
  return recoveryCode !== undefined && totp === undefined;
}

/** An IPv6 customer has a whole network of addresses: counted as one. */
function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? '');
}

/** Names are not kept as they are, nor of a length that somebody else decides. */
function digest(text: string): string {
  return createHash('sha256').update(text.normalize('NFKC').toLowerCase()).digest('base64url');
}
