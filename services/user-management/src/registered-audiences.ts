import type { ResourceServer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { EpochMillis } from '@rescind/revocation';
import { ConfigurationError } from '@rescind/service/configuration';
import type { Audiences } from './resource-servers.ts';
import { resourceServers } from './resource-servers.ts';

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
  // Logins and refreshes ask for them.
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
