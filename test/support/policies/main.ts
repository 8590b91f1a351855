import { httpTransport } from '@rescind/feed';
import type { Guard, RoutePolicy } from '@rescind/guard';
import { createGuard } from '@rescind/guard';
import { guard } from '@rescind/guard/express';
import type { Service } from '@rescind/service';
import { run } from '@rescind/service';
import type { Environment } from '@rescind/service/configuration';
import {
  configuredFeed,
  configuredHttpTransport,
  configuredKafkaTransport,
  guardOptions,
  guardSettings,
  kafkaSettings,
  processSettings,
  readConfiguration,
  setting,
} from '@rescind/service/configuration';
import type { Express } from 'express';
import express from 'express';
import { z } from 'zod';

const settings = z.object({
  ...processSettings({ public: 0, management: 0 }),
  ...guardSettings('prices'),
  ...kafkaSettings('prices'),
  LOG_URL: setting.url({ about: 'Where the log is reached over HTTP, which may be cut off from everything else' }),
});

type Configuration = z.output<typeof settings>;

/** A route for each policy, and for each requirement of a route. */
const ROUTES: Readonly<Record<string, RoutePolicy>> = {
  deny: { stale: 'deny' },
  allow: { stale: 'allow' },
  introspect: { stale: 'introspect' },
  always: { introspect: 'always' },
  recent: { maxAuthAgeSeconds: 5 },
  soft: { softExpiry: { maxUses: 3 } },
  scoped: { scopes: ['prices:read', 'prices:premium'] },
};

/** A guarded service for tests of the requirements of routes, and of their policies while other processes are down. */
const policies: Service<Configuration> = {
  name: 'policies',
  version: '0.0.0',
  configure: (environment: Environment) => readConfiguration(settings, environment),
  async open({ configuration, telemetry, keep }) {
    const feed = await configuredFeed(
      [configuredKafkaTransport(() => import('@rescind/feed-kafka')), configuredHttpTransport(httpTransport)],
      {
        configuration: { ...configuration, ISSUER_URL: configuration.LOG_URL },
        telemetry,
      },
    );
    const opened = keep(createGuard({ ...guardOptions(configuration), feed, telemetry }));
    return { app: createApp(opened), ready: opened.ready(), health: () => opened.health() };
  },
};

function createApp(opened: Guard): Express {
  const app = express();
  for (const [name, policy] of Object.entries(ROUTES)) {
    app.get(`/${name}`, guard(opened, policy), (_request, response) => void response.json({}));
  }
  return app;
}

await run(policies, process);
