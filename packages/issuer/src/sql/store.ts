import type Database from 'better-sqlite3';
import type { Clients } from './clients.ts';
import { createClients } from './clients.ts';
import type { Keys } from './keys.ts';
import { createKeys } from './keys.ts';
import type { LastWords } from './last-words.ts';
import { createLastWords } from './last-words.ts';
import type { Meta } from './meta.ts';
import { createMeta } from './meta.ts';
import type { Outbox } from './outbox.ts';
import { createOutbox } from './outbox.ts';
import type { Revocations } from './revocations.ts';
import { createRevocations } from './revocations.ts';
import type { SessionList } from './session-list.ts';
import { createSessionList } from './session-list.ts';
import type { Sessions } from './sessions.ts';
import { createSessions } from './sessions.ts';

/** Every table, over one connection. */
export interface Store {
  readonly meta: Meta;
  readonly keys: Keys;
  readonly sessions: Sessions;
  readonly listSessions: SessionList;
  readonly clients: Clients;
  readonly revocations: Revocations;
  readonly outbox: Outbox;
  readonly lastWords: LastWords;
}

export function createStore(database: Database.Database): Store {
  return {
    meta: createMeta(database),
    keys: createKeys(database),
    sessions: createSessions(database),
    listSessions: createSessionList(database),
    clients: createClients(database),
    revocations: createRevocations(database),
    outbox: createOutbox(database),
    lastWords: createLastWords(database),
  };
}
