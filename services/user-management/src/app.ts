import type { Issuer } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import type { Operation } from '@rescind/service/http';
import { mountOperations } from '@rescind/service/http';
import type { ErrorRequestHandler, Express } from 'express';
import express from 'express';
import { identify } from './http/bearer.ts';
import { createTokenCheck } from './http/token-check.ts';

export interface PublicAppOptions {
  readonly issuer: Issuer;
  readonly operations: readonly Operation[];
  /** The `aud` of tokens for the account endpoints. */
  readonly accountAudience: string;
  readonly now: () => EpochMillis;
}

/** Every public address of user-management. */
export function createApp({ issuer, operations, accountAudience, now }: PublicAppOptions): Express {
  const app = express();
  const accountTokens = createTokenCheck(issuer, now, accountAudience);
  mountOperations(app, operations, {
    bearer: ({ scopes = [] }) => [identify(accountTokens, scopes)],
    // Their handlers do it: a client's proof may be in the body, and the log has an answer of its own.
    client: () => [],
    session: () => [],
    feed: () => [],
  });
  app.use(noteStorageErrors(issuer));
  return app;
}

/** Reads are not made by the issuer: it learns here of one that the storage made fail. */
export function noteStorageErrors(issuer: Pick<Issuer, 'noteStorageError'>): ErrorRequestHandler {
  return (error, _request, _response, next) => {
    issuer.noteStorageError(error);
    next(error);
  };
}
