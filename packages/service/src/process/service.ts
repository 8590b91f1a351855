import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Clock, DurationMs, Fields, HealthCheck, Telemetry } from '@rescind/revocation';
import { systemClock } from '@rescind/revocation';
import type { MetricGroup } from '@rescind/revocation/metrics';
import { createHealthMetrics } from '@rescind/revocation/metrics';
import type { Express } from 'express';
import type { DestinationStream } from 'pino';
import type { Environment } from '../configuration/environment.ts';
import { environmentNotes } from '../configuration/read.ts';
import type { ProcessConfiguration } from '../configuration/settings.ts';
import type { ApplicationOptions } from '../http/application.ts';
import { createApplication } from '../http/application.ts';
import { describeError } from '../http/errors.ts';
import type { ConnectionCount, ConnectionLimits, ListeningServer, ListenOptions } from '../http/server.ts';
import { connectionsCheck, listen } from '../http/server.ts';
import { createDiskMetrics } from '../telemetry/disks.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import type { Explain } from './management.ts';
import { openManagement } from './management.ts';
import type { Reloads } from './reloads.ts';
import { openReloads } from './reloads.ts';

/** What a service uses to open its parts. */
export interface ServiceContext<C> {
  readonly configuration: C;
  /** Of the service. */
  readonly version: string;
  readonly telemetry: Telemetry;
  /** Registers a resource, which is closed when the service stops or its start fails, in reverse order. Returns it. */
  keep<T extends AsyncDisposable>(resource: T): T;
  /** Reads files of the configuration again when they change, and on SIGHUP. */
  readonly reloads: Reloads;
}

/** The opened parts of a service. */
export interface OpenedParts {
  /** The public routes. */
  readonly app: Express;
  /** The path of its public address, such as `/tenant`: the public routes are served below it too. Default: none. */
  readonly basePath?: string | undefined;
  /** Adds WebSockets to the server of the public routes, before it listens. */
  readonly attach?: ((server: Server) => void) | undefined;
  /** Additional ports with their own routes. Default none. */
  readonly listeners?: readonly Listener[];
  /** Resolves when the service accepts requests. `/readyz` answers 503 until then. */
  readonly ready: Promise<void>;
  health(): HealthCheck[];
  /** Whether the service can work at present; `/readyz` answers 503 while it cannot. Default: always. */
  serving?(): boolean;
  /** Serves `POST /explain` on the management port, which explains what refuses a token. Default: there is none. */
  readonly explain?: Explain | undefined;
  /** Ends endless streams when the service stops. */
  endStreams?(): void;
}

export interface Service<C extends ProcessConfiguration> {
  readonly name: string;
  readonly version: string;
  /** Groups of metrics, such as `issuer` or `guard`, that are registered at 0 when the service starts. */
  readonly metrics?: readonly MetricGroup[];
  /** @throws ConfigurationError */
  configure(environment: Environment): C;
  open(context: ServiceContext<C>): Promise<OpenedParts> | OpenedParts;
  /** Other commands of the process: `main.js <command>`. */
  readonly commands?: Readonly<Record<string, Command<C>>>;
}

interface Command<C> {
  /** Its flags, such as `--set-clock`; others are refused. Default none. */
  readonly flags?: readonly string[];
  /** Runs the command. Its result is logged as `<command>_done`. @param flags the given ones */
  run(context: ServiceContext<C>, flags: ReadonlySet<string>): Promise<Fields>;
}

/** Reads the version from a package.json: `packageVersion(new URL('../package.json', import.meta.url))`. */
export function packageVersion(manifest: URL): string {
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return String(version);
}

export interface RunningService {
  readonly url: string;
  readonly managementUrl: string;
  /** Addresses of the additional listeners, by name. */
  readonly listenerUrls: Readonly<Record<string, string>>;
  /** Reads the configuration files again: for SIGHUP. */
  reload(): void;
  /** Stops: `/readyz` answers 503, new connections are refused, requests finish, then everything is closed. */
  close(): Promise<void>;
}

/**
 * Starts a service in this process.
 * @param destination the stream of its log; default standard output
 * @throws ConfigurationError, or the error of the part that could not be opened
 */
export async function openService<C extends ProcessConfiguration>(
  service: Service<C>,
  environment: Environment,
  destination?: DestinationStream,
): Promise<RunningService> {
  const configuration = service.configure(environment);
  const { telemetry, metrics } = createTelemetry({
    service: service.name,
    level: configuration.LOG_LEVEL,
    metrics: service.metrics,
    destination,
    openTelemetry: configuration.OPENTELEMETRY ? await import('@opentelemetry/api') : undefined,
  });
  logEnvironmentNotes(configuration, telemetry);
  const resources = new AsyncDisposableStack();
  try {
    const state = { ready: false, stopping: false };
    const reloads = openReloads(telemetry);
    resources.defer(() => reloads.stop());
    const keep = <T extends AsyncDisposable>(resource: T) => resources.use(resource);
    const { version } = service;
    const parts = await service.open({ configuration, version, telemetry, keep, reloads });
    // It rejects too if a port cannot be opened, which is what ends this start.
    parts.ready.catch(() => undefined);
    const ready = () => state.ready && !state.stopping && (parts.serving?.() ?? true);
    telemetry.gauge('rescind_build_info', 1, { service: service.name, version: service.version });
    const ports: (() => ConnectionCount[])[] = [];
    const health = () => [
      ...parts.health(),
      ...reloads.health(),
      connectionsCheck(ports.flatMap((counts) => counts())),
    ];
    metrics.onScrape(createHealthMetrics(telemetry, { ready, health }));
    metrics.onScrape(createDiskMetrics(telemetry, configuration));
    const limits = {
      total: configuration.MANAGEMENT_MAX_CONNECTIONS,
      perAddress: configuration.MANAGEMENT_MAX_CONNECTIONS_PER_ADDRESS,
    };
    const management = await openManagement({
      port: configuration.MANAGEMENT_PORT,
      host: configuration.MANAGEMENT_HOST,
      limits,
      telemetry,
      name: service.name,
      version: service.version,
      metrics,
      ready,
      health,
      explain: parts.explain,
    });
    // After the resources: the stack closes it first, when all requests have finished; probes are answered until then.
    resources.defer(async () => void (await management.stop(0)));
    const { app, basePath, attach, listeners = [] } = parts;
    const servers = await openListeners({
      app,
      basePath,
      attach,
      listeners,
      configuration,
      telemetry,
      clock: systemClock,
    });
    const { url, others: listenerUrls } = servers;
    ports.push(() => [management.connections(), ...servers.connections()]);
    const namedUrls = Object.fromEntries(Object.entries(listenerUrls).map(([name, at]) => [`${name}Url`, at]));
    telemetry.log('info', 'listening', {
      url,
      managementUrl: management.url,
      ...namedUrls,
      version: service.version,
    });
    followReadiness(parts.ready, state, telemetry);

    const stop = async () => {
      state.stopping = true;
      telemetry.log('info', 'stopping');
      const stopped = servers.stop(configuration.SHUTDOWN_TIMEOUT);
      parts.endStreams?.();
      const cut = await stopped;
      if (cut > 0) telemetry.log('warn', 'requests_cut', { connections: cut });
      await resources.disposeAsync();
      telemetry.log('info', 'stopped');
    };
    let stopped: Promise<void> | undefined;
    const close = () => {
      stopped ??= stop();
      return stopped;
    };
    return { url, managementUrl: management.url, listenerUrls, reload: reloads.reload, close };
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
}

/** Logs variables that are ignored, and those that are probably misspelt. */
export function logEnvironmentNotes(configuration: object, telemetry: Telemetry): void {
  const { ignored, misspelt } = environmentNotes(configuration);
  if (ignored.length > 0) telemetry.log('info', 'service_links_ignored', { variables: ignored.join(', ') });
  for (const { variable, problem } of misspelt) telemetry.log('warn', 'variable_misspelt', { variable, problem });
}

function followReadiness(ready: Promise<void>, state: { ready: boolean; stopping: boolean }, telemetry: Telemetry) {
  ready.then(
    () => {
      state.ready = true;
      telemetry.log('info', 'ready');
    },
    (error) => {
      if (!state.stopping) telemetry.log('error', 'never_ready', describeError(error));
    },
  );
}

/** Routes on an additional port, or on a Unix socket. */
export interface Listener {
  /** One lower-case word, such as `admin`; the log line `listening` has its address as `adminUrl`. */
  readonly name: string;
  readonly app: Express;
  readonly limits: ConnectionLimits;
  /** Default 0: any free port. */
  readonly port?: number | undefined;
  /** The address of this machine to listen on. Default: all. */
  readonly host?: string | undefined;
  /** The path of a Unix socket to listen on, in place of a port. */
  readonly socketPath?: string | undefined;
  /** Adds WebSockets to its server, before it listens. */
  readonly attach?: ((server: Server) => void) | undefined;
}

/** All ports of a service except the management port. */
interface Listeners {
  /** The public address. */
  readonly url: string;
  /** The addresses of the others, by name. */
  readonly others: Readonly<Record<string, string>>;
  connections(): ConnectionCount[];
  /** Stops all at once, as `ListeningServer.stop` does. @returns how many connections were closed */
  stop(deadlineMs: DurationMs): Promise<number>;
}

interface ListenersOptions {
  readonly app: Express;
  /** As `OpenedParts.basePath`. */
  readonly basePath: string | undefined;
  /** As `OpenedParts.attach`. */
  readonly attach: OpenedParts['attach'];
  readonly listeners: readonly Listener[];
  readonly configuration: ProcessConfiguration;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** Opens all ports, or none. @throws Error with the variable of a port that cannot be opened */
async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { configuration, telemetry, clock } = options;
  const { basePath } = options;
  const { CORS_ORIGINS: corsOrigins, MAX_CONNECTIONS: total, MAX_CONNECTIONS_PER_ADDRESS: perAddress } = configuration;
  const { PORT: port, HOST: host, TRUSTED_PROXIES: trustedProxies } = configuration;
  const servers: ListeningServer[] = [];
  const stop = async (deadlineMs: DurationMs) => {
    const cut = await Promise.all(servers.map((server) => server.stop(deadlineMs)));
    return cut.reduce((total, one) => total + one, 0);
  };
  type Address = Pick<ListenOptions, 'listener' | 'limits' | 'port' | 'host' | 'socketPath' | 'attach'>;
  const open = async (app: Express, at: Address, more: Pick<ApplicationOptions, 'basePath' | 'corsOrigins'> = {}) => {
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
    // The public port is the last one to open: its clients can rely on the others.
    const limits = { total, perAddress };
    const at = { listener: 'public', limits, port, host, attach: options.attach };
    const url = await open(options.app, at, { basePath, corsOrigins });
    return { url, others, connections: () => servers.map((server) => server.connections()), stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}
