import { createHash } from 'node:crypto';
import type { FactorProof } from '@rescind/accounts';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { createFailureLimit } from './failure-limit.ts';

export interface LoginLimits {
  /** Limits the requests of one address that cost a password hash. */
  readonly byAddress: RequestHandler;
  /**
   * Runs a login. The failures of each address, and of each device that has logged in before, are limited for each account. Addresses
   * that have never logged in to the account are also counted together; beyond their limit one attempt at a time is permitted. So
   * failures on purpose do not lock the owner out.
   * @throws RescindError `rate_limited`, or whatever `login` throws
   */
  login<T>(request: Request, attempt: LoginAttempt, login: () => Promise<T>): Promise<T>;
  /**
   * Runs an operation of a logged-in user that requires the password. Each session has its own count, so that a stolen access
   * token does not block another session. @throws as `login`
   */
  confirm<T>(sid: string, shown: FactorProof, work: () => Promise<T>): Promise<T>;
}

interface LoginAttempt {
  readonly username: string;
  /** The id of a known device. Default: the device is unknown. */
  readonly device: string | undefined;
  readonly proof: FactorProof;
}

const MINUTE_MS = 60_000;
const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/** Three of a million codes are valid at a time: guesses for a year with the right password succeed with a probability of 1/8. */
const CODE_FAILURES = 5;
const CODE_WINDOW_MS = 60 * MINUTE_MS;

/**
 * Failures of one account from all unknown addresses together: in a day 20 times those of one address in its window, then one at a time
 * after a delay. The sum of a day is below that of one address in all its windows: 92 of 96 for passwords, 116 of 120 for codes.
 */
const DAY_MS = 24 * 60 * MINUTE_MS;
const WINDOWS_AT_ONCE = 20;
const slowPasswordMs = (failures: number) => (20 * MINUTE_MS) / failures;
const CODES_AT_ONCE = 20;
const SLOW_CODE_MS = 15 * MINUTE_MS;
/** The length of a digest that distinguishes the sources of one account. */
const SOURCE_LENGTH = 12;
/** Most pairs of account and address, some 10 MB. Beyond, the oldest is forgotten. */
const MAX_KNOWN = 100_000;

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

  const reportLimit = (what: string) => {
    telemetry.count('rescind_rate_limited_total', { limit: what });
    telemetry.log('warn', 'excess_rate_limit_exceeded', { what });
  };

  const remember = (pair: string) => {
    known.delete(pair);
    known.add(pair);
    const [oldest] = known;
    if (known.size > MAX_KNOWN && oldest !== undefined) known.delete(oldest);
  };

  const attempt = async <T>(key: string, shown: FactorProof, work: () => Promise<T>): Promise<T> => {
    try {
      return await passwords.attempt(key, () => codes.attempt(key, work, { isUnguessable: isUnguessable(shown) }));
    } catch (error) {
      if (error instanceof RescindError && error.code === 'rate_limited') {
        reportLimit('account');
        // Temporary, and only for this source, device or session.
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
        reportLimit('address');
        // The response has Retry-After already.
        next(new RescindError('rate_limited'));
      },
    }),
    async login<Result>(request: Request, { username, device, proof }: LoginAttempt, login: () => Promise<Result>) {
      const account = digest(username);
      const pair = digest(`${account}\n${addressOf(request)}`);
      const source = pair.slice(0, SOURCE_LENGTH);
      const withCode = (): Promise<Result> =>
        everywhere.codes.attempt(account, login, { source, isUnguessable: isUnguessable(proof) });
      const fromAnywhere = () => everywhere.passwords.attempt(account, withCode, { source });
      const isKnown = known.has(pair) || device !== undefined;
      // Guesses of others, also from the same address, do not block a known device.
      const key = device === undefined ? pair : digest(`${account}\n${device}`);
      const result = await attempt(key, proof, isKnown ? login : fromAnywhere);
      remember(pair);
      return result;
    },
    confirm: (sid, shown, work) => attempt(`sid:${sid}`, shown, work),
  };
}

/** A recovery code has 80 random bits. If a one-time code is sent too, its six digits count. */
function isUnguessable({ totp, recoveryCode }: FactorProof): boolean {
  return recoveryCode !== undefined && totp === undefined;
}

/** An IPv6 customer has a network of addresses, which is counted as one. */
function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? '');
}

/** A digest of fixed length: memory contains no names. */
function digest(text: string): string {
  return createHash('sha256').update(text.normalize('NFKC').toLowerCase()).digest('base64url');
}
