import { setting } from './setting.ts';

const CONNECTIONS = { atLeast: 1, atMost: 1_000_000 };

/** Variables that every service has. */
export const processSettings = (ports: { readonly public: number; readonly management: number }) => ({
  PORT: setting.port({ default: String(ports.public), about: 'The public port; 0 takes any free one' }),
  HOST: setting.optional(setting.text({ about: 'The address of this machine to listen on; without it: all' })),
  MANAGEMENT_PORT: setting.port({
    default: String(ports.management),
    about: 'The port of `/livez`, `/readyz`, `/metrics` and `/version`; 0 takes any free one',
  }),
  MANAGEMENT_HOST: setting.optional(
    setting.text({ about: 'The address of this machine for `MANAGEMENT_PORT`; without it: all' }),
  ),
  MAX_CONNECTIONS: setting.count({
    default: '10000',
    ...CONNECTIONS,
    about: 'Connections to `PORT` at a time; more are closed at once',
  }),
  MAX_CONNECTIONS_PER_ADDRESS: setting.count({
    default: '2048',
    ...CONNECTIONS,
    about:
      'The same from one address (IPv6: one network of 64 bits). `TRUSTED_PROXIES` are not limited: name what is in front, or all clients share this',
  }),
  MANAGEMENT_MAX_CONNECTIONS: setting.count({
    default: '256',
    ...CONNECTIONS,
    about: 'Connections to `MANAGEMENT_PORT` at a time',
  }),
  MANAGEMENT_MAX_CONNECTIONS_PER_ADDRESS: setting.count({
    default: '64',
    ...CONNECTIONS,
    about: 'The same from one address',
  }),
  LOG_LEVEL: setting.logLevel({ default: 'info', about: 'The least grave lines that are written' }),
  SHUTDOWN_TIMEOUT: setting.duration({
    default: '10s',
    atMost: '10m',
    about: 'How long a stop waits for requests that are being answered',
  }),
  TRUSTED_PROXIES: setting.optional(
    setting.list({
      about: 'Addresses or networks of proxies whose `X-Forwarded-For` is believed; without it nobody’s is',
    }),
  ),
  CORS_ORIGINS: setting.optional(
    setting.list({
      about:
        'Origins whose pages may read the answers of the public port, such as `https://app.example`; without it none',
      // As browsers write it: lower case, and a port only where it is not the usual one.
      pattern: /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/,
      such: ' of origins (scheme, host and port, no path)',
    }),
  ),
});

/** What `processSettings` gives. */
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
  readonly SHUTDOWN_TIMEOUT: number;
  readonly TRUSTED_PROXIES?: readonly string[] | undefined;
  readonly CORS_ORIGINS?: readonly string[] | undefined;
}
