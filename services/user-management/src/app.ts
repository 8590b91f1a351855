import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { mountOperations, openApiDocument, operation } from '@rescind/service/http';
import type { ErrorRequestHandler, Express } from 'express';
import express from 'express';
import { z } from 'zod';
import { createTokenCheck, identify } from './http/caller.ts';
import { SCOPE_DESCRIPTIONS } from './scopes.ts';

export interface PublicAppOptions {
  readonly issuer: Issuer;
  readonly operations: readonly Operation[];
  /** The `aud` of tokens for the account endpoints. */
  readonly accountAudience: string;
  readonly now: () => EpochMillis;
}

/** Every public endpoint of user-management. */
export function createApp({ issuer, operations, accountAudience, now }: PublicAppOptions): Express {
  const app = express();
  const accountTokens = createTokenCheck(issuer, now, accountAudience);
  mountOperations(app, operations, {
    bearer: ({ scopes = [] }) => [identify(accountTokens, scopes)],
    // Their handlers authenticate: a client's credentials may be in the body, and the log sends its own errors.
    client: () => [],
    session: () => [],
    feed: () => [],
  });
  app.use(noteStorageErrors(issuer));
  return app;
}

/** Reports errors of the storage that reads of the host caused to the issuer. */
export function noteStorageErrors(issuer: Pick<Issuer, 'noteStorageError'>): ErrorRequestHandler {
  return (error, _request, _response, next) => {
    issuer.noteStorageError(error);
    next(error);
  };
}

const TAGS = {
  Accounts: 'Accounts of users: registration, passwords, the second factor',
  Sessions: 'Login and logout, of this device and of others',
  OAuth: 'Endpoints for client applications (RFC 6749, RFC 7009, RFC 7662)',
  Published: 'Public keys and metadata',
  Log: 'The log of revocations, for services with a denylist',
};

const document = z.looseObject({ openapi: z.string(), info: z.looseObject({}), paths: z.looseObject({}) });

/** The operation that answers the OpenAPI document of `operations`, and of itself. */
export function documentOperation(
  operations: readonly Operation[],
  about: { readonly issuer: string; readonly version: string },
): Operation {
  const self: Operation = operation({
    id: 'openapi',
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    tag: 'Published',
    responses: { 200: { description: 'OpenAPI 3.1', schema: document } },
    errors: [],
    handle: (_request, response) => void response.json(described),
  });
  const described = openApiDocument({
    title: 'Rescind: user-management',
    version: about.version,
    description: 'Sessions, tokens and their revocation. Errors: `docs/errors.md`; HTTP: `docs/http.md`.',
    servers: [about.issuer],
    operations: [...operations, self],
    tags: TAGS,
    scopes: SCOPE_DESCRIPTIONS,
  });
  return self;
}
