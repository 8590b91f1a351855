import { httpTransport } from '@rescind/feed';
import { createGuard } from '@rescind/guard';
import type { Listener, Service } from '@rescind/service';
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

/** Decides about tokens for proxies and for services in other languages. */
export const gate: Service<Configuration> = {
  name: 'gate',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['guard'],
  configure: readSettings,
  async open(context) {
    const { configuration, telemetry } = context;
    const { SOCKET_PATH: socketPath, MAX_CONNECTIONS: total } = configuration;
    const listeners: Listener[] = [];
    const parts = await openGuarded(context, {
      transports,
      createGuard,
      createApp(guard) {
        const newApp = () => createApp({ guard, configuration, telemetry });
        const limits = { total, perAddress: total };
        if (socketPath !== undefined) listeners.push({ name: 'socket', app: newApp(), limits, socketPath });
        return newApp();
      },
    });
    return { ...parts, listeners };
  },
};
