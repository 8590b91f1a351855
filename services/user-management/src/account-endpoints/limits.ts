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
   * Runs a login, which may fail so often for one account. An address that has logged in to the account before counts by
   * itself, so that nobody can lock its owner out by failing on purpose.
   * @throws RescindError `rate_limited`, or whatever `login` throws
   */
  login<T>(request: Request, username: string, login: () => Promise<T>): Promise<T>;
  /** Runs what wants the password of somebody who is logged in. @throws as `login` */
  confirm<T>(sub: string, work: () => Promise<T>): Promise<T>;
}

const MINUTE_MS = 60_000;
const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/** Pairs of account and address that are remembered: some 10 MB; beyond, the oldest is forgotten. */
const MOST_KNOWN = 100_000;

export function createLoginLimits(options: {
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly loginsPerMinute: number;
  readonly failures: number;
}): LoginLimits {
  const { telemetry, clock } = options;
  const failures = createFailureLimit({ limit: options.failures, windowMs: FAILURE_WINDOW_MS, clock });
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
      return await failures.attempt(key, work);
    } catch (error) {
      if (error instanceof RescindError && error.code === 'rate_limited') sayLimited('account');
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
    async login(request, username, login) {
      const account = digest(username);
      const pair = digest(`${account}\n${addressOf(request)}`);
      const result = await attempt(known.has(pair) ? pair : account, login);
      remember(pair);
      return result;
    },
    confirm: (sub, work) => attempt(`sub:${sub}`, work),
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
