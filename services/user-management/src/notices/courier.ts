import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { NoticeOutbox, PendingNotice } from './outbox.ts';
import { retryDelay } from './retry.ts';
import { webhookHeaders } from './signature.ts';

export interface CourierOptions {
  readonly issuer: Pick<Issuer, 'transaction' | 'refusingWrites' | 'canWrite'>;
  readonly outbox: NoticeOutbox;
  readonly url: string;
  /** As it is now. */
  readonly secret: () => Buffer;
  /** Attempts after which a notice is dead. */
  readonly attempts: number;
  /** The wait after the first attempt; it doubles with each. */
  readonly retryMs: DurationMs;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Brings notices to the receiver, each until it has arrived or is dead. */
export interface Courier extends AsyncDisposable {
  /** There may be a new one. */
  wake(): void;
  health(): HealthCheck[];
}

/** At once: a slow receiver delays the others, and is not overrun. */
const AT_ONCE = 4;
/** Standard Webhooks, "Operational considerations": 15 to 30 s. */
const ANSWER_MS: DurationMs = 15_000;
/** For so long a notice that was given up is a warning; then it is a number. */
const DEAD_IS_NEWS_MS: DurationMs = 24 * 3_600_000;
/** Clocks are set, and timers end at 24 days: it looks again after that long at the latest. */
const LONGEST_SLEEP_MS: DurationMs = 60_000;

export function openCourier(options: CourierOptions): Courier {
  const { issuer, outbox, attempts, retryMs, clock, telemetry } = options;
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lastError: string | null = null;

  const settle = async (notice: PendingNotice, failure: string | undefined): Promise<void> => {
    const made = notice.attempts + 1;
    const now = clock.now();
    const dead = failure !== undefined && made >= attempts;
    await issuer.transaction(() => {
      if (failure === undefined) outbox.arrived(notice.id);
      else if (dead) outbox.giveUp(notice.id, now);
      else outbox.retry(notice.id, now + retryDelay(made, retryMs));
    });
    say(notice, failure, dead, made);
  };

  const say = ({ id, type }: PendingNotice, failure: string | undefined, dead: boolean, made: number) => {
    const result = failure === undefined ? 'arrived' : dead ? 'dead' : 'failed';
    telemetry.count('rescind_notices_total', { result });
    lastError = failure ?? null;
    if (failure === undefined) telemetry.log('info', 'notice_arrived', { id, type, attempts: made });
    else telemetry.log(dead ? 'error' : 'warn', `notice_${result}`, { id, type, attempts: made, why: failure });
  };

  const bring = async (notice: PendingNotice): Promise<void> => {
    const failure = await send(options, notice, closing.signal);
    // An attempt that the stop of the service cut is none.
    if (closing.signal.aborted && failure !== undefined) return;
    await settle(notice, failure);
  };

  const bringAll = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      // What could not be settled would be sent again and again.
      if (issuer.refusingWrites() !== null) throw new RescindError('database_restored');
      if (!issuer.canWrite()) throw new RescindError('storage_unavailable');
      const due = outbox.due(clock.now(), AT_ONCE);
      if (due.length === 0) return;
      await Promise.all(due.map(bring));
    }
  };

  const sleep = (ms: DurationMs) => {
    clearTimeout(timer);
    if (closing.signal.aborted) return;
    timer = setTimeout(wake, Math.min(Math.max(ms, 0), LONGEST_SLEEP_MS)).unref();
  };

  const wake = () => {
    if (closing.signal.aborted || running !== undefined) return;
    running = bringAll()
      .then(
        () => sleep((outbox.nextAt() ?? Number.POSITIVE_INFINITY) - clock.now()),
        (error: unknown) => {
          // Its database refuses writes, or is stopping: what was sent will be sent again, by the same id.
          const code = error instanceof RescindError ? error.code : 'internal';
          telemetry.log('error', 'notices_held_up', { code });
          lastError = code;
          sleep(retryMs);
        },
      )
      .finally(() => {
        running = undefined;
      });
  };

  wake();
  return {
    wake,
    health() {
      const { waiting, dead, lastDeadAt } = outbox.counts();
      telemetry.gauge('rescind_notices_waiting', waiting);
      const justDied = lastDeadAt !== null && clock.now() - lastDeadAt < DEAD_IS_NEWS_MS;
      const status = justDied || lastError !== null ? 'warn' : 'pass';
      return [{ name: 'notices', status, waiting, dead, ...(lastError === null ? {} : { lastError }) }];
    },
    async [Symbol.asyncDispose]() {
      clearTimeout(timer);
      closing.abort();
      await running;
    },
  };
}

/** One attempt. @returns why it did not arrive: never what the receiver said, which may be anything */
async function send(
  { url, secret, clock }: CourierOptions,
  { id, body }: PendingNotice,
  closing: AbortSignal,
): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...webhookHeaders(secret(), id, body, clock.now()) },
      body,
      // What is personal goes to the configured address and to no other.
      redirect: 'manual',
      signal: AbortSignal.any([closing, AbortSignal.timeout(ANSWER_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `answered ${response.status}`;
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'no answer in time' : 'not reached';
  }
}
