import type { ResourceServer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { scopeToken } from '@rescind/revocation/http';
import type { ConfigurationProblem } from '@rescind/service/configuration';
import { ConfigurationError, setting } from '@rescind/service/configuration';
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
        'The `aud` of tokens for the account endpoints. Such a token has this audience alone, and no service accepts it. Without it: `ISSUER` followed by `/account`',
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
  /** The audiences of services, which share tokens. */
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

/** Two resource servers with one name would accept each other's tokens. */
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

/** The resource servers, as the issuer declares them (RFC 8707). */
function resourceServers({ services, account, admin }: Audiences): ResourceServer[] {
  return [
    ...services.map((audience) => ({ audience })),
    { audience: account, ownScopes: ownScopesOf('account') },
    { audience: admin, ownScopes: ownScopesOf('admin') },
  ];
}

/** An audience of services. */
interface ServiceAudience {
  readonly audience: string;
  /** AUDIENCE has it. */
  readonly configured: boolean;
  /** An administrator has added it. */
  readonly registered: boolean;
}

/** The audiences of services: those of the configuration, and those that administrators have added. */
export interface ServiceAudiences {
  /** What is declared to the issuer now. */
  servers(): readonly ResourceServer[];
  /** Every audience that a client may be registered for, those of user-management among them. */
  names(): string[];
  /** By name. */
  list(): ServiceAudience[];
  find(audience: string): ServiceAudience | undefined;
  /** Whether it is one of user-management itself. */
  isOwn(audience: string): boolean;
  /** Inside a transaction. */
  add(audience: string, at: EpochMillis): void;
  /** Inside a transaction. */
  remove(audience: string): void;
  /** Takes the rows as they are: after a change, and after one that was rolled back. */
  reload(): void;
}

/** @throws ConfigurationError an audience of user-management itself is that of a service that was added */
export function createServiceAudiences(sql: HostSql, configured: Audiences): ServiceAudiences {
  const all = sql.prepare<[], string>('SELECT audience FROM service_audiences ORDER BY audience').pluck();
  const insert = sql.prepare('INSERT OR IGNORE INTO service_audiences (audience, added_at) VALUES (?, ?)');
  const remove = sql.prepare('DELETE FROM service_audiences WHERE audience = ?');
  // Logins and refreshes read them.
  let registered: readonly string[] = [];
  let servers: readonly ResourceServer[] = [];
  const reload = () => {
    registered = all.all();
    servers = resourceServers({ ...configured, services: [...new Set([...configured.services, ...registered])] });
  };
  reload();
  for (const [variable, own] of [
    ['ACCOUNT_AUDIENCE', configured.account],
    ['ADMIN_AUDIENCE', configured.admin],
  ] as const) {
    if (!registered.includes(own)) continue;
    throw new ConfigurationError([
      { variable, problem: 'must differ from the audiences that administrators have added' },
    ]);
  }

  const view = (audience: string): ServiceAudience => ({
    audience,
    configured: configured.services.includes(audience),
    registered: registered.includes(audience),
  });
  const services = () => [...new Set([...configured.services, ...registered])].sort();
  return {
    servers: () => servers,
    names: () => servers.map(({ audience }) => audience),
    list: () => services().map(view),
    find: (audience) => (services().includes(audience) ? view(audience) : undefined),
    isOwn: (audience) => audience === configured.account || audience === configured.admin,
    add(audience, at) {
      insert.run(audience, at);
      reload();
    },
    remove(audience) {
      remove.run(audience);
      reload();
    },
    reload,
  };
}
