import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Courier } from './courier.ts';
import { openCourier } from './courier.ts';
import type { NoticeOutbox } from './outbox.ts';
import { parseWebhookSecret } from './signature.ts';

interface WebhookConfiguration {
  readonly WEBHOOK_URL?: string | undefined;
  readonly WEBHOOK_SECRET?: string | undefined;
  readonly WEBHOOK_ATTEMPTS: number;
  readonly WEBHOOK_RETRY: DurationMs;
}

interface CourierParts {
  readonly issuer: Issuer;
  readonly outbox: NoticeOutbox;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** The courier to the configured receiver; `undefined` where there is none. */
export function openConfiguredCourier(configuration: WebhookConfiguration, parts: CourierParts): Courier | undefined {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secretText = '', WEBHOOK_ATTEMPTS, WEBHOOK_RETRY } = configuration;
  const secret = parseWebhookSecret(secretText);
  if (url === undefined || secret === undefined) {
    // Said once: new logins are in the log then, and their owners hear of none.
    parts.telemetry.log('info', 'notices_off');
    return undefined;
  }
  return openCourier({ ...parts, url, secret, attempts: WEBHOOK_ATTEMPTS, retryMs: WEBHOOK_RETRY });
}
