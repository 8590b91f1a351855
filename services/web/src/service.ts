import type { Service } from '@rescind/service';
import { packageVersion } from '@rescind/service';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';

/** Serves the page of a user. It has no secret, no session and no state: the page sends its requests to the other services itself. */
export const web: Service<Configuration> = {
  name: 'web',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  configure: readSettings,
  open: ({ configuration }) => ({
    app: createApp(configuration),
    ready: Promise.resolve(),
    health: () => [],
  }),
};
