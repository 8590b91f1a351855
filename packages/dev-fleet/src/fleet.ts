import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPage } from '@rescind/dev-build/page';
import { freePorts, openWatchdog } from '@rescind/dev-kafka';
import { basicAuthorization } from '@rescind/revocation/http';
import { option, optionsOf, required } from '@rescind/revocation/options';
import type { FleetClient, User } from './client.ts';
import { createFleetClient, request } from './client.ts';
import type { RoundRobin } from './round-robin.ts';
import { openRoundRobin } from './round-robin.ts';
import type { ServiceProcess } from './service-process.ts';
import { createServiceProcess } from './service-process.ts';

export interface FleetOptions {
  /** Addresses of a Kafka. Default: none, and the log comes from user-management by HTTP. */
  readonly brokers?: readonly string[] | undefined;
  /** Default: one of its own, `rescind.revocations.<random>`, so that fleets can share a broker. */
  readonly topic?: string;
  /** Instances of each guarded service. Default 2. */
  readonly prices?: number;
  readonly orders?: number;
  /** Additional variables of all services. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Additional variables of user-management. */
  readonly issuerEnvironment?: Readonly<Record<string, string>>;
  /** Additional variables of the guarded services. */
  readonly guardedEnvironment?: Readonly<Record<string, string>>;
  /** Additional guarded services, such as those of a test, after prices and orders. Default none. */
  readonly others?: readonly OtherService[];
  /** OAuth clients, as in CLIENTS_FILE, beside `web`, which may renew by its access token, and `console`. Default none. */
  readonly clients?: Readonly<Record<string, object>> | undefined;
  /** Whether the page of services/web is bundled and served too; it may call user-management and prices. Default false. */
  readonly web?: boolean;
  /** Bundles and serves the console too; its operator has every scope of administration. Default false. */
  readonly console?: boolean;
  /** Instances of the game, behind one address. Default 0. */
  readonly game?: number;
  /** Whether the processes are started and ready. Default true. */
  readonly started?: boolean;
}

export interface FleetOperator {
  readonly name: string;
  readonly secret: string;
}

/** A service with the variables and the credential of prices, and additional variables. */
interface OtherService {
  readonly name: string;
  /** The file that starts it. */
  readonly main: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** A user-management and instances of prices and orders, as processes with their own files. */
export interface Fleet extends AsyncDisposable {
  readonly issuer: ServiceProcess;
  /** prices-1, prices-2, … orders-1, … */
  readonly instances: readonly ServiceProcess[];
  /** services/web, if the fleet has it. */
  readonly web: ServiceProcess | undefined;
  /** services/console, if the fleet has it. */
  readonly console: ServiceProcess | undefined;
  /** A user who may log in to the console; undefined without a console, and while the fleet is not started. */
  readonly consoleUser: User | undefined;
  /** game-1, game-2, … */
  readonly games: readonly ServiceProcess[];
  /** The one address of all instances of the game; undefined without one, and while the fleet is not started. */
  readonly gameUrl: string | undefined;
  readonly client: FleetClient;
  /** Address of the administration of user-management. */
  readonly adminUrl: string;
  /** An operator with all scopes, by HTTP Basic. */
  readonly operator: FleetOperator;
  /** The file of operators, with the secret. */
  readonly operatorsFile: string;
  /** Directory of all files of the fleet; `close` removes it. */
  readonly directory: string;
  readonly topic: string;
  /** Ends every process and removes the files. */
  close(): Promise<void>;
}

/** The protected route of each guarded service. */
const PROTECTED_PATH: Readonly<Record<string, string>> = { prices: '/prices', orders: '/orders' };

export const protectedUrl = (instance: ServiceProcess): string =>
  `${instance.url}${PROTECTED_PATH[instance.service] ?? '/'}`;

/** The processes that are started beside user-management. */
interface Kind extends Partial<OtherService> {
  readonly service: string;
  readonly name: string;
}

const variables = option.record(option.string(), { min: 0 });

/** The addresses of the services that the page calls. */
const calledByPage = (instances: readonly ServiceProcess[]): Record<string, string> => {
  const prices = instances.find(({ name }) => name === 'prices-1');
  const game = instances.find(({ name }) => name === 'game');
  return { ...(prices && { PRICES_URL: prices.url }), ...(game && { GAME_URL: game.url }) };
};

const pageSource = (service: string) => fileURLToPath(new URL(`../../../services/${service}/page`, import.meta.url));

const checkOptions = optionsOf<FleetOptions>('openFleet', {
  brokers: option.list(option.text()),
  topic: option.text(),
  prices: option.count(),
  orders: option.count(),
  environment: variables,
  issuerEnvironment: variables,
  guardedEnvironment: variables,
  others: option.list(
    optionsOf<OtherService>('others', {
      name: required(option.text()),
      main: required(option.filePath()),
      environment: variables,
    }),
    { min: 0 },
  ),
  clients: option.record(option.having<object>('an object'), { min: 0 }),
  web: option.flag(),
  console: option.flag(),
  game: option.count(),
  started: option.flag(),
});

/**
 * Opens a fleet on free ports. `close`, or the end of this process, ends its processes and removes its files.
 *
 * @throws Error when a service does not become ready; it then closes the fleet
 * @throws TypeError for an option that is unknown or wrong
 */
export async function openFleet(given: FleetOptions = {}): Promise<Fleet> {
  const options = checkOptions(given);
  const directory = mkdtempSync(join(tmpdir(), 'rescind-fleet-'));
  const topic = options.topic ?? `rescind.revocations.${randomBytes(4).toString('hex')}`;
  const kinds: readonly Kind[] = [
    ...Array.from({ length: options.prices ?? 2 }, (_, index) => ({ service: 'prices', name: `prices-${index + 1}` })),
    ...Array.from({ length: options.orders ?? 2 }, (_, index) => ({ service: 'orders', name: `orders-${index + 1}` })),
    ...(options.others ?? []).map((other) => ({ service: 'prices', ...other })),
  ];
  const gameCount = options.game ?? 0;
  const ports = await freePorts(2 * (kinds.length + 3) + 1 + 3 * gameCount);
  const nextPort = () => ports.pop() ?? 0;

  const watchdog = openWatchdog();
  const running = new Set<number>();
  const updateWatchdog = () => {
    const kill = running.size > 0 ? `kill -9 ${[...running].join(' ')} 2>/dev/null; ` : '';
    watchdog.set(`${kill}rm -rf '${directory}'`);
  };
  const lifecycle = {
    started(pid: number) {
      running.add(pid);
      updateWatchdog();
    },
    ended(pid: number) {
      running.delete(pid);
      updateWatchdog();
    },
  };

  const secrets = makeSecrets(directory, ['prices', 'orders', ...(gameCount > 0 ? ['game'] : [])]);
  const operator = { name: 'fleet', secret: randomBytes(32).toString('base64url') };
  const operatorsFile = writeOperators(directory, operator);
  const kafka: Record<string, string> =
    options.brokers === undefined ? {} : { KAFKA_BROKERS: options.brokers.join(','), KAFKA_TOPIC: topic };
  const webPort = nextPort();
  const webUrl = `http://127.0.0.1:${webPort}`;
  const cors: Record<string, string> = options.web ? { CORS_ORIGINS: webUrl } : {};
  const everyone = { LOG_LEVEL: 'info', ...kafka, ...cors, ...options.environment };

  const issuerPort = nextPort();
  const issuerUrl = `http://127.0.0.1:${issuerPort}`;
  const adminPort = nextPort();
  const issuer = createServiceProcess({
    service: 'user-management',
    name: 'user-management',
    port: issuerPort,
    managementPort: nextPort(),
    adminPort,
    ...lifecycle,
    environment: {
      ...everyone,
      ISSUER: issuerUrl,
      AUDIENCE: gameCount > 0 ? 'prices,orders,game' : 'prices,orders',
      DATABASE_PATH: join(directory, 'user-management.sqlite'),
      KEYS_PATH: join(directory, 'keys'),
      FEED_CLIENTS_FILE: secrets.clientsFile,
      ADMIN_OPERATORS_FILE: operatorsFile,
      CLIENTS_FILE: writeClients(directory, options.clients),
      ...options.issuerEnvironment,
    },
  });
  const createInstance = ({ service, name, main, environment }: Kind) =>
    createServiceProcess({
      service,
      name,
      main,
      port: nextPort(),
      managementPort: nextPort(),
      ...lifecycle,
      environment: {
        ...everyone,
        ISSUER: issuerUrl,
        AUDIENCE: service,
        INSTANCE_NAME: name,
        DENYLIST_PATH: join(directory, `${name}.sqlite`),
        FEED_CLIENT_ID: service,
        FEED_CLIENT_SECRET_FILE: join(directory, service, 'feed-client-secret'),
        ...options.guardedEnvironment,
        ...environment,
      },
    });
  const instances = kinds.map(createInstance);
  const games = gamesOf(gameCount, nextPort).map(createInstance);
  let balancer: RoundRobin | undefined;

  const web = options.web
    ? createServiceProcess({
        service: 'web',
        name: 'web',
        port: webPort,
        managementPort: nextPort(),
        ...lifecycle,
        environment: {
          LOG_LEVEL: 'info',
          ISSUER: issuerUrl,
          SESSION_MODES: 'cookie,body',
          PAGE_PATH: join(directory, 'page'),
          ...calledByPage(instances),
        },
      })
    : undefined;

  const consoleProcess = options.console
    ? createServiceProcess({
        service: 'console',
        name: 'console',
        port: nextPort(),
        managementPort: nextPort(),
        ...lifecycle,
        environment: {
          LOG_LEVEL: 'info',
          ISSUER: issuerUrl,
          ADMIN_URL: `http://127.0.0.1:${adminPort}`,
          CLIENT_ID: 'console',
          PAGE_PATH: join(directory, 'console-page'),
        },
      })
    : undefined;
  let consoleUser: User | undefined;

  const close = async () => {
    await balancer?.close();
    await Promise.all(
      [issuer, ...instances, ...games, ...[web, consoleProcess].filter((one) => one !== undefined)].map((one) =>
        one.stop('SIGKILL'),
      ),
    );
    rmSync(directory, { recursive: true, force: true });
    watchdog.set(':');
    await watchdog.close();
  };
  try {
    if (options.started !== false) {
      await issuer.start();
      await issuer.ready();
      const guarded = [...instances, ...games];
      await Promise.all(guarded.map((one) => one.start()));
      await Promise.all(guarded.map((one) => one.ready()));
      if (games.length > 0) balancer = await openRoundRobin(games.map(({ url }) => url));
      if (web) {
        if (balancer) web.environment.GAME_URL = balancer.url;
        await buildPage(pageSource('web'), join(directory, 'page'));
        await web.start();
      }
      if (consoleProcess) {
        consoleUser = await createConsoleUser(issuerUrl, `http://127.0.0.1:${adminPort}`, operator);
        await buildPage(pageSource('console'), join(directory, 'console-page'));
        await consoleProcess.start();
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    issuer,
    instances,
    web,
    console: consoleProcess,
    consoleUser,
    games,
    gameUrl: balancer?.url,
    client: createFleetClient(issuerUrl),
    adminUrl: `http://127.0.0.1:${adminPort}`,
    operator,
    operatorsFile,
    directory,
    topic,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Registers a user, and gives it every scope of administration. @throws Error */
async function createConsoleUser(issuerUrl: string, adminUrl: string, by: FleetOperator): Promise<User> {
  const user = { username: 'operator', password: randomBytes(18).toString('base64url') };
  const send = async (method: string, url: string, body?: object) => {
    const authorization = basicAuthorization(by.name, by.secret);
    const headers = { 'content-type': 'application/json', ...(url.startsWith(adminUrl) && { authorization }) };
    const answer = await request(url, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (answer.status >= 300) throw new Error(`${url} answered ${answer.status}`);
    return answer.body;
  };
  await send('POST', `${issuerUrl}/register`, user);
  const found = (await send('GET', `${adminUrl}/admin/users?username=${user.username}`)) as {
    readonly items: readonly { readonly sub: string }[];
  };
  const scopes = { scopes: ['account', ...ADMIN_SCOPES], why: 'the operator of this console' };
  await send('PUT', `${adminUrl}/admin/users/${found.items[0]?.sub}/scopes`, scopes);
  return user;
}

/** Instances of the game, which forward moves to each other. */
function gamesOf(count: number, nextPort: () => number): Kind[] {
  const peers = Array.from({ length: count }, () => `http://127.0.0.1:${nextPort()}`);
  const secret = randomBytes(32).toString('base64url');
  return peers.map((peer, index) => ({
    service: 'game',
    name: `game-${index + 1}`,
    environment: {
      LINK_PORT: new URL(peer).port,
      LINK_PEERS: peers.join(','),
      LINK_SELF: peer,
      LINK_SECRET: secret,
    },
  }));
}

function makeSecrets(directory: string, clients: readonly string[]): { readonly clientsFile: string } {
  const secrets: Record<string, string> = {};
  for (const client of clients) {
    const secret = randomBytes(32).toString('base64url');
    secrets[client] = secret;
    mkdirSync(join(directory, client), { mode: 0o700 });
    writeFileSync(join(directory, client, 'feed-client-secret'), secret, { mode: 0o600 });
  }
  const clientsFile = join(directory, 'feed-clients.json');
  writeFileSync(clientsFile, JSON.stringify(secrets), { mode: 0o600 });
  return { clientsFile };
}

/** A client of its own: the audit has it as `via`, and whoever disables `web` does not log operators out. */
const CONSOLE = { name: 'Console', authMethod: 'none' };
const WEB = { name: 'Web', authMethod: 'none', policy: { renewByToken: true } };

function writeClients(directory: string, clients: FleetOptions['clients'] = {}): string {
  const file = join(directory, 'clients.json');
  writeFileSync(file, JSON.stringify({ web: WEB, console: CONSOLE, ...clients }), { mode: 0o600 });
  return file;
}

const ADMIN_SCOPES = ['revocations', 'users', 'sessions', 'clients', 'keys', 'fleet', 'events', 'audit'].map(
  (area) => `admin:${area}`,
);

function writeOperators(directory: string, { name, secret }: FleetOperator): string {
  const file = join(directory, 'operators.json');
  writeFileSync(file, JSON.stringify({ [name]: { secret, scopes: ADMIN_SCOPES } }), { mode: 0o600 });
  return file;
}
