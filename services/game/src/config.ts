import type { Environment } from '@rescind/service/configuration';
import {
  ConfigurationError,
  guardSettings,
  kafkaSettings,
  processSettings,
  readConfiguration,
  setting,
} from '@rescind/service/configuration';
import { z } from 'zod';

/** Every variable of the game. */
export const settings = z.object({
  ...processSettings({ public: 3050, management: 3051 }),
  ...guardSettings('game'),
  LINK_PORT: setting.port({
    default: '3052',
    about: 'The port for the other instances, which forward moves to the tables that live here; 0: any free one',
  }),
  LINK_HOST: setting.text({ default: '127.0.0.1', about: 'The address of this machine for `LINK_PORT`' }),
  LINK_PEERS: setting.optional(
    setting.list({
      about:
        'The addresses of `LINK_PORT` of all instances, such as `http://game-1:3052,http://game-2:3052`, in the same order at each; without it this is the only one',
      pattern: /^http:\/\/[^/\s]+$/,
      such: ' of addresses (http, host and port)',
      needs: ['LINK_SELF', 'LINK_SECRET'],
    }),
  ),
  LINK_SELF: setting.optional(setting.text({ about: 'The element of `LINK_PEERS` that is this instance' })),
  LINK_SECRET: setting.optional(setting.secret({ about: 'The secret by which instances recognize each other' })),
  ...kafkaSettings('game'),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export function readSettings(environment: Environment): Configuration {
  const configuration = readConfiguration(settings, environment);
  const { LINK_PEERS: peers, LINK_SELF: self = '' } = configuration;
  if (peers !== undefined && !peers.includes(self)) {
    throw new ConfigurationError([{ variable: 'LINK_SELF', problem: `must be one of ${peers.join(', ')}` }]);
  }
  return configuration;
}
