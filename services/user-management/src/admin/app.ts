import type { Accounts } from '@rescind/accounts';
import type { Client, Issuer } from '@rescind/issuer';
import type { Clock, DurationMs, Telemetry } from '@rescind/revocation';
import { mountOperations, openApiDocument } from '@rescind/service/http';
import type { Express } from 'express';
import express from 'express';
import { noteStorageErrors } from '../app.ts';
import type { Audit } from '../audit/audit.ts';
import type { AuditTable } from '../audit/table.ts';
import { createFailedCredentials } from '../http/failed-credentials.ts';
import { createTokenCheck } from '../http/token-check.ts';
import type { ServiceAudiences } from '../registered-audiences.ts';
import { SCOPE_DESCRIPTIONS } from '../scopes.ts';
import { createAdminGuards } from './access.ts';
import { audienceOperations } from './audiences.ts';
import { auditOperations } from './audit.ts';
import { createAuthentication } from './authentication.ts';
import { clientOperations } from './clients.ts';
import { createDesk } from './desk.ts';
import type { FeedClientParts } from './feed-clients.ts';
import { feedClientOperations } from './feed-clients.ts';
import { keyOperations } from './keys.ts';
import type { Operator } from './operators.ts';
import { createRecentLogin, createRequireNoneGreater } from './revocations/cutoffs.ts';
import { explainOperation } from './revocations/explain.ts';
import { revocationOperations } from './revocations/operations.ts';
import { sessionOperations } from './sessions.ts';
import { userChanges } from './users/changing.ts';
import { userLooks } from './users/finding.ts';
import { userLogouts } from './users/logging-out.ts';

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
  /** Those of the configuration's files. */
  configuredClients(): readonly Client[];
  readonly feedClients: FeedClientParts;
  /** Of users who have none of their own. */
  readonly defaultScopes: readonly string[];
  /** As they are now. */
  readonly operators: () => ReadonlyMap<string, Operator>;
  /** How old the login of a user may be who does something to everybody. */
  readonly stepUpMs: DurationMs;
  /** Failed authentications that one address may have in a minute. */
  readonly mostFailures: number;
  readonly version: string;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Every address of the administrator's port, and the document that describes them. */
export function createAdminApp(options: AdminOptions): Express {
  const { issuer, name, audience, users, audit, mostFailures, clock, telemetry } = options;
  const failedCredentials = createFailedCredentials({
    what: 'administrator',
    perName: mostFailures,
    perAddress: mostFailures,
    clock,
    telemetry,
  });
  const desk = createDesk(audit);
  const tokens = createTokenCheck(issuer, () => clock.now(), audience);
  const recent = createRecentLogin(tokens, Math.floor(options.stepUpMs / 1_000));

  const scopesOf = (sub: string) => {
    const account = users.find(sub);
    return account === undefined ? [] : (account.scopes ?? options.defaultScopes);
  };
  const requireNoneGreater = createRequireNoneGreater({ users, issuer, scopesOf });
  const parts = { issuer, users, desk, scopesOf };
  const operations = [
    ...revocationOperations({ issuer, name, desk, recent, requireNoneGreater }),
    explainOperation(issuer, desk),
    ...userLooks(parts),
    ...userChanges(parts),
    ...userLogouts(parts),
    ...sessionOperations(issuer, desk, scopesOf),
    ...clientOperations(issuer, desk, { recent, requireNoneGreater }, () => options.services.names()),
    ...audienceOperations({ ...options, desk, recent, requireNoneGreater }),
    ...feedClientOperations({ ...options.feedClients, issuer, desk, recent, clock }),
    ...keyOperations(issuer, desk, recent),
    ...auditOperations(options.auditTable, desk),
  ];
  const document = openApiDocument({
    title: 'Rescind: administration of user-management',
    version: options.version,
    servers: ['/'],
    operations,
    scopes: SCOPE_DESCRIPTIONS,
  });
  const described = desk.looks({
    id: 'getDocument',
    method: 'get',
    path: '/admin/openapi.json',
    summary: 'This document',
    tag: 'Document',
    responses: { 200: { description: 'OpenAPI 3.1' } },
    errors: [],
    look: () => document,
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
