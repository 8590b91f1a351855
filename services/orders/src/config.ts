import type { Environment } from '@rescind/service/configuration';
import { guardSettings, kafkaSettings, processSettings, readConfiguration } from '@rescind/service/configuration';
import { z } from 'zod';

/** Every variable of orders. */
export const settings = z.object({
  ...processSettings({ public: 3020, management: 3021 }),
  ...guardSettings('orders'),
  ...kafkaSettings('orders'),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export const readSettings = (environment: Environment): Configuration => readConfiguration(settings, environment);
