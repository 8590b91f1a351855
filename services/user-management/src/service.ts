import { createBasicAuthenticator, createRevocationsHandler } from '@rescind/feed';
import type { SubjectRecord } from '@rescind/issuer';
import { openIssuer, restoreIssuer } from '@rescind/issuer';
import { systemClock } from '@rescind/revocation';
import type { OpenedParts, Service, ServiceContext } from '@rescind/service';
import { packageVersion } from '@rescind/service';
import { createAccounts } from './accounts/accounts.ts';
import { createPasswords } from './accounts/passwords.ts';
import type { Account } from './accounts/table.ts';
import { createAccountTable } from './accounts/table.ts';
import { createApp } from './app.ts';
import type { Configuration } from './config.ts';
import { readSettings } from './config.ts';
import { prepareSchema } from './database/schema.ts';
import { readFeedClients } from './feed-clients.ts';
import { createLoginLimits } from './http/limits.ts';
import { revocationsOperations } from './http/revocations.ts';
import { sessionOperations } from './http/sessions.ts';
import { prepareIssuer } from './issuer.ts';
import { authorizationServerMetadata } from './oauth/metadata.ts';
import { oauthOperations } from './oauth/operations.ts';
import { publishedOperations } from './oauth/published.ts';

/** Users and passwords, and thin HTTP over the issuer. */
export const userManagement: Service<Configuration> = {
  name: 'user-management',
  version: packageVersion(new URL('../package.json', import.meta.url)),
  configure: readSettings,
  open,
  commands: { restore },
};

async function open(context: ServiceContext<Configuration>): Promise<OpenedParts> {
  const { configuration, telemetry, keep } = context;
  const feedClients = readFeedClients(configuration.FEED_CLIENTS_FILE);
  const { options, kafkaHealth } = await prepareIssuer(context, systemClock);
  // The issuer asks who a subject is, and the table of subjects is in its file.
  const accountOf = (sub: string): Account | undefined => table.bySub(sub);
  const issuer = keep(openIssuer({ ...options, subject: (sub) => subjectRecord(accountOf(sub), configuration) }));
  prepareSchema(issuer.database);
  const table = createAccountTable(issuer.database);

  const accounts = createAccounts({
    issuer,
    table,
    passwords: createPasswords(),
    audience: configuration.AUDIENCE,
    clock: systemClock,
    telemetry,
  });
  const limits = createLoginLimits({
    telemetry,
    clock: systemClock,
    loginsPerMinute: configuration.LOGINS_PER_MINUTE,
    failures: configuration.LOGIN_FAILURES,
  });
  const revocations = createRevocationsHandler({
    source: issuer.log,
    authenticate: createBasicAuthenticator(feedClients),
    readersPerClient: configuration.FEED_READERS_PER_CLIENT,
    clock: systemClock,
    telemetry,
  });
  const metadata = authorizationServerMetadata(configuration.ISSUER, configuration.DEFAULT_SCOPES);
  const app = createApp(issuer, [
    ...sessionOperations({ issuer, accounts, limits, telemetry }),
    ...oauthOperations(issuer, telemetry),
    ...publishedOperations(issuer, metadata),
    ...revocationsOperations(revocations),
  ]);
  return {
    app,
    ready: Promise.resolve(),
    health: () => [...issuer.health(), ...kafkaHealth()],
    endStreams: () => revocations.close(),
  };
}

/** Every account may do the same, for now. */
function subjectRecord(account: Account | undefined, configuration: Configuration): SubjectRecord | undefined {
  if (account === undefined) return undefined;
  return {
    claims: { scope: configuration.DEFAULT_SCOPES.join(' ') },
    credentialVersion: account.credentialVersion,
    active: true,
  };
}

/** `main.ts restore`: tells a database that came from a backup so, and opens a new epoch of its log. */
async function restore(context: ServiceContext<Configuration>) {
  const { options } = await prepareIssuer(context, systemClock);
  const { issuer, databasePath, keysPath, publisher, eventRetentionMs, clock, telemetry } = options;
  const report = await restoreIssuer({
    issuer,
    databasePath,
    keysPath,
    ...(clock === undefined ? {} : { clock }),
    ...(telemetry === undefined ? {} : { telemetry }),
    ...(publisher === undefined ? {} : { publisher }),
    ...(eventRetentionMs === undefined ? {} : { eventRetentionMs }),
  });
  return { ...report, revokedKids: report.revokedKids.join(',') };
}
