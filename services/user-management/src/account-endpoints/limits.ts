import { createHash } from 'node:crypto';
import type { Clock, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import { createFailureLimit } from '../accounts/failures.ts';

export interface LoginLimits {
  /** How often one address may try anything that costs a password hash. */
  readonly byAddress: RequestHandler;
  /**
   * Runs a login, which may fail so often for one account. An address or a device that has logged in to the account
   * before counts by itself, so that nobody can lock its owner out by failing on purpose.
   * @param device what is known of the device, if it is known
   * @throws RescindError `rate_limited`, or whatever `login` throws
   */
  login<T>(request: Request, username: string, device: string | undefined, login: () => Promise<T>): Promise<T>;
  /**
   * Runs what requires the password of somebody who is logged in. Each session counts by itself, so a stolen access token
   * locks nobody out of another session. @throws as `login`
   */
  confirm<T>(sid: string, work: () => Promise<T>): Promise<T>;
}

const MINUTE_MS = 60_000;
const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/** Of a million codes three are good at a time: who has the password and guesses for a year finds one in eight. */
const CODE_FAILURES = 5;
const CODE_WINDOW_MS = 60 * MINUTE_MS;
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

  const attempt = async <T>(key: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await passwords.attempt(key, () => codes.attempt(key, work));
    } catch (error) {
      if (error instanceof RescindError && error.code === 'rate_limited') {
        sayLimited('account');
        // For a while, and only for places that the account does not know.
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
    async login(request, username, device, login) {
      const account = digest(username);
      const pair = digest(`${account}\n${addressOf(request)}`);
      const own = known.has(pair) ? pair : device === undefined ? account : digest(`${account}\n${device}`);
      const result = await attempt(own, login);
      remember(pair);
      return result;
    },
    confirm: (sid, work) => attempt(`sid:${sid}`, work),
  };
}

/** An IPv6 customer has a whole network of addresses: counted as one. */
function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? '');
}

/** Names are not kept as they are, nor of a length that somebody else decides. */
function digest(text: string): string {
  return createHash('sha256').update(text.normalize('NFKC').toLowerCase()).digest('base64url');
}
