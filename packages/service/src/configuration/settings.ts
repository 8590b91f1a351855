import { ORIGIN } from '@rescind/revocation/http';
import { setting } from './setting.ts';

const CONNECTIONS = { atLeast: 1, atMost: 1_000_000 };

/** The variables of every service. */
export const processSettings = (ports: { readonly public: number; readonly management: number }) => ({
  PORT: setting.port({ default: String(ports.public), about: 'The public port; 0: any free one' }),
  HOST: setting.optional(setting.text({ about: 'The address of this machine to listen on; without it: all' })),
  MANAGEMENT_PORT: setting.port({
    default: String(ports.management),
    about: 'The port of `/livez`, `/readyz`, `/metrics` and `/version`; 0: any free one',
  }),
  MANAGEMENT_HOST: setting.optional(
    setting.text({ about: 'The address of this machine for `MANAGEMENT_PORT`; without it: all' }),
  ),
  MAX_CONNECTIONS: setting.count({
    default: '10000',
    ...CONNECTIONS,
    about: 'The maximum number of concurrent connections to `PORT`; further ones are closed at once',
  }),
  MAX_CONNECTIONS_PER_ADDRESS: setting.count({
    default: '2048',
    ...CONNECTIONS,
    about:
      'The same from one address (IPv6: one network of 64 bits). `TRUSTED_PROXIES` are not limited; behind a proxy that is not one of them all clients share this limit',
  }),
  MANAGEMENT_MAX_CONNECTIONS: setting.count({
    default: '256',
    ...CONNECTIONS,
    about: 'The maximum number of concurrent connections to `MANAGEMENT_PORT`',
  }),
  MANAGEMENT_MAX_CONNECTIONS_PER_ADDRESS: setting.count({
    default: '64',
    ...CONNECTIONS,
    about: 'The same from one address',
  }),
  LOG_LEVEL: setting.logLevel({ default: 'info', about: 'The lowest level of log lines that are written' }),
  OPENTELEMETRY: setting.flag({
    default: 'false',
    about:
      'Whether the steps of revocations are recorded as spans of OpenTelemetry; requires an SDK in the process (`NODE_OPTIONS=--import=…`)',
  }),
  SHUTDOWN_TIMEOUT: setting.duration({
    default: '10s',
    atMost: '10m',
    about: 'How long a stop waits for running requests',
  }),
  TRUSTED_PROXIES: setting.optional(
    setting.list({
      about: 'Addresses or networks of proxies whose `X-Forwarded-For` is trusted; without it none is',
    }),
  ),
  CORS_ORIGINS: setting.optional(
    setting.list({
      about:
        'Origins whose pages may read the responses of the public port, such as `https://app.example`; without it none',
      pattern: ORIGIN,
      such: ' of origins (scheme, host and port, no path)',
    }),
  ),
});

/** The configuration of `processSettings`. */
export interface ProcessConfiguration {
  readonly PORT: number;
  readonly HOST?: string | undefined;
  readonly MANAGEMENT_PORT: number;
  readonly MANAGEMENT_HOST?: string | undefined;
  readonly MAX_CONNECTIONS: number;
  readonly MAX_CONNECTIONS_PER_ADDRESS: number;
  readonly MANAGEMENT_MAX_CONNECTIONS: number;
  readonly MANAGEMENT_MAX_CONNECTIONS_PER_ADDRESS: number;
  readonly LOG_LEVEL: 'debug' | 'info' | 'warn' | 'error';
  readonly OPENTELEMETRY: boolean;
  readonly SHUTDOWN_TIMEOUT: number;
  readonly TRUSTED_PROXIES?: readonly string[] | undefined;
  readonly CORS_ORIGINS?: readonly string[] | undefined;
}

/** The variables of a guarded service: issuer, log and denylist. */
export const guardSettings = (service: string) => ({
  ISSUER: setting.url({ about: 'The `iss` of the accepted tokens, and the name of their revocation log' }),
  ISSUER_URL: setting.optional(setting.url({ about: 'The address of the issuer, if it is not `ISSUER`' })),
  AUDIENCE: setting.text({ default: service, about: 'The `aud` of the accepted tokens' }),
  DENYLIST_PATH: setting.path({
    default: `.data/${service}.sqlite`,
    about: 'The SQLite file of the denylist, of this process only',
  }),
  INSTANCE_NAME: setting.optional(
    setting.text({
      about:
        'What operators know this instance by, in its [reports](receipts.md) to the issuer. Without it: the host name and the process id',
      pattern: /^[\x20-\x7e]{1,128}$/,
      such: ' of at most 128 printable characters',
    }),
  ),
  FEED_CLIENT_ID: setting.text({
    default: service,
    about: 'The client id for the revocation log of the issuer, and for introspection',
    pattern: /^[^:]+$/,
    such: ' without a colon',
  }),
  FEED_CLIENT_SECRET: setting.secret({ about: 'The secret of `FEED_CLIENT_ID`' }),
  MAX_STALENESS: setting.duration({
    default: '5m',
    atLeast: '1s',
    about: 'Beyond this age of its view an instance follows `STALE_POLICY`',
  }),
  STALE_POLICY: setting.choice({
    default: 'deny',
    of: ['deny', 'allow', 'introspect'],
    about:
      'Beyond `MAX_STALENESS`: `deny` responds 503, `allow` accepts tokens that the stale view does not deny, `introspect` introspects these at the issuer',
  }),
  MANAGEMENT_EXPLAIN: setting.flag({
    default: 'false',
    about: 'Whether `POST /explain` on the management port explains which revocation refuses a token, or claims',
  }),
});

/** The configuration of `guardSettings`. */
export interface GuardConfiguration {
  readonly ISSUER: string;
  readonly ISSUER_URL?: string | undefined;
  readonly AUDIENCE: string | readonly string[];
  readonly DENYLIST_PATH: string;
  readonly INSTANCE_NAME?: string | undefined;
  readonly FEED_CLIENT_ID: string;
  readonly FEED_CLIENT_SECRET: string;
  readonly MAX_STALENESS: number;
  readonly STALE_POLICY: 'deny' | 'allow' | 'introspect';
  readonly MANAGEMENT_EXPLAIN: boolean;
}

/** Converts the configuration into options of `createGuard` of @rescind/guard. */
export function guardOptions(
  configuration: GuardConfiguration,
  clientSecret: string | (() => string) = configuration.FEED_CLIENT_SECRET,
) {
  return {
    issuer: configuration.ISSUER,
    issuerUrl: issuerUrl(configuration),
    audience: configuration.AUDIENCE,
    denylistPath: configuration.DENYLIST_PATH,
    maxStalenessMs: configuration.MAX_STALENESS,
    stale: configuration.STALE_POLICY,
    // The credential of the log is valid for introspection too.
    introspection: { clientId: configuration.FEED_CLIENT_ID, clientSecret },
  };
}

/** The address of the issuer. */
export function issuerUrl({ ISSUER, ISSUER_URL }: GuardConfiguration): string {
  return ISSUER_URL ?? ISSUER;
}
