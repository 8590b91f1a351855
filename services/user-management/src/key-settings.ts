import type { IssuerOptions } from '@rescind/issuer';
import type { ConfigurationProblem } from '@rescind/service/configuration';
import { setting } from '@rescind/service/configuration';
import type { z } from 'zod';

/** Variables of the signing keys. */
export const keySettings = {
  ACCESS_TOKEN_ALGORITHM: setting.choice({
    of: ['RS256', 'ES256'],
    default: 'RS256',
    about: 'The algorithm that signs access tokens. If the key in use has another one, a rotation begins',
  }),
  KEY_ROTATION_INTERVAL: setting.durationOrNever({
    default: '30d',
    atLeast: '3s',
    about: 'How long a key of access tokens signs before the next one does',
  }),
  EVENT_KEY_ROTATION_INTERVAL: setting.durationOrNever({
    default: '90d',
    atLeast: '3s',
    about:
      'The same for the key of the log’s events. Each change is a new epoch, which every reader reads from its beginning',
  }),
  KEY_PUBLISH_BEFORE: setting.duration({
    default: '10m',
    atLeast: '2s',
    atMost: '24h',
    about:
      'How long a key is published before it signs: longer than any cache between this service and the readers keeps the key set. Less than 10 minutes makes readers fetch them more often',
  }),
};

type KeyConfiguration = { readonly [Name in keyof typeof keySettings]: z.output<(typeof keySettings)[Name]> };

export function toKeyRotation(configuration: KeyConfiguration): Required<NonNullable<IssuerOptions['keyRotation']>> {
  return {
    algorithm: configuration.ACCESS_TOKEN_ALGORITHM,
    everyMs: configuration.KEY_ROTATION_INTERVAL,
    eventEveryMs: configuration.EVENT_KEY_ROTATION_INTERVAL,
    publishBeforeMs: configuration.KEY_PUBLISH_BEFORE,
  };
}

export function* keyProblems(configuration: KeyConfiguration): Iterable<ConfigurationProblem> {
  for (const variable of ['KEY_ROTATION_INTERVAL', 'EVENT_KEY_ROTATION_INTERVAL'] as const) {
    const every = configuration[variable];
    if (every === 'never' || every > configuration.KEY_PUBLISH_BEFORE) continue;
    yield { variable, problem: 'must be longer than KEY_PUBLISH_BEFORE, or never' };
  }
}
