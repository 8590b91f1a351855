import type { Environment } from '@rescind/service/configuration';
import {
  guardSettings,
  kafkaSettings,
  processSettings,
  readConfiguration,
  setting,
} from '@rescind/service/configuration';
import { z } from 'zod';

// A response to a preflight would be a success, which a proxy takes for an accepted token: the gate has no CORS.
const { CORS_ORIGINS: _, ...ofProcess } = processSettings({ public: 3030, management: 3031 });

/** Every variable of the gate. */
export const settings = z.object({
  ...ofProcess,
  HOST: setting.text({
    default: '127.0.0.1',
    about: 'The address of this machine to listen on. Whoever reaches it can ask about tokens that they have',
  }),
  SOCKET_PATH: setting.optional(
    setting.path({ about: 'A Unix socket to listen on too, for processes of the same user or group (mode 0660)' }),
  ),
  ...guardSettings('gate'),
  AUDIENCE: setting.list({ about: 'A token is accepted if its `aud` has one of these' }),
  REQUIRED_SCOPES: setting.optional(
    setting.list({
      about: 'Scopes that each token must have; a check URL can require more, never less',
      pattern: /^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]+$/,
      such: ' of scopes',
    }),
  ),
  IDENTITY_HEADERS: setting.list({
    default: 'Rescind-Subject=sub,Rescind-Client=client_id,Rescind-Scope=scope,Rescind-Session=sid',
    about:
      'Headers of the response to an accepted check, each with the claim that it has the value of. A request that has one of them is refused',
    pattern: /^(X|Rescind)-[A-Za-z0-9-]{1,60}=[^=\s]{1,128}$/,
    such: ' of Header=claim, where the header begins with X- or Rescind-,',
  }),
  ...kafkaSettings('gate'),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export const readSettings = (environment: Environment): Configuration => readConfiguration(settings, environment);
