import type { Issuer } from '@rescind/issuer';
import type { Operation } from '@rescind/service';
import { mountOperations } from '@rescind/service';
import type { ErrorRequestHandler, Express } from 'express';
import express from 'express';
import { identify } from './http/bearer.ts';

/** Every public address of user-management. */
export function createApp(issuer: Issuer, operations: readonly Operation[]): Express {
  const app = express();
  mountOperations(app, operations, {
    bearer: ({ scopes = [] }) => [identify(issuer, scopes)],
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
