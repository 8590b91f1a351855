import type { DurationMs, EpochMillis } from '@rescind/revocation';
import type { SubjectRecord } from '../issuer.ts';
import type { TokenAnswer } from '../issuer-sessions.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Session } from '../sql/sessions.ts';
import type { Store } from '../sql/store.ts';
import { mintAccessToken } from './mint.ts';
import type { OpaqueToken } from './opaque.ts';
import { toText } from './opaque.ts';

interface SessionPolicy {
  readonly issuer: string;
  readonly accessTokenTtlMs: DurationMs;
  readonly refreshTokenTtlMs: DurationMs;
  readonly refreshIdleTtlMs: DurationMs;
  readonly refreshGraceMs: DurationMs;
}

/** What login and refresh work with. */
export interface SessionRoom {
  readonly store: Store;
  readonly policy: SessionPolicy;
  readonly tokenKeys: Keyring;
  subject(sub: string): SubjectRecord | undefined;
}

interface Answering {
  readonly session: Session;
  readonly subject: SubjectRecord;
  readonly scope: readonly string[];
  readonly refreshToken: OpaqueToken;
  readonly at: EpochMillis;
}

/** Mints, and remembers how long what was minted may live: no cut-off may be forgotten before. */
export function answerTokens({ store, policy, tokenKeys }: SessionRoom, answering: Answering): TokenAnswer {
  const { session, subject, scope, refreshToken, at } = answering;
  const { text, expiresAt, lifeSeconds } = mintAccessToken({
    issuer: policy.issuer,
    key: tokenKeys.active(),
    session,
    subject,
    scope,
    at,
    ttlMs: policy.accessTokenTtlMs,
  });
  store.meta.raiseGreatestExp(expiresAt);
  store.sessions.raiseGreatestExp(session.sid, expiresAt);
  return {
    access_token: text,
    token_type: 'Bearer',
    expires_in: lifeSeconds,
    refresh_token: toText(refreshToken),
    refresh_in: Math.ceil(lifeSeconds / 2),
    scope: scope.join(' '),
    sid: session.sid,
  };
}

/** The scope the subject may have at most, as its record says now. */
export function scopeOf({ claims }: SubjectRecord): string {
  return typeof claims.scope === 'string' ? claims.scope : '';
}
