import { readFileSync } from 'node:fs';
import type { Fields, HealthCheck, MetricGroup, Telemetry } from '@rescind/revocation';
import { systemClock } from '@rescind/revocation';
import type { Express } from 'express';
import type { DestinationStream } from 'pino';
import type { Environment } from '../configuration/environment.ts';
import type { ProcessConfiguration } from '../configuration/process.ts';
import { environmentNotes } from '../configuration/read.ts';
import type { ConnectionCount } from '../http/connections.ts';
import { connectionsCheck } from '../http/connections.ts';
import { describeError } from '../http/errors.ts';
import { createHealthMetrics } from '../telemetry/health-metrics.ts';
import { createTelemetry } from '../telemetry/telemetry.ts';
import type { Explain } from './explain.ts';
import type { Listener } from './listeners.ts';
import { openListeners } from './listeners.ts';
import { openManagement } from './management.ts';
import type { Reloads } from './reloads.ts';
import { openReloads } from './reloads.ts';

/** What a service is given when it starts. */
export interface ServiceContext<C> {
  readonly configuration: C;
  readonly telemetry: Telemetry;
  /** Closes it when the service stops, in reverse order; also when the start fails half-way. */
  keep<T extends AsyncDisposable>(resource: T): T;
  /** Reads files of the configuration again when they change, and on SIGHUP. */
  readonly reloads: Reloads;
}

/** What a service has once its parts are open. */
export interface OpenedParts {
  /** The public routes. */
  readonly app: Express;
  /** The path of its public address, such as `/tenant`, where it has one: the public routes are served below it too. */
  readonly basePath?: string | undefined;
  /** More ports, each with routes of its own. Default none. */
  readonly listeners?: readonly Listener[];
  /** Resolves when it may be given requests; `/readyz` answers 503 until then. */
  readonly ready: Promise<void>;
  health(): HealthCheck[];
  /** Whether it can do its work at this moment: `/readyz` answers 503 while it cannot. Default: always. */
  serving?(): boolean;
  /** `POST /explain` on the management port: what refuses a token, or claims. Default: it is not there. */
  readonly explain?: Explain | undefined;
  /** Ends streams that would never finish by themselves, when the service stops. */
  endStreams?(): void;
}

export interface Service<C extends ProcessConfiguration> {
  readonly name: string;
  readonly version: string;
  /** What the service is: `issuer`, `guard`. Those metrics are registered when it starts, at 0. */
  readonly metrics?: readonly MetricGroup[];
  /** @throws ConfigurationError */
  configure(environment: Environment): C;
  open(context: ServiceContext<C>): Promise<OpenedParts> | OpenedParts;
  /** What else the process can be started for: `main.js <command>`. */
  readonly commands?: Readonly<Record<string, Command<C>>>;
}

interface Command<C> {
  /** The words that may follow it, such as `--set-clock`; any other is refused. Default none. */
  readonly flags?: readonly string[];
  /** @param flags those that were given. What it returns is written as a line `<command>_done`. */
  run(context: ServiceContext<C>, flags: ReadonlySet<string>): Promise<Fields>;
}

/** The version in a package.json: `packageVersion(new URL('../package.json', import.meta.url))`. */
export function packageVersion(manifest: URL): string {
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  return String(version);
}

export interface RunningService {
  readonly url: string;
  readonly managementUrl: string;
  /** Addresses of the service's further listeners, by their name. */
  readonly listenerUrls: Readonly<Record<string, string>>;
  /** Reads the files of the configuration again: for SIGHUP. */
  reload(): void;
  /** `/readyz` answers 503, no new connection is taken, requests finish, then everything is closed. */
  close(): Promise<void>;
}

/**
 * Starts a service in this process.
 * @param destination where its log goes; default standard output
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
  });
  logEnvironmentNotes(configuration, telemetry);
  const resources = new AsyncDisposableStack();
  try {
    const state = { ready: false, stopping: false };
    const reloads = openReloads(telemetry);
    resources.defer(() => reloads.stop());
    const keep = <T extends AsyncDisposable>(resource: T) => resources.use(resource);
    const parts = await service.open({ configuration, telemetry, keep, reloads });
    const ready = () => state.ready && !state.stopping && (parts.serving?.() ?? true);
    telemetry.gauge('rescind_build_info', 1, { service: service.name, version: service.version });
    const ports: (() => ConnectionCount[])[] = [];
    const health = () => [
      ...parts.health(),
      ...reloads.health(),
      connectionsCheck(ports.flatMap((counts) => counts())),
    ];
    metrics.onScrape(createHealthMetrics(telemetry, { ready, health }));
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
    // Above the resources: a probe is answered until the last of the requests has been.
    resources.defer(async () => void (await management.stop(0)));
    const { app, basePath, listeners = [] } = parts;
    const servers = await openListeners({ app, basePath, listeners, configuration, telemetry, clock: systemClock });
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

function logEnvironmentNotes(configuration: object, telemetry: Telemetry): void {
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
