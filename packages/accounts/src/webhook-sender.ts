import { createHmac } from 'node:crypto';
import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, EpochMillis, HealthCheck, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { AccountContext } from './context.ts';
import type { PendingNotice } from './rows/notices.ts';

/** The receiver of notices, by Standard Webhooks. */
export interface Webhook {
  /** https, or http on this machine (`isSecureUrl`). */
  readonly url: string;
  /** The signing secret as it is now, 24 to 64 bytes (`parseWebhookSecret`). */
  readonly secret: () => Buffer;
  /** Attempts after which a notice is given up. */
  readonly attempts: number;
  /** The wait after the first attempt; it doubles with each. */
  readonly retryMs: DurationMs;
}

export interface WebhookSenderOptions {
  readonly issuer: Pick<Issuer, 'refusingWrites' | 'canWrite'>;
  readonly context: Pick<AccountContext, 'transact'> & { readonly rows: Pick<AccountContext['rows'], 'notices'> };
  readonly webhook: Webhook;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Sends notices to the receiver, each until it has arrived or is given up. */
export interface WebhookSender extends AsyncDisposable {
  /** Sends due notices now: there may be a new one. */
  wake(): void;
  health(): HealthCheck[];
}

/** Attempts at once: a slow receiver delays the others, and is not overrun. */
const AT_ONCE = 4;
/** Standard Webhooks, "Operational considerations": 15 to 30 s. */
const RESPONSE_MS: DurationMs = 15_000;
/** How long a notice that was given up keeps the check at `warn`. Afterwards it is only counted. */
const DEAD_IS_NEWS_MS: DurationMs = 24 * 3_600_000;
/** Clocks are set, and timers end at 24 days: the sender checks again after this time at the latest. */
const MAX_SLEEP_MS: DurationMs = 60_000;

export function openWebhookSender(options: WebhookSenderOptions): WebhookSender {
  const { issuer, context, webhook, clock, telemetry } = options;
  const { attempts, retryMs } = webhook;
  const { notices } = context.rows;
  const closing = new AbortController();
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let lastError: string | null = null;

  const record = async (notice: PendingNotice, failure: string | undefined): Promise<void> => {
    const made = notice.attempts + 1;
    const isDead = failure !== undefined && made >= attempts;
    await context.transact((tx) => {
      if (failure === undefined) tx.notices.arrived(notice.id);
      else if (isDead) tx.notices.abandon(notice.id, tx.now);
      else tx.notices.retry(notice.id, tx.now + retryDelay(made, retryMs));
    });
    log(notice, failure, isDead, made);
  };

  const log = ({ id, type }: PendingNotice, failure: string | undefined, isDead: boolean, made: number) => {
    const result = failure === undefined ? 'arrived' : isDead ? 'dead' : 'failed';
    telemetry.count('rescind_notices_total', { result });
    lastError = failure ?? null;
    if (failure === undefined) telemetry.log('info', 'notice_arrived', { id, type, attempts: made });
    else telemetry.log(isDead ? 'error' : 'warn', `notice_${result}`, { id, type, attempts: made, reason: failure });
  };

  const attempt = async (notice: PendingNotice): Promise<void> => {
    const failure = await send(options, notice, closing.signal);
    // An attempt that the stop of the service aborted does not count.
    if (closing.signal.aborted && failure !== undefined) return;
    await record(notice, failure);
  };

  const sendAll = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      // A notice whose arrival cannot be recorded would be sent again and again.
      if (issuer.refusingWrites() !== null) throw new RescindError('database_restored');
      if (!issuer.canWrite()) throw new RescindError('storage_unavailable');
      const due = notices.due(clock.now(), AT_ONCE);
      if (due.length === 0) return;
      await Promise.all(due.map(attempt));
    }
  };

  const sleep = (ms: DurationMs) => {
    clearTimeout(timer);
    if (closing.signal.aborted) return;
    timer = setTimeout(wake, Math.min(Math.max(ms, 0), MAX_SLEEP_MS)).unref();
  };

  const wake = () => {
    if (closing.signal.aborted || running !== undefined) return;
    running = sendAll()
      .then(
        () => sleep((notices.nextAt() ?? Number.POSITIVE_INFINITY) - clock.now()),
        (error: unknown) => {
          // The database refuses writes, or is stopping: what was sent will be sent again, by the same id.
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
      const { waiting, dead, lastDeadAt } = notices.counts();
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

/** One attempt. @returns why it did not arrive: never what the receiver answered, which may be anything */
async function send(
  { webhook: { url, secret }, clock }: WebhookSenderOptions,
  { id, body }: PendingNotice,
  closing: AbortSignal,
): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...webhookHeaders(secret(), id, body, clock.now()) },
      body,
      // Personal data is sent to the configured address alone.
      redirect: 'manual',
      signal: AbortSignal.any([closing, AbortSignal.timeout(RESPONSE_MS)]),
    });
    await response.body?.cancel();
    return response.ok ? undefined : `answered ${response.status}`;
  } catch (error) {
    return error instanceof Error && error.name === 'TimeoutError' ? 'no answer in time' : 'not reached';
  }
}

/** The longest wait: a notice of a login is old news after that. */
const MAX_WAIT_MS: DurationMs = 6 * 3_600_000;

/**
 * How long to wait after so many attempts that failed: doubling, and anywhere in the upper half of that, so that notices that
 * failed at one moment do not come back at one moment.
 */
export function retryDelay(attempts: number, firstMs: DurationMs, random: () => number = Math.random): DurationMs {
  const ceiling = Math.min(MAX_WAIT_MS, firstMs * 2 ** (attempts - 1));
  return Math.ceil(ceiling * (0.5 + random() / 2));
}

/** The prefix of a secret of Standard Webhooks; what follows is base64. */
const PREFIX = 'whsec_';
/** Standard Webhooks, "Signature scheme": 24 to 64 bytes. */
const [MIN_BYTES, MAX_BYTES] = [24, 64];
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** The bytes of `whsec_…`; undefined for any other text. */
export function parseWebhookSecret(text: string): Buffer | undefined {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text;
  if (!BASE64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length >= MIN_BYTES && bytes.length <= MAX_BYTES ? bytes : undefined;
}

/** The headers of one delivery: the id is the notice's, the time and the signature are this attempt's. */
export function webhookHeaders(secret: Buffer, id: string, body: string, at: EpochMillis): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000));
  const signature = createHmac('sha256', secret).update(`${id}.${timestamp}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` };
}
