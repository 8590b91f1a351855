import type { Accounts } from '@rescind/accounts';
import type { Client, Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { mountOperations, openApiDocument } from '@rescind/service/http';
import type { Express } from 'express';
import express from 'express';
import { noteStorageErrors } from '../app.ts';
import type { ServiceAudiences } from '../audiences.ts';
import type { Audit } from '../audit/audit.ts';
import type { AuditTable } from '../audit/table.ts';
import { createTokenCheck } from '../http/caller.ts';
import { createFailedCredentials } from '../http/feed.ts';
import { SCOPE_DESCRIPTIONS } from '../scopes.ts';
import { createAdminGuards } from './access.ts';
import type { Operator } from './administrators.ts';
import { createAuthentication } from './administrators.ts';
import { audienceOperations } from './audiences.ts';
import { auditOperations } from './audit.ts';
import { clientOperations } from './clients.ts';
import { eventOperations } from './events.ts';
import type { FeedClientParts } from './feed-clients.ts';
import { feedClientOperations } from './feed-clients.ts';
import { fleetOperations } from './instances.ts';
import { keyOperations } from './keys.ts';
import { ownOperation } from './me.ts';
import { createPreviewCutOffs, createRecentLogin, createRequireNoneGreater } from './revocation-rights.ts';
import { explainOperation, revocationOperations } from './revocations.ts';
import { createAdminRouter } from './router.ts';
import { sessionOperations } from './sessions.ts';
import { userCommands, userCreation, userLogoutCommands, userQueries } from './users.ts';

export interface AdminOptions {
  readonly issuer: Issuer;
  /** The `iss` of our tokens. */
  readonly name: string;
  /** The `aud` of tokens for the administration. */
  readonly audience: string;
  readonly users: Accounts['administration'];
  readonly audit: Audit;
  readonly auditTable: AuditTable;
  readonly services: ServiceAudiences;
  /** The clients of the configuration's files. */
  configuredClients(): readonly Client[];
  readonly feedClients: FeedClientParts;
  /** The scopes of users without scopes of their own. */
  readonly defaultScopes: readonly string[];
  /** The operators there are now. */
  readonly operators: () => ReadonlyMap<string, Operator>;
  /** The maximum age of a user's login for a command that affects more than one user. In ms. */
  readonly stepUpMs: DurationMs;
  /** Failed authentications of one address that are permitted in a minute. */
  readonly maxFailures: number;
  readonly version: string;
  /** Aborts when the service stops: streams end. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Every endpoint of the administrator's port, and its OpenAPI document. */
export function createAdminApp(options: AdminOptions): Express {
  const { issuer, name, audience, users, audit, maxFailures, clock, telemetry } = options;
  const failedCredentials = createFailedCredentials({
    what: 'administrator',
    perName: maxFailures,
    perAddress: maxFailures,
    clock,
    telemetry,
  });
  const router = createAdminRouter(audit, issuer);
  const tokens = createTokenCheck(issuer, () => clock.now(), audience);
  const recent = createRecentLogin(tokens, Math.floor(options.stepUpMs / 1_000));

  const scopesOf = (sub: string) => {
    const account = users.find(sub);
    return account === undefined ? [] : (account.scopes ?? options.defaultScopes);
  };
  const requireNoneGreater = createRequireNoneGreater({ users, issuer, scopesOf });
  const previewCutOffs = createPreviewCutOffs({ users, issuer, scopesOf });
  const parts = { issuer, users, router, scopesOf };
  const nameOf = (sub: string) => users.find(sub)?.username || null;
  const ofAreas = [
    ...revocationOperations({ issuer, name, router, recent, requireNoneGreater, previewCutOffs }),
    explainOperation(issuer, router),
    ...userQueries(parts),
    ...userCreation(parts, options.defaultScopes),
    ...userCommands(parts),
    ...userLogoutCommands(parts),
    ...sessionOperations(issuer, router, { scopesOf, nameOf }),
    ...eventOperations({ issuer, nameOf, stopping: options.stopping, clock, telemetry }),
    ...clientOperations(issuer, router, { recent, requireNoneGreater, previewCutOffs }, () => options.services.names()),
    ...audienceOperations({ ...options, router, recent, requireNoneGreater, previewCutOffs }),
    ...feedClientOperations({ ...options.feedClients, issuer, router, recent, clock }),
    ...fleetOperations({ issuer, router, now: () => clock.now() }),
    ...keyOperations(issuer, router, recent),
    ...auditOperations(options.auditTable, router),
  ];
  const own = ownOperation({
    operations: ofAreas,
    usernameOf: nameOf,
    stepUpMs: options.stepUpMs,
    now: () => clock.now(),
  });
  const operations = [...ofAreas, own];
  const document = openApiDocument({
    title: 'Rescind: administration of user-management',
    version: options.version,
    servers: ['/'],
    operations,
    scopes: SCOPE_DESCRIPTIONS,
  });
  const described = router.area({ tag: 'Document', path: '/admin/openapi.json' }).query({
    id: 'getDocument',
    summary: 'This document',
    responses: { 200: { description: 'OpenAPI 3.1' } },
    read: () => document,
  });

  const app = express();
  const authenticate = createAuthentication(options.operators, tokens);
  mountOperations(
    app,
    [...operations, described],
    createAdminGuards({ authenticate, audit, failedCredentials, telemetry }),
  );
  app.use(noteStorageErrors(issuer));
  return app;
}
