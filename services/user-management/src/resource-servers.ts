import type { ResourceServer } from '@rescind/issuer';
import { scopeToken } from '@rescind/revocation/http';
import type { ConfigurationProblem } from '@rescind/service/configuration';
import { setting } from '@rescind/service/configuration';
import { ownScopesOf } from './scopes.ts';

/** Visible ASCII without `"` and `\`: audiences are quoted in challenges (RFC 6750 section 3). */
export const AUDIENCE = scopeToken(256);
const SUCH = ', 1 to 256 visible ASCII characters without " and \\';

/** The variables that name audiences. */
export const audienceSettings = {
  AUDIENCE: setting.list({
    default: 'prices,orders',
    about:
      'The `aud` of the access tokens: the services they are for. Administrators add others (docs/administration.md)',
    pattern: AUDIENCE,
    such: ' of audiences',
  }),
  ACCOUNT_AUDIENCE: setting.optional(
    setting.text({
      about:
        'The `aud` of tokens for the account endpoints. Such a token has this audience alone, and no service takes it. Without it: `ISSUER` followed by `/account`',
      pattern: AUDIENCE,
      such: SUCH,
    }),
  ),
  ADMIN_AUDIENCE: setting.optional(
    setting.text({
      about:
        'The `aud` of tokens for `ADMIN_PORT`, the only ones with `admin:…` scopes. Without it: `ISSUER` followed by `/admin`',
      pattern: AUDIENCE,
      such: SUCH,
    }),
  ),
};

interface AudienceConfiguration {
  readonly ISSUER: string;
  readonly AUDIENCE: readonly string[];
  readonly ACCOUNT_AUDIENCE?: string | undefined;
  readonly ADMIN_AUDIENCE?: string | undefined;
}

/** What an access token of this issuer may be for. */
export interface Audiences {
  /** They share tokens. */
  readonly services: readonly string[];
  /** The account endpoints of user-management. */
  readonly account: string;
  /** The administrator's port of user-management. */
  readonly admin: string;
}

export function audiencesOf({ ISSUER, AUDIENCE: services, ...own }: AudienceConfiguration): Audiences {
  const base = ISSUER.replace(/\/+$/, '');
  return {
    services,
    account: own.ACCOUNT_AUDIENCE ?? `${base}/account`,
    admin: own.ADMIN_AUDIENCE ?? `${base}/admin`,
  };
}

/** Two resource servers of one name would take each other's tokens. */
export function* audienceProblems(configuration: AudienceConfiguration): Iterable<ConfigurationProblem> {
  const { services, account, admin } = audiencesOf(configuration);
  if (account === admin) yield { variable: 'ADMIN_AUDIENCE', problem: 'must differ from ACCOUNT_AUDIENCE' };
  for (const [variable, audience] of [
    ['ACCOUNT_AUDIENCE', account],
    ['ADMIN_AUDIENCE', admin],
  ] as const) {
    if (services.includes(audience)) yield { variable, problem: 'must differ from each element of AUDIENCE' };
  }
}

/** As the issuer declares them (RFC 8707). */
export function resourceServers({ services, account, admin }: Audiences): ResourceServer[] {
  return [
    ...services.map((audience) => ({ audience })),
    { audience: account, ownScopes: ownScopesOf('account') },
    { audience: admin, ownScopes: ownScopesOf('admin') },
  ];
}
