import type { Environment } from '@rescind/service/configuration';
import { processSettings, readConfiguration, setting } from '@rescind/service/configuration';
import { z } from 'zod';

// Nothing that this service serves is for pages of other origins.
const { CORS_ORIGINS: _, ...ofProcess } = processSettings({ public: 3060, management: 3061 });

/** Every variable of console. */
export const settings = z.object({
  ...ofProcess,
  ISSUER: setting.url({ about: 'The `ISSUER` of user-management' }),
  ISSUER_URL: setting.optional(
    setting.url({ about: 'The address of user-management, as this service reaches it, if it is not `ISSUER`' }),
  ),
  ADMIN_URL: setting.url({
    default: 'http://127.0.0.1:3002',
    about: 'The address of `ADMIN_PORT` of user-management, as this service reaches it',
  }),
  ADMIN_AUDIENCE: setting.optional(
    setting.text({ about: 'The `ADMIN_AUDIENCE` of user-management, if it is not `ISSUER` followed by `/admin`' }),
  ),
  ACCOUNT_AUDIENCE: setting.optional(
    setting.text({ about: 'The `ACCOUNT_AUDIENCE` of user-management, if it is not `ISSUER` followed by `/account`' }),
  ),
  CLIENT_ID: setting.text({ default: 'web', about: 'The `client_id` by which operators log in' }),
  PAGE_PATH: setting.optional(
    setting.path({
      about: 'The directory of the bundled page; default: `dist/page` of the service, made by `npm run build:page`',
    }),
  ),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export const readSettings = (environment: Environment): Configuration => readConfiguration(settings, environment);
