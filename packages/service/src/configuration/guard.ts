import { setting } from './setting.ts';

/** Variables of a service that is guarded: whose tokens it takes, and how it follows their revocation. */
export const guardSettings = (service: string) => ({
  ISSUER: setting.url({ about: 'The `iss` of the tokens taken here, and the name of their revocation log' }),
  ISSUER_URL: setting.optional(setting.url({ about: 'Where the issuer is reached, when that is not `ISSUER`' })),
  AUDIENCE: setting.text({ default: service, about: 'The `aud` a token must have to be taken here' }),
  DENYLIST_PATH: setting.path({
    default: `.data/${service}.sqlite`,
    about: 'The SQLite file of the denylist; one process has it',
  }),
  FEED_CLIENT_ID: setting.text({
    default: service,
    about: 'The name for reading revocations from the issuer, and for asking it about tokens',
    pattern: /^[^:]+$/,
    such: ' without a colon',
  }),
  FEED_CLIENT_SECRET: setting.secret({ about: 'The secret of `FEED_CLIENT_ID`' }),
  MAX_STALENESS: setting.duration({
    default: '5m',
    atLeast: '1s',
    about: 'Beyond this age of its view an instance follows `STALE_POLICY`',
  }),
  STALE_POLICY: setting.choice({
    default: 'deny',
    of: ['deny', 'allow', 'introspect'],
    about:
      'Beyond `MAX_STALENESS`: `deny` answers 503, `allow` takes tokens that the stale view does not deny, `introspect` asks the issuer about them',
  }),
  MANAGEMENT_EXPLAIN: setting.flag({
    default: 'false',
    about: 'Whether `POST /explain` on the management port says which revocation refuses a token, or claims',
  }),
});

/** What `guardSettings` gives. */
export interface GuardConfiguration {
  readonly ISSUER: string;
  readonly ISSUER_URL?: string | undefined;
  readonly AUDIENCE: string;
  readonly DENYLIST_PATH: string;
  readonly FEED_CLIENT_ID: string;
  readonly FEED_CLIENT_SECRET: string;
  readonly MAX_STALENESS: number;
  readonly STALE_POLICY: 'deny' | 'allow' | 'introspect';
  readonly MANAGEMENT_EXPLAIN: boolean;
}

/** The same, as options of `openGuard` of @rescind/guard. */
export function guardOptions(
  configuration: GuardConfiguration,
  clientSecret: string | (() => string) = configuration.FEED_CLIENT_SECRET,
) {
  return {
    issuer: configuration.ISSUER,
    issuerUrl: issuerUrl(configuration),
    audience: configuration.AUDIENCE,
    denylistPath: configuration.DENYLIST_PATH,
    maxStalenessMs: configuration.MAX_STALENESS,
    stale: configuration.STALE_POLICY,
    // Who may read revocations may ask about tokens too.
    introspection: { clientId: configuration.FEED_CLIENT_ID, clientSecret },
  };
}

/** Where the issuer is reached. */
export function issuerUrl({ ISSUER, ISSUER_URL }: GuardConfiguration): string {
  return ISSUER_URL ?? ISSUER;
}
