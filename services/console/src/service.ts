import { systemClock } from '@rescind/revocation';
import type { Service } from '@rescind/service';
import { packageVersion } from '@rescind/service';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';

/** Serves the console. It has no file: operators whose tokens it held in memory log in again after a restart. */
export const operatorConsole: Service<Configuration> = {
  name: 'console',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  configure: readSettings,
  open({ configuration, telemetry }) {
    const { app, endStreams } = createApp({ configuration, clock: systemClock, telemetry });
    return { app, endStreams, ready: Promise.resolve(), health: () => [] };
  },
};
