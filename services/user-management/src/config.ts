import { CLOCK_TOLERANCE_MS } from '@rescind/revocation';
import { scopeToken } from '@rescind/revocation/http';
import type { ConfigurationProblem, Environment } from '@rescind/service/configuration';
import {
  ConfigurationError,
  kafkaSettings,
  processSettings,
  readConfiguration,
  setting,
} from '@rescind/service/configuration';
import { z } from 'zod';
import { accountSettings, recentLoginProblems, webhookProblems } from './account-settings.ts';
import { audienceProblems, audienceSettings } from './audiences.ts';
import { keyProblems, keySettings } from './key-settings.ts';

/** Every variable of user-management. */
export const settings = z.object({
  ...processSettings({ public: 3000, management: 3001 }),
  ISSUER: setting.url({
    about:
      'The `iss` of the tokens, the name of their revocation log, and the address at which clients reach this service',
  }),
  ...audienceSettings,
  DEFAULT_SCOPES: setting.list({
    default: 'prices:read,orders:read',
    about: 'The scopes every user has',
    pattern: scopeToken(),
    such: ' of scopes (RFC 6749 section 3.3)',
  }),
  DATABASE_PATH: setting.path({
    default: '.data/user-management.sqlite',
    about: 'The SQLite file of users, sessions and the log; one process opens it',
  }),
  KEYS_PATH: setting.path({
    default: '.data/user-management-keys',
    about: 'The directory of the private keys, readable by their owner only; created at the first start',
  }),
  FEED_CLIENTS_FILE: setting.optional(
    setting.path({
      about:
        'A JSON file `{ "<client id>": "<secret>" }`: the clients that may read revocations. Readers that an administrator has registered are added, and replace one with the same id',
    }),
  ),
  FEED_READERS_PER_CLIENT: setting.count({
    default: '1024',
    atLeast: 1,
    atMost: 100_000,
    about:
      'Connections of one client to `/revocations` at a time: the instances of one service, which all connect when Kafka is down',
  }),
  FEED_STANDBY_PER_CLIENT: setting.count({
    default: '1024',
    atLeast: 1,
    atMost: 100_000,
    about:
      'Standby streams (`/revocations?quiet`) of one client at a time, counted apart: each instance that reads Kafka keeps one open',
  }),
  FEED_READER_BUFFER_BYTES: setting.count({
    default: '131072',
    atLeast: 1_024,
    atMost: 67_108_864,
    about:
      'The maximum number of bytes of the log that wait for one slow reader of `/revocations`; a larger event waits alone',
  }),
  FEED_BUFFER_BYTES: setting.count({
    default: '67108864',
    atLeast: 1_048_576,
    atMost: 17_179_869_184,
    about:
      'The maximum number of bytes that wait for all readers together. Beyond it user-management disconnects the reader with the largest buffer, which resumes at its position',
  }),
  CLIENTS_FILE: setting.optional(
    setting.path({
      about:
        'A JSON file `{ "<client id>": { "name", "authMethod", … } }`: applications in addition to `web` (docs/oauth.md). A client that an administrator registers under the same id replaces it',
    }),
  ),
  PUBLISH_OPENAPI: setting.flag({
    default: 'false',
    about: 'Whether the public port has `/openapi.json`, the description of its addresses',
  }),
  ACCESS_TOKEN_TTL: setting.duration({
    default: '15m',
    atLeast: '1s',
    atMost: '24h',
    about: 'The life of an access token, in whole seconds',
  }),
  REFRESH_TOKEN_TTL: setting.duration({
    default: '30d',
    atLeast: '1s',
    about: 'The absolute age of a session; no refresh moves it',
  }),
  REFRESH_IDLE_TTL: setting.duration({
    default: '7d',
    atLeast: '1s',
    about: 'A session that is not refreshed for so long ends',
  }),
  REFRESH_GRACE: setting.duration({
    default: '10s',
    atMost: '60s',
    about: 'How long a refresh token may be sent again if the response was lost',
  }),
  REFRESH_RECOVERY: setting.duration({
    default: '24h',
    atMost: '7d',
    about:
      'How long the same is possible while the successor has never been used: for clients that lost the response and were suspended; 0s: never ([what it costs](sessions.md#what-recovery-costs))',
  }),
  EVENT_RETENTION: setting.duration({
    default: '7d',
    atLeast: '1h',
    about:
      'How long the log keeps events. At least `ACCESS_TOKEN_TTL`, a minute, and the longest planned outage of a reader; a Kafka topic with a shorter retention is refused',
  }),
  USER_EVENTS_RETENTION: setting.duration({
    default: '30d',
    atLeast: '1h',
    atMost: '3650d',
    about:
      'How long [events of users](administration.md#events) are kept: logins, refusals, ends of sessions. A user who logs in ten times a day has some 0.2 MB in 30 days',
  }),
  KAFKA_REPLICATION: setting.count({
    default: '1',
    atLeast: 1,
    atMost: 9,
    about: 'The replication factor of the topic, if user-management creates it. Three for a cluster',
  }),
  TRUSTED_CLOCK: setting.optional(
    setting.choice({
      of: ['issuer', 'kafka'],
      about:
        'Which clock is right while this machine’s and Kafka’s differ by more than 60 s. Without it the issuer mints no token in that state ([operations](operations.md#when-the-clocks-of-issuer-and-kafka-disagree)). The check `clock` warns while it is set',
      needs: ['KAFKA_BROKERS'],
    }),
  ),
  LOGINS_PER_MINUTE: setting.count({
    default: '120',
    atLeast: 1,
    atMost: 100_000,
    about: 'Logins, registrations and password changes that one address may try in a minute; further ones get 429',
  }),
  LOGIN_FAILURES: setting.count({
    default: '10',
    atLeast: 1,
    atMost: 1_000,
    about:
      'Failed logins in 15 minutes after which one address gets 429 for an account. From all addresses that the account does not know, 20 times as many a day; then one each 20 minutes divided by this',
  }),
  CLIENT_FAILURES: setting.count({
    default: '20',
    atLeast: 1,
    atMost: 1_000_000,
    about:
      'Wrong credentials of one client (at the OAuth endpoints, `/login` and `/revocations`) that one address may send in a minute; further ones get 429. Valid credentials never do',
  }),
  CLIENT_FAILURES_PER_ADDRESS: setting.count({
    default: '60',
    atLeast: 1,
    atMost: 1_000_000,
    about: 'The same, of all clients together',
  }),
  ...keySettings,
  ...accountSettings,
  ADMIN_PORT: setting.port({ default: '3002', about: 'The port of `/admin`; 0 takes any free one' }),
  ADMIN_HOST: setting.text({
    default: '127.0.0.1',
    about: 'The address of this machine for `ADMIN_PORT`. Beyond this machine, put TLS in front',
  }),
  ADMIN_MAX_CONNECTIONS: setting.count({
    default: '256',
    atLeast: 1,
    atMost: 1_000_000,
    about: 'Connections to `ADMIN_PORT` at a time',
  }),
  ADMIN_MAX_CONNECTIONS_PER_ADDRESS: setting.count({
    default: '64',
    atLeast: 1,
    atMost: 1_000_000,
    about: 'The same from one address; `TRUSTED_PROXIES` are not limited',
  }),
  ADMIN_OPERATORS_FILE: setting.optional(
    setting.path({
      about:
        'A JSON file `{ "<name>": { "secret", "scopes" } }`: the operators who may administer by HTTP Basic. Without it only users with an admin scope may',
    }),
  ),
  ADMIN_FAILURES: setting.count({
    default: '10',
    atLeast: 1,
    atMost: 1_000_000,
    about: 'Failed authentications of administrators that one address may have in a minute; further ones get 429',
  }),
  ADMIN_STEP_UP: setting.duration({
    default: '5m',
    atLeast: '1s',
    about:
      'The maximum age of a user’s login for operations that may concern more than one user; at most a third of the lifetime of a token that lives no longer than this',
  }),
  ...kafkaSettings('user-management'),
});

export type Configuration = z.output<typeof settings>;

/** @throws ConfigurationError */
export function readSettings(environment: Environment): Configuration {
  const configuration = readConfiguration(settings, environment);
  const problems = [...togetherWrong(configuration)];
  if (problems.length > 0) throw new ConfigurationError(problems);
  return configuration;
}

function* togetherWrong(configuration: Configuration): Iterable<ConfigurationProblem> {
  yield* webhookProblems(configuration);
  yield* recentLoginProblems(configuration);
  yield* keyProblems(configuration);
  yield* audienceProblems(configuration);
  const { ACCESS_TOKEN_TTL, EVENT_RETENTION } = configuration;
  if (ACCESS_TOKEN_TTL % 1_000 !== 0) yield { variable: 'ACCESS_TOKEN_TTL', problem: 'must be whole seconds' };
  if (EVENT_RETENTION < ACCESS_TOKEN_TTL + CLOCK_TOLERANCE_MS) {
    yield {
      variable: 'EVENT_RETENTION',
      problem:
        'must be at least ACCESS_TOKEN_TTL and a minute: a reader that was away would miss a revocation that still counts',
    };
  }
}
