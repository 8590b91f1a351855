import type { ListPlace, Sessions } from '@rescind/issuer/store';
import type Database from 'better-sqlite3';
import type { SessionRow } from './session-row.ts';
import { COLUMNS, toSession } from './session-row.ts';

const FIRST: ListPlace = { createdAt: Number.MAX_SAFE_INTEGER, sid: '' };

export function createSessionList(database: Database.Database): Sessions['list'] {
  const listing = (where: string, ended: boolean) =>
    database.prepare<unknown[], SessionRow>(
      `SELECT ${COLUMNS} FROM rescind_sessions
         WHERE ${where} (created_at, sid) < (@createdAt, @after)
           ${ended ? '' : 'AND ended_at IS NULL AND idle_expires_at > @at AND absolute_expires_at > @at'}
         ORDER BY created_at DESC, sid DESC LIMIT @limit`,
    );
  const both = (where: string) => ({ open: listing(where, false), all: listing(where, true) });
  const everybody = both('');
  const bySub = both('sub = @sub AND');
  const byClient = both('client_id = @clientId AND');
  const bySubAndClient = both('sub = @sub AND client_id = @clientId AND');

  return async ({ sub, clientId, ended, after = FIRST, limit, at }) => {
    const lists = sub === undefined ? (clientId === undefined ? everybody : byClient) : bySub;
    const list = sub !== undefined && clientId !== undefined ? bySubAndClient : lists;
    const values = { sub, clientId, createdAt: after.createdAt, after: after.sid, limit, at };
    return (ended ? list.all : list.open).all(values).map(toSession);
  };
}
