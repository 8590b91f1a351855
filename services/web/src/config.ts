import type { Environment } from '@rescind/service/configuration';
import { processSettings, readConfiguration, setting } from '@rescind/service/configuration';
import { z } from 'zod';

// Nothing that this service serves is for pages of other origins.
const { CORS_ORIGINS: _, ...ofProcess } = processSettings({ public: 3040, management: 3041 });

/** Every variable of web. */
export const settings = z.object({
  ...ofProcess,
  ISSUER: setting.url({
    about: 'The address of user-management, as browsers reach it. Its `CORS_ORIGINS` must have the origin of this page',
  }),
  ACCOUNT_AUDIENCE: setting.optional(
    setting.text({ about: 'The `ACCOUNT_AUDIENCE` of user-management, if it is not `ISSUER` followed by `/account`' }),
  ),
  CLIENT_ID: setting.text({ default: 'web', about: 'The `client_id` of the page' }),
  PRICES_URL: setting.optional(
    setting.url({
      about:
        'The address of prices, as browsers reach it; without it the page shows no prices. `CORS_ORIGINS` as above',
    }),
  ),
  GAME_URL: setting.optional(
    setting.url({
      about: 'The address of the game, as browsers reach it; without it the page has no game. `CORS_ORIGINS` as above',
    }),
  ),
  SESSION_MODES: setting.list({
    default: 'cookie',
    about:
      'Where the refresh token may be: `cookie`, `body` or both. The first is the default of the page; the other is chosen by `?mode=` in its address',
    pattern: /^(cookie|body)$/,
    such: ' of cookie and body',
  }),
  PAGE_PATH: setting.optional(
    setting.path({
      about: 'The directory of the bundled page; default: `dist/page` of the service, made by `npm run build:page`',
    }),
  ),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export const readSettings = (environment: Environment): Configuration => readConfiguration(settings, environment);
