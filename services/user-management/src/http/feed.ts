import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { RevocationsHandler, RevocationsHandlerOptions } from '@rescind/feed';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { readBasic } from '@rescind/revocation/http';
import type { Operation } from '@rescind/service/http';
import { operation } from '@rescind/service/http';
import { ipKeyGenerator } from 'express-rate-limit';
import { z } from 'zod';

/** A request, with the address of its sender where Express has found it behind trusted proxies. */
type AddressedRequest = IncomingMessage & { readonly ip?: string | undefined };

/**
 * Counts wrong credentials of machines: secrets of clients, services and operators, and client assertions. It never refuses a right one:
 * secrets have at least 96 random bits, which cannot be guessed, and wrong ones must not block the client whose id they name.
 */
export interface FailedCredentials {
  /**
   * Counts a wrong credential.
   * @param name the client id or the operator's name in the credential
   * @throws RescindError `rate_limited` when there have been too many of that name from this address, or from this address
   */
  count(request: Pick<AddressedRequest, 'ip'>, name: string): void;
}

export interface FailedCredentialsOptions {
  /** The label `limit` of `rescind_rate_limited_total`. */
  readonly what: 'client' | 'administrator';
  /** Most in a minute for one name from one address. */
  readonly perName: number;
  /** Most in a minute from one address. */
  readonly perAddress: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const WINDOW_MS: DurationMs = 60_000;
/** Most keys of each counter, some 2 MB. Beyond, the oldest is forgotten. */
const MAX_KEYS = 10_000;

export function createFailedCredentials(options: FailedCredentialsOptions): FailedCredentials {
  const { what, clock, telemetry } = options;
  const byAddress = createCounter(options.perAddress, clock);
  const byName = createCounter(options.perName, clock);
  return {
    count(request, name) {
      const address = ipKeyGenerator(request.ip ?? '');
      const results = [byAddress(address), byName(digest(`${address}\n${name}`))];
      const retryAfterMs = Math.max(...results.map(({ waitMs }) => waitMs));
      if (retryAfterMs === 0) return;
      telemetry.count('rescind_rate_limited_total', { limit: what });
      // At most once a minute, so that guesses do not flood the log.
      if (results.some(({ isFirst }) => isFirst)) telemetry.log('warn', 'excess_rate_limit_exceeded', { what });
      throw new RescindError('rate_limited', { retryAfter: retryAfterMs / 1_000 });
    },
  };
}

interface Counted {
  /** How long further wrong credentials get 429; 0: not at all. */
  readonly waitMs: DurationMs;
  /** Whether it is the first beyond the limit in this minute. */
  readonly isFirst: boolean;
}

function createCounter(limit: number, clock: Clock): (key: string) => Counted {
  const records = new Map<string, { count: number; readonly until: DurationMs }>();
  return (key) => {
    const now = clock.monotonic();
    const existing = records.get(key);
    const isNew = existing === undefined || existing.until <= now;
    const record = isNew ? { count: 0, until: now + WINDOW_MS } : existing;
    if (isNew) {
      // Behind those that are older.
      records.delete(key);
      records.set(key, record);
      const [oldest] = records.keys();
      if (records.size > MAX_KEYS && oldest !== undefined) records.delete(oldest);
    }
    record.count++;
    return { waitMs: record.count > limit ? record.until - now : 0, isFirst: record.count === limit + 1 };
  };
}

/** Has one length for every name. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

type AuthenticateReader = RevocationsHandlerOptions['authenticate'];

/** The same, with wrong credentials counted. @throws RescindError `rate_limited` when there have been too many */
export function countingFailures(
  authenticate: AuthenticateReader,
  failedCredentials: FailedCredentials,
): AuthenticateReader {
  return (request: AddressedRequest) => {
    const client = authenticate(request);
    // A request without credentials is no guess.
    const { authorization } = request.headers;
    if (client === undefined && authorization !== undefined) {
      failedCredentials.count(request, readBasic(authorization)?.id ?? '');
    }
    return client;
  };
}

/** The log, for services. Its handler authenticates them and sends its own errors. */
export function revocationsOperations(revocations: RevocationsHandler): Operation[] {
  return [
    operation({
      id: 'revocations',
      method: 'get',
      path: '/revocations',
      summary: 'The log of revocations, as server-sent events',
      description:
        'Signed events (`event: revocation`, `id: <epoch>:<seq>`) and a heartbeat a second, from `Last-Event-ID` on. With `?quiet` it is a standby stream (`Rescind-Stream: quiet`): a heartbeat at once and each 10 s, and events only while Kafka does not acknowledge them in time. With `?pages` events that are not the last of the log may come as signed pages (`event: page`).',
      tag: 'Log',
      security: 'feed',
      responses: { 200: { description: 'A stream that does not end', type: 'text/event-stream', schema: z.string() } },
      errors: ['rate_limited', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
    operation({
      id: 'proof',
      method: 'post',
      path: '/revocations/proof',
      summary: 'Submit evidence that the database was restored from a backup',
      description: 'The body is a signed event or heartbeat that the log does not have, as `application/secevent+jwt`.',
      tag: 'Log',
      security: 'feed',
      responses: { 204: { description: 'The evidence is accepted' } },
      errors: ['event_invalid', 'request_invalid', 'media_type_wrong', 'body_too_large', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
    operation({
      id: 'report',
      method: 'post',
      path: '/revocations/reports',
      summary: 'Report how far an instance has applied the log',
      description:
        'Sent by each instance when it advances and every 5 s ([receipts](receipts.md)). The body is JSON: `key`, `instance`, `version`, `epoch`, `seq`, `heldMs`, `earlier`, `ageMs`, `suspect`, `transport`, `leaving`. The response states how long to wait before the next report.',
      tag: 'Log',
      security: 'feed',
      responses: { 200: { description: 'It was taken', schema: z.strictObject({ nextMs: z.int() }) } },
      errors: ['report_invalid', 'request_invalid', 'media_type_wrong', 'body_too_large', 'rate_limited', 'stopping'],
      handle: (request, response) => revocations.handle(request, response),
    }),
  ];
}
