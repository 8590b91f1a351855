import type { EpochMillis } from '@rescind/revocation';
import { parseCompactJws } from '@rescind/token';
import type { Session } from '../store/sessions.ts';
import { refuseDenied } from '../verify.ts';
import { findPresented } from './presented.ts';
import type { RenewalRoom } from './renew.ts';

/** Finds the session of a token that may be of no other use any more. */
export interface TokenSessions {
  byAccessToken(accessToken: string): Promise<Session | undefined>;
  byRefreshToken(refreshToken: string): Promise<Session | undefined>;
}

type TokenSessionContext = Pick<RenewalRoom, 'store' | 'accepting'>;

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

/** The latest time, up to `at`, at which the token had not expired; what it claims is verified afterwards. */
function beforeItsExpiry(accessToken: string, at: EpochMillis): EpochMillis {
  const { exp } = parseCompactJws(accessToken).payload;
  return typeof exp === 'number' && Number.isFinite(exp) ? Math.min(at, exp * 1_000 - 1) : at;
}
