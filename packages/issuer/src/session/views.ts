import type { EpochMillis } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { parseCompactJws } from '@rescind/token';
import { DEFAULT_PAGE, sessionQuery } from '../call-options.ts';
import type { IssuerContext } from '../context.ts';
import type { IssuerSessions, RenameSession, SessionView } from '../issuer-sessions.ts';
import type { ListPosition, Session } from '../store/sessions.ts';
import type { Store } from '../store/store.ts';
import type { Transaction } from '../transaction.ts';
import { refuseDenied } from '../verify.ts';
import { hasEnded } from './grant.ts';
import { requireLabel } from './login.ts';
import { findPresented } from './refresh-token.ts';

export function createSessionViews(
  { read: { sessions } }: Pick<Store, 'read'>,
  tokenSessions: TokenSessions,
  now: () => EpochMillis,
): IssuerSessions {
  return {
    async list(query = {}) {
      const { sub, clientId, ended = false, currentSid, after, limit: size = DEFAULT_PAGE } = sessionQuery(query);
      const position = after === undefined ? undefined : toPosition(after);
      // One session more than a page shows whether there is another page.
      const found = await sessions.list({ sub, clientId, ended, after: position, limit: size + 1, at: now() });
      const items = found.slice(0, size).map((session) => toView(session, currentSid));
      const last = items.at(-1);
      return found.length > size && last !== undefined ? { items, next: toCursor(last) } : { items };
    },
    find: async (sid) => toView(await sessions.find(sid)),
    findByAccessToken: async (accessToken) => toView(await tokenSessions.byAccessToken(accessToken)),
    findByRefreshToken: async (refreshToken) => toView(await tokenSessions.byRefreshToken(refreshToken)),
    async isOpen(sid) {
      const session = await sessions.find(sid);
      return session !== undefined && !hasEnded(session, now());
    },
  };
}

/** Inside a transaction. @throws TypeError */
export async function renameSession(
  _context: object,
  tx: Transaction,
  { sid, sub, deviceName }: RenameSession,
): Promise<SessionView | undefined> {
  const { sessions } = tx.store;
  requireLabel('deviceName', deviceName);
  const session = await sessions.find(sid);
  if (session?.sub !== sub || hasEnded(session, tx.now())) return undefined;
  await sessions.rename(sid, deviceName);
  return toView({ ...session, deviceName });
}

function toView(session: Session, currentSid?: string): SessionView;
function toView(session: Session | undefined): SessionView | undefined;
function toView(session: Session | undefined, currentSid?: string): SessionView | undefined {
  if (session === undefined) return undefined;
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

function toPosition(after: string): ListPosition {
  const [, createdAt, sid] = CURSOR.exec(after) ?? [];
  if (createdAt === undefined || sid === undefined) throw new RescindError('request_invalid', { detail: 'after' });
  return { createdAt: Number(createdAt), sid };
}

/** Finds the session of a token that may have expired or been used. */
interface TokenSessions {
  byAccessToken(accessToken: string): Promise<Session | undefined>;
  byRefreshToken(refreshToken: string): Promise<Session | undefined>;
}

type TokenSessionContext = Pick<IssuerContext, 'store' | 'accepting'>;

export function createTokenSessions(context: TokenSessionContext, now: () => EpochMillis): TokenSessions {
  const { store, accepting } = context;
  return {
    async byAccessToken(accessToken) {
      const token = accepting.verify(accessToken, beforeItsExpiry(accessToken, now()));
      await refuseDenied(token, store.read.revocations);
      return store.read.sessions.find(String(token.payload.sid));
    },
    byRefreshToken: async (refreshToken) => (await findPresented(store.read, refreshToken))?.session,
  };
}

/** The latest time, up to `at`, at which the token had not expired. Its claims are verified afterwards. */
function beforeItsExpiry(accessToken: string, at: EpochMillis): EpochMillis {
  const { exp } = parseCompactJws(accessToken).payload;
  return typeof exp === 'number' && Number.isFinite(exp) ? Math.min(at, exp * 1_000 - 1) : at;
}
