import type { Environment } from '@rescind/service/configuration';
import { guardSettings, kafkaSettings, processSettings, readConfiguration } from '@rescind/service/configuration';
import { z } from 'zod';

/** Every variable of prices. */
export const settings = z.object({
  ...processSettings({ public: 3010, management: 3011 }),
  ...guardSettings('prices'),
  ...kafkaSettings('prices'),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export const readSettings = (environment: Environment): Configuration => readConfiguration(settings, environment);
