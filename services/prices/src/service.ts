import { httpWay } from '@rescind/feed';
import { openGuard } from '@rescind/guard';
import type { Service } from '@rescind/service';
import { openGuarded, packageVersion } from '@rescind/service';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';

/** An ordinary service, guarded. */
export const prices: Service<Configuration> = {
  name: 'prices',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['guard'],
  configure: readSettings,
  open: (context) =>
    openGuarded(context, { httpWay, kafka: () => import('@rescind/feed-kafka'), openGuard, createApp }),
};
