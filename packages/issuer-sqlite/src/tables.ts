import type { Tables } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';
import { createClients } from './clients.ts';
import { createKeys } from './keys.ts';
import { createLastWords } from './last-words.ts';
import { createMeta } from './meta.ts';
import { createOutbox } from './outbox.ts';
import { createOtherIssuers, createRevocations } from './revocations.ts';
import { createSessionList } from './session-list.ts';
import { createSessions } from './sessions.ts';
import { createStoredTimes } from './set-clock.ts';

/** Every table of the issuer, over one connection. */
export function createTables(database: Database.Database): Tables {
  return {
    meta: createMeta(database),
    keys: createKeys(database),
    sessions: createSessions(database),
    listSessions: createSessionList(database),
    clients: createClients(database),
    revocations: createRevocations(database),
    outbox: createOutbox(database),
    lastWords: createLastWords(database),
    otherIssuers: createOtherIssuers(database),
    storedTimes: createStoredTimes(database),
  };
}
