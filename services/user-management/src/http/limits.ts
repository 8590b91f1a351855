import { createHash } from 'node:crypto';
import type { Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Request, RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';

export interface LoginLimits {
  /** How often one address may try anything that costs a password hash. */
  readonly byAddress: RequestHandler;
  /**
   * How often a login to one account may fail. An address that has logged in to the account before counts by itself,
   * so that nobody can lock its owner out by failing on purpose.
   */
  readonly byAccount: RequestHandler;
  /** Of a login that succeeded. */
  knows(request: Request, username: string): void;
}

const MINUTE_MS = 60_000;
const FAILURE_WINDOW_MS = 15 * MINUTE_MS;
/** Pairs of account and address that are remembered: some 10 MB; the oldest is forgotten first. */
const MOST_KNOWN = 100_000;

export function createLoginLimits(options: {
  readonly telemetry: Telemetry;
  readonly loginsPerMinute: number;
  readonly failures: number;
}): LoginLimits {
  const known = new Set<string>();
  const limited = (what: string) => (_request: unknown, _response: unknown, next: (error: unknown) => void) => {
    options.telemetry.count('rescind_rate_limited_total', { what });
    options.telemetry.log('warn', 'excess_rate_limit_exceeded', { what });
    // The Retry-After is on the answer already.
    next(new RescindError('rate_limited'));
  };
  const headers = { standardHeaders: 'draft-8', legacyHeaders: false } as const;

  return {
    byAddress: rateLimit({
      ...headers,
      windowMs: MINUTE_MS,
      limit: options.loginsPerMinute,
      keyGenerator: addressOf,
      handler: limited('address'),
    }),
    byAccount: rateLimit({
      ...headers,
      windowMs: FAILURE_WINDOW_MS,
      limit: options.failures,
      keyGenerator: (request) => {
        const pair = pairOf(request, accountOf(request));
        return known.has(pair) ? pair : digest(accountOf(request));
      },
      skipSuccessfulRequests: true,
      requestWasSuccessful: (_request, response) => response.statusCode !== 401,
      handler: limited('account'),
    }),
    knows(request, username) {
      const pair = pairOf(request, username);
      known.delete(pair);
      known.add(pair);
      const [oldest] = known;
      if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
    },
  };
}

/** An IPv6 customer has a whole network of addresses: counted as one. */
function addressOf(request: Request): string {
  return ipKeyGenerator(request.ip ?? '');
}

function accountOf(request: Request): string {
  const body: unknown = request.body;
  return typeof body === 'object' && body !== null && 'username' in body ? String(body.username) : '';
}

function pairOf(request: Request, username: string): string {
  return digest(`${username.toLowerCase()}\n${addressOf(request)}`);
}

/** Names are not kept as they are, and of no length that somebody else decides. */
function digest(name: string): string {
  return createHash('sha256').update(name.toLowerCase()).digest('base64url');
}
