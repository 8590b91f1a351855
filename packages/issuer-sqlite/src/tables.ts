import type { StoreTransaction } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';
import { createClients } from './clients.ts';
import { createLastWords } from './committed-log.ts';
import { createKeys } from './keys.ts';
import { createMeta } from './meta.ts';
import { createOutbox } from './outbox.ts';
import { createOtherIssuers, createRevocations } from './revocations.ts';
import { createSessions } from './sessions.ts';
import { createStoredTimes } from './set-clock.ts';

export type Tables = Omit<StoreTransaction, 'sql' | 'apart'>;

/** Every table of the issuer, over one connection. */
export function createTables(database: Database.Database): Tables {
  return {
    meta: createMeta(database),
    keys: createKeys(database),
    sessions: createSessions(database),
    clients: createClients(database),
    revocations: createRevocations(database),
    outbox: createOutbox(database),
    lastWords: createLastWords(database),
    otherIssuers: createOtherIssuers(database),
    storedTimes: createStoredTimes(database),
  };
}
