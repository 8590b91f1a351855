import type { Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Reloads } from '@rescind/service';
import { ConfigurationError, configuredFile } from '@rescind/service/configuration';
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
export function openConfiguredCourier(
  configuration: WebhookConfiguration,
  { reloads, ...parts }: CourierParts & { readonly reloads: Reloads },
): Courier | undefined {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secretText = '', WEBHOOK_ATTEMPTS, WEBHOOK_RETRY } = configuration;
  const secret = parseWebhookSecret(secretText);
  if (url === undefined || secret === undefined) {
    // Said once: new logins are in the log then, and their owners hear of none.
    parts.telemetry.log('info', 'notices_off');
    return undefined;
  }
  let present = secret;
  const file = configuredFile(configuration, 'WEBHOOK_SECRET');
  if (file !== undefined) {
    reloads.watch({
      ...file,
      read() {
        const next = parseWebhookSecret(file.read());
        if (next !== undefined) return next;
        throw new ConfigurationError([
          { variable: file.variable, problem: 'was given (not shown), which is no secret of a webhook' },
        ]);
      },
      apply(next) {
        present = next;
      },
    });
  }
  return openCourier({ ...parts, url, secret: () => present, attempts: WEBHOOK_ATTEMPTS, retryMs: WEBHOOK_RETRY });
}
