import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';
import type { Service } from '@rescind/service';
import { openGuarded, packageVersion } from '@rescind/service';
import { configuredHttpTransport, configuredKafkaTransport } from '@rescind/service/configuration';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';

/** In the order of preference. */
const transports = [
  configuredKafkaTransport(() => import('@rescind/feed-kafka')),
  configuredHttpTransport(httpTransport),
];

/** An ordinary service, guarded. */
export const prices: Service<Configuration> = {
  name: 'prices',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['guard'],
  configure: readSettings,
  open: (context) => openGuarded(context, { transports, createGuard, createApp }),
};
