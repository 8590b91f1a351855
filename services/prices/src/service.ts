import { httpWay } from '@rescind/feed';
import { openGuard } from '@rescind/guard';
import type { Service } from '@rescind/service';
import { packageVersion, reloadedText } from '@rescind/service';
import { configuredFeed, guardOptions } from '@rescind/service/configuration';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';

/** An ordinary service, guarded. */
export const prices: Service<Configuration> = {
  name: 'prices',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['guard'],
  configure: readSettings,
  async open({ configuration, telemetry, keep, reloads }) {
    const clientSecret = reloadedText(reloads, configuration, 'FEED_CLIENT_SECRET');
    const feed = await configuredFeed(
      configuration,
      telemetry,
      {
        httpWay,
        kafka: () => import('@rescind/feed-kafka'),
      },
      clientSecret,
    );
    const opened = keep(openGuard({ ...guardOptions(configuration, clientSecret), feed, telemetry }));
    return {
      app: createApp(opened),
      ready: opened.ready(),
      health: () => opened.health(),
      explain: configuration.MANAGEMENT_EXPLAIN ? (given) => opened.explain(given) : undefined,
    };
  },
};
