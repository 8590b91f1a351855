import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import type { Express } from 'express';
import type { ProcessConfiguration } from '../configuration/process.ts';
import type { ApplicationOptions } from '../http/application.ts';
import { createApplication } from '../http/application.ts';
import type { ConnectionCount, ConnectionLimits } from '../http/connections.ts';
import type { ListeningServer, ListenOptions } from '../http/server.ts';
import { listen } from '../http/server.ts';

/** Routes on a port of their own, away from the public one. */
export interface Listener {
  /** One lower-case word, such as `admin`: the line `listening` has its address as `adminUrl`. */
  readonly name: string;
  readonly app: Express;
  readonly limits: ConnectionLimits;
  /** 0 takes any free one. */
  readonly port: number;
  /** The address of this machine to listen on; absent: all. */
  readonly host?: string | undefined;
}

/** Every port of a service but the management port. */
interface Listeners {
  /** The public address. */
  readonly url: string;
  /** The others', by name. */
  readonly others: Readonly<Record<string, string>>;
  connections(): ConnectionCount[];
  /** All at once, as `ListeningServer.stop`. @returns how many connections were cut */
  stop(deadlineMs: DurationMs): Promise<number>;
}

interface ListenersOptions {
  readonly app: Express;
  /** As `OpenedParts.basePath`. */
  readonly basePath: string | undefined;
  readonly listeners: readonly Listener[];
  readonly configuration: ProcessConfiguration;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** @throws Error with the port, when one cannot be had; none listens then */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { configuration, telemetry, clock } = options;
  const { basePath } = options;
  const { CORS_ORIGINS: corsOrigins, MAX_CONNECTIONS: total, MAX_CONNECTIONS_PER_ADDRESS: perAddress } = configuration;
  const { PORT: port, HOST: host, TRUSTED_PROXIES: trustedProxies } = configuration;
  const servers: ListeningServer[] = [];
  const stop = async (deadlineMs: DurationMs) => {
    const cut = await Promise.all(servers.map((server) => server.stop(deadlineMs)));
    return cut.reduce((total, one) => total + one, 0);
  };
  type Place = Pick<ListenOptions, 'listener' | 'limits' | 'port' | 'host'>;
  const open = async (app: Express, at: Place, more: Pick<ApplicationOptions, 'basePath' | 'corsOrigins'> = {}) => {
    const application = createApplication(app, { telemetry, clock, trustedProxies, ...more });
    const isTrusted: unknown = application.get('trust proxy fn');
    const isProxy = (address: string) => typeof isTrusted === 'function' && isTrusted(address, 0) === true;
    const server = await listen(application, { ...at, isProxy, telemetry });
    servers.push(server);
    return server.url;
  };
  try {
    const others: Record<string, string> = {};
    for (const { name, app, ...at } of options.listeners) others[name] = await open(app, { listener: name, ...at });
    // Last: who can reach the public port may do everything else as well.
    const limits = { total, perAddress };
    const url = await open(options.app, { listener: 'public', limits, port, host }, { basePath, corsOrigins });
    return { url, others, connections: () => servers.map((server) => server.connections()), stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}
