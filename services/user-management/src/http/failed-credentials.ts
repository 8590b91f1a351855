import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { ipKeyGenerator } from 'express-rate-limit';

/** A request, with the address of its sender where Express has found it behind trusted proxies. */
export type AddressedRequest = IncomingMessage & { readonly ip?: string | undefined };

/**
 * Counts wrong credentials of machines: secrets of clients, services and operators, and client assertions. It never refuses
 * a right one: secrets have 96 random bits or more, which nobody guesses, and whoever sends wrong ones for a client must not
 * be able to keep that client out.
 */
export interface FailedCredentials {
  /**
   * Counts a wrong credential.
   * @param name of whom it was sent: the client id or the operator's name
   * @throws RescindError `rate_limited` when there have been too many of that name from this address, or from this address
   */
  count(request: Pick<AddressedRequest, 'ip'>, name: string): void;
}

export interface FailedCredentialsOptions {
  /** The label `what` of `rescind_rate_limited_total`. */
  readonly what: 'client' | 'administrator';
  /** Most in a minute for one name from one address. */
  readonly perName: number;
  /** Most in a minute from one address. */
  readonly perAddress: number;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

const WINDOW_MS: DurationMs = 60_000;
/** Keys that each counter remembers, some 2 MB; beyond, the oldest is forgotten. */
const MOST_KEYS = 10_000;

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
      telemetry.count('rescind_rate_limited_total', { what });
      // Once a minute: a flood of guesses is no flood of lines.
      if (results.some(({ isFirst }) => isFirst)) telemetry.log('warn', 'excess_rate_limit_exceeded', { what });
      throw new RescindError('rate_limited', { retryAfter: retryAfterMs / 1_000 });
    },
  };
}

interface Counted {
  /** How long until the next wrong one is answered as such; 0: now. */
  readonly waitMs: DurationMs;
  /** Whether it is the first beyond the limit in this minute. */
  readonly isFirst: boolean;
}

function createCounter(most: number, clock: Clock): (key: string) => Counted {
  const records = new Map<string, { count: number; readonly until: DurationMs }>();
  return (key) => {
    const now = clock.monotonic();
    const held = records.get(key);
    const isNew = held === undefined || held.until <= now;
    const record = isNew ? { count: 0, until: now + WINDOW_MS } : held;
    if (isNew) {
      // Behind those that are older.
      records.delete(key);
      records.set(key, record);
      const [oldest] = records.keys();
      if (records.size > MOST_KEYS && oldest !== undefined) records.delete(oldest);
    }
    record.count++;
    return { waitMs: record.count > most ? record.until - now : 0, isFirst: record.count === most + 1 };
  };
}

/** Of one length, whatever somebody sends as a name. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
