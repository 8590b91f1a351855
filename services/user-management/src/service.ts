import './errors.ts';

import type { Accounts } from '@rescind/accounts';
import { lowerAccountTimes, openAccounts } from '@rescind/accounts';
import { createRevocationsHandler } from '@rescind/feed';
import { openIssuer, restoreIssuer } from '@rescind/issuer';
import { createIssuerEndpoints } from '@rescind/issuer/http';
import { systemClock } from '@rescind/revocation';
import type { OpenedParts, Service, ServiceContext } from '@rescind/service';
import { packageVersion } from '@rescind/service';
import { createLoginLimits } from './account-endpoints/login-limits.ts';
import { personOperations } from './account-endpoints/operations.ts';
import { configuredWebhook, recentLoginMs } from './account-settings.ts';
import { createAdminApp } from './admin/app.ts';
import { createApp, documentOperation } from './app.ts';
import { audiencesOf, createServiceAudiences } from './audiences.ts';
import { createAudit } from './audit/audit.ts';
import { createAuditTable } from './audit/table.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';
import { createFeedClientTable } from './feed-clients.ts';
import { countingFailures, createFailedCredentials, revocationsOperations } from './http/feed.ts';
import { issuerPath, prepareIssuer } from './issuer.ts';
import { DEFAULT_CLIENT_ID } from './oauth/clients-file.ts';
import { createAppliedClients, cutOffNarrowed, keepingApplied, narrowedClients } from './oauth/narrowed-clients.ts';
import { oauthOperations, publishedOperations } from './oauth/operations.ts';
import { openReloadedFiles } from './reloaded-files.ts';
import { lowerTimes } from './schema.ts';
import { EVERYBODYS_SCOPES, SCOPES } from './scopes.ts';

const SET_CLOCK = '--set-clock';

/** Accounts, and HTTP over them and the issuer. */
export const userManagement: Service<Configuration> = {
  name: 'user-management',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  metrics: ['issuer'],
  configure: readSettings,
  open,
  commands: { restore: { flags: [SET_CLOCK], run: restore } },
};

async function open(context: ServiceContext<Configuration>): Promise<OpenedParts> {
  const { configuration, telemetry, keep, reloads } = context;
  const audiences = audiencesOf(configuration);
  const { options, kafkaHealth } = await prepareIssuer(context, systemClock);
  const { ISSUER: name, DEFAULT_SCOPES: scopes } = configuration;
  // The accounts are in the file of the issuer, which reads them in its transactions.
  const subject = (_from: unknown, sub: string) => accounts.subject(sub);
  const issuer = keep(await openIssuer({ ...options, subject, resources: () => services.servers() }));
  const { sql } = options.store;
  const webhook = configuredWebhook(configuration, { reloads, telemetry });
  const accounts: Accounts = keep(
    openAccounts({
      issuer,
      sql,
      keysPath: configuration.KEYS_PATH,
      scopes: { defaults: scopes, always: EVERYBODYS_SCOPES },
      totpIssuer: new URL(name).hostname,
      resetTtlMs: configuration.PASSWORD_RESET_TTL,
      notMeTtlMs: configuration.NOT_ME_TTL,
      accessTokenTtlMs: configuration.ACCESS_TOKEN_TTL,
      ...(webhook === undefined ? {} : { webhook }),
      clock: systemClock,
      telemetry,
    }),
  );
  const services = createServiceAudiences(sql, audiences);
  const feedClients = createFeedClientTable(sql);
  const files = openReloadedFiles(configuration, { audiences: () => services.names(), feedClients });
  issuer.clients.replaceConfigured(files.clients());
  const applied = createAppliedClients(sql);
  const auditTable = createAuditTable(sql);
  const audit = createAudit({ issuer, table: auditTable, clock: systemClock, telemetry });
  const narrowed = { applied, audit, telemetry };
  // Cuts off what was narrowed while the service was stopped. It tries again while the database refuses writes.
  void cutOffNarrowed(issuer, narrowedClients(applied.list(), await issuer.clients.list()), narrowed, 'start');
  const limits = createLoginLimits({
    telemetry,
    clock: systemClock,
    loginsPerMinute: configuration.LOGINS_PER_MINUTE,
    failures: configuration.LOGIN_FAILURES,
  });
  const failedCredentials = createFailedCredentials({
    what: 'client',
    perName: configuration.CLIENT_FAILURES,
    perAddress: configuration.CLIENT_FAILURES_PER_ADDRESS,
    clock: systemClock,
    telemetry,
  });
  const endpoints = createIssuerEndpoints(issuer, {
    scopes: [...scopes, ...SCOPES.map((scope) => scope.name)],
    publishBeforeMs: configuration.KEY_PUBLISH_BEFORE,
    defaultClientId: DEFAULT_CLIENT_ID,
    onClientRefused: (request, { clientId }) => failedCredentials.count(request, clientId),
    onRecovered: ({ ip }, recovered) => void accounts.notifyRecovery(recovered, ip),
    telemetry,
  });
  const revocations = createRevocationsHandler({
    source: issuer.log,
    authenticate: countingFailures(files.authenticateReader, failedCredentials),
    readersPerClient: configuration.FEED_READERS_PER_CLIENT,
    standbyPerClient: configuration.FEED_STANDBY_PER_CLIENT,
    readerBufferBytes: configuration.FEED_READER_BUFFER_BYTES,
    bufferBytes: configuration.FEED_BUFFER_BYTES,
    clock: systemClock,
    telemetry,
  });
  const operations = [
    ...personOperations({
      issuer,
      accounts: accounts.own,
      secondFactors: accounts.secondFactors,
      limits,
      endpoints,
      recentLoginMs: recentLoginMs(configuration),
      neverExpiring: configuration.NEVER_EXPIRING_DEVICES,
      clock: systemClock,
      telemetry,
    }),
    ...oauthOperations(endpoints, (work) => issuer.userEvents.as('client', work)),
    ...publishedOperations(endpoints),
    ...revocationsOperations(revocations),
  ];
  const described = documentOperation(operations, { issuer: name, version: userManagement.version });
  const app = createApp({
    issuer,
    operations: configuration.PUBLISH_OPENAPI ? [...operations, described] : operations,
    accountAudience: audiences.account,
    now: () => systemClock.now(),
  });
  const stopping = new AbortController();
  const admin = createAdminApp({
    issuer: keepingApplied(issuer, applied),
    name: configuration.ISSUER,
    audience: audiences.admin,
    users: accounts.administration,
    audit,
    auditTable,
    services,
    configuredClients: () => files.clients(),
    feedClients: {
      table: feedClients,
      configured: () => files.readerIds(),
      changed(clientId, endsStreams) {
        files.registeredChanged({ issuer, ...narrowed });
        if (endsStreams) revocations.endReaders(clientId);
      },
    },
    defaultScopes: configuration.DEFAULT_SCOPES,
    operators: files.operators,
    stepUpMs: configuration.ADMIN_STEP_UP,
    maxFailures: configuration.ADMIN_FAILURES,
    version: userManagement.version,
    stopping: stopping.signal,
    clock: systemClock,
    telemetry,
  });
  files.follow(reloads, { issuer, ...narrowed, endReaders: (client) => revocations.endReaders(client) });
  return {
    app,
    basePath: issuerPath(name),
    listeners: [
      {
        name: 'admin',
        app: admin,
        limits: {
          total: configuration.ADMIN_MAX_CONNECTIONS,
          perAddress: configuration.ADMIN_MAX_CONNECTIONS_PER_ADDRESS,
        },
        port: configuration.ADMIN_PORT,
        host: configuration.ADMIN_HOST,
      },
    ],
    ready: issuer.ready,
    health: () => [...issuer.health(), ...kafkaHealth(), ...accounts.health()],
    serving: () => issuer.canWrite(),
    endStreams() {
      stopping.abort();
      revocations.close();
    },
  };
}

/**
 * `main.js restore`: marks a database from a backup as restored, and opens a new epoch of its log. With `--set-clock` the issuer's
 * clock goes back to the wall clock.
 */
async function restore(context: ServiceContext<Configuration>, flags: ReadonlySet<string>) {
  const { options } = await prepareIssuer(context, systemClock);
  const { issuer, store, keysPath, publisher, eventRetentionMs, keyRotation, clock, telemetry } = options;
  const report = await restoreIssuer({
    issuer,
    store,
    keysPath,
    setClock: flags.has(SET_CLOCK),
    lowerTimes(at) {
      lowerAccountTimes(store.sql, at);
      lowerTimes(store.sql, at);
    },
    ...(clock === undefined ? {} : { clock }),
    ...(telemetry === undefined ? {} : { telemetry }),
    ...(publisher === undefined ? {} : { publisher }),
    ...(eventRetentionMs === undefined ? {} : { eventRetentionMs }),
    ...(keyRotation === undefined ? {} : { keyRotation }),
  });
  return { ...report, revokedKids: report.revokedKids.join(',') };
}
