import type { EpochMillis } from '@rescind/revocation';
import { NEVER, RescindError } from '@rescind/revocation';
import type { IssuerSessions, RenameSession, SessionView } from '../issuer-sessions.ts';
import { pageSize } from '../page.ts';
import type { ListPlace, Session } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { Transactions } from '../transactions.ts';
import { isOver } from './grant.ts';
import { requireLabel } from './login-options.ts';
import type { TokenSessions } from './token-session.ts';

export function createSessionViews(
  store: Store,
  transactions: Pick<Transactions, 'run'>,
  tokenSessions: TokenSessions,
  now: () => EpochMillis,
): IssuerSessions {
  const { sessions } = store;
  const view = (session: Session | undefined) => session && toView(session);
  return {
    list({ sub, clientId, ended = false, currentSid, after, limit } = {}) {
      const size = pageSize(limit);
      const place = after === undefined ? undefined : toPlace(after);
      // One more than a page: whether there is another.
      const sids = store.listSessions({ sub, clientId, ended, after: place, limit: size + 1, at: now() });
      const found = sids.slice(0, size).map((sid) => sessions.find(sid));
      const items = found.filter((session) => session !== undefined).map((session) => toView(session, currentSid));
      const last = items.at(-1);
      return sids.length > size && last !== undefined ? { items, next: toCursor(last) } : { items };
    },
    find: (sid) => view(sessions.find(sid)),
    findByAccessToken: (accessToken) => view(tokenSessions.byAccessToken(accessToken)),
    findByRefreshToken: (refreshToken) => view(tokenSessions.byRefreshToken(refreshToken)),
    isOpen(sid) {
      const session = sessions.find(sid);
      return session !== undefined && !isOver(session, now());
    },
    rename: (renaming) => transactions.run((unit) => renameSession(store, renaming, unit.now())),
  };
}

/** Inside a transaction. @throws TypeError */
export function renameSession(
  { sessions }: Store,
  { sid, sub, deviceName }: RenameSession,
  at: EpochMillis,
): SessionView | undefined {
  requireLabel('deviceName', deviceName);
  const session = sessions.find(sid);
  if (session?.sub !== sub || isOver(session, at)) return undefined;
  sessions.rename(sid, deviceName);
  return toView({ ...session, deviceName });
}

function toView(session: Session, currentSid?: string): SessionView {
  const { address, userAgent } = session;
  return {
    sid: session.sid,
    sub: session.sub,
    clientId: session.clientId,
    scope: session.scope,
    audience: session.audience,
    deviceName: session.deviceName,
    deviceId: session.deviceId,
    createdAt: session.createdAt,
    lastUsedAt: session.lastUsedAt,
    origin: { ...(address === null ? {} : { address }), ...(userAgent === null ? {} : { userAgent }) },
    authTime: session.authTime,
    amr: session.amr,
    acr: session.acr,
    storage: session.storage,
    idleExpiresAt: orNever(session.idleExpiresAt),
    absoluteExpiresAt: orNever(session.absoluteExpiresAt),
    endedAt: session.endedAt,
    endReason: session.endReason,
    reauthenticationReason: session.reauthenticationReason,
    current: session.sid === currentSid,
  };
}

const orNever = (at: EpochMillis) => (at === NEVER ? null : at);

const CURSOR = /^(\d{1,16})\.(.{1,64})$/;

function toCursor({ createdAt, sid }: SessionView): string {
  return `${createdAt}.${sid}`;
}

function toPlace(after: string): ListPlace {
  const [, createdAt, sid] = CURSOR.exec(after) ?? [];
  if (createdAt === undefined || sid === undefined) throw new RescindError('request_invalid', { detail: 'after' });
  return { createdAt: Number(createdAt), sid };
}
