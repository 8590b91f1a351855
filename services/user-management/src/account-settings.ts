import type { AccountsOptions } from '@rescind/accounts';
import { parseWebhookSecret } from '@rescind/accounts';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import { isSecureUrl } from '@rescind/revocation/http';
import type { Reloads } from '@rescind/service';
import type { ConfigurationProblem } from '@rescind/service/configuration';
import { ConfigurationError, configuredFile, setting } from '@rescind/service/configuration';

/** The variables about accounts and their notices. */
export const accountSettings = {
  NEVER_EXPIRING_DEVICES: setting.flag({
    default: 'false',
    about: 'Whether a login may request, by `neverExpires`, a session without deadlines: it lives until it is revoked',
  }),
  RECENT_LOGIN: setting.optional(
    setting.duration({
      atLeast: '1s',
      atMost: '24h',
      about:
        'How long after a login (or `/reauthenticate`) devices may be logged out. Shorter than `ACCESS_TOKEN_TTL`; default: a third of it, at most `5m`. Of a client whose tokens live no longer than this: a third of their life',
    }),
  ),
  PASSWORD_RESET_TTL: setting.duration({
    default: '24h',
    atLeast: '1m',
    atMost: '30d',
    about: 'How long a user may set a new password with a reset token',
  }),
  NOT_ME_TTL: setting.duration({
    default: '7d',
    atLeast: '1m',
    atMost: '30d',
    about: 'How long the owner of an account may report a login as somebody else’s',
  }),
  WEBHOOK_URL: setting.optional(
    setting.url({
      about:
        'Where user-management sends notices for the owners of accounts (a login from a new device, a reset), signed as Standard Webhooks defines. https, or http on this machine. Without it no notices are sent',
      needs: ['WEBHOOK_SECRET'],
    }),
  ),
  WEBHOOK_SECRET: setting.optional(
    setting.secret({
      about: 'What notices are signed with: `whsec_` and the base64 of 24 to 64 random bytes',
      needs: ['WEBHOOK_URL'],
      minLength: 32,
    }),
  ),
  WEBHOOK_ATTEMPTS: setting.count({
    default: '16',
    atLeast: 1,
    atMost: 100,
    about: 'Attempts after which a notice is abandoned: counted, logged, and reported in `/readyz`',
  }),
  WEBHOOK_RETRY: setting.duration({
    default: '5s',
    atLeast: '10ms',
    atMost: '1h',
    about: 'The wait after the first attempt that failed; it doubles with each, up to 6 h',
  }),
} as const;

interface LoginAge {
  readonly RECENT_LOGIN?: DurationMs | undefined;
  readonly ACCESS_TOKEN_TTL: DurationMs;
}

const RECENT_AT_MOST_MS: DurationMs = 5 * 60_000;

/** How long a login is recent. */
export function recentLoginMs({ RECENT_LOGIN, ACCESS_TOKEN_TTL }: LoginAge): DurationMs {
  return RECENT_LOGIN ?? Math.min(RECENT_AT_MOST_MS, Math.ceil(ACCESS_TOKEN_TTL / 3));
}

/** A login that is recent for as long as its access token lives would not stop a stolen token. */
export function* recentLoginProblems({ RECENT_LOGIN, ACCESS_TOKEN_TTL }: LoginAge): Iterable<ConfigurationProblem> {
  if (RECENT_LOGIN === undefined || RECENT_LOGIN < ACCESS_TOKEN_TTL) return;
  yield {
    variable: 'RECENT_LOGIN',
    problem: 'must be shorter than ACCESS_TOKEN_TTL: a stolen token must not stay recent',
  };
}

/** Problems of variables that depend on each other. */
export function* webhookProblems(configuration: {
  readonly WEBHOOK_URL?: string | undefined;
  readonly WEBHOOK_SECRET?: string | undefined;
}): Iterable<ConfigurationProblem> {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secret } = configuration;
  if (url !== undefined && !isSecureUrl(url)) {
    yield { variable: 'WEBHOOK_URL', problem: 'must be https: notices are personal. http is for this machine alone' };
  }
  if (secret !== undefined && parseWebhookSecret(secret) === undefined) {
    yield { variable: 'WEBHOOK_SECRET', problem: 'must be `whsec_` and the base64 of 24 to 64 bytes' };
  }
}

interface WebhookConfiguration {
  readonly WEBHOOK_URL?: string | undefined;
  readonly WEBHOOK_SECRET?: string | undefined;
  readonly WEBHOOK_ATTEMPTS: number;
  readonly WEBHOOK_RETRY: DurationMs;
}

/** The configured receiver of notices, whose secret follows its file; undefined: there is none. */
export function configuredWebhook(
  configuration: WebhookConfiguration,
  { reloads, telemetry }: { readonly reloads: Reloads; readonly telemetry: Telemetry },
): AccountsOptions['webhook'] {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secretText = '', WEBHOOK_ATTEMPTS, WEBHOOK_RETRY } = configuration;
  const secret = parseWebhookSecret(secretText);
  if (url === undefined || secret === undefined) {
    // New logins are in the log; their owners get no notice.
    telemetry.log('info', 'notices_off');
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
  return { url, secret: () => present, attempts: WEBHOOK_ATTEMPTS, retryMs: WEBHOOK_RETRY };
}
