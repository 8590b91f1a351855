import { randomUUID } from 'node:crypto';
import type { Clock, DurationMs } from '@rescind/revocation';
import type { Revocation } from '@rescind/revocation/cut-off';
import { createRevocationId, NEVER, NO_SESSION, toRow, UNBOUNDED, UNBOUNDED_CLAIMS } from '@rescind/revocation/cut-off';
import { judge } from '@rescind/revocation/judge';
import type { Fetch, KeySource } from '@rescind/token';
import { createKeySet, parseCompactJws } from '@rescind/token';
import type { SigningKey } from '@rescind/token/signing';
import { createSigner, publicJwks } from '@rescind/token/signing';
import type { Claims } from '../trusted-issuer.ts';
import { createMemoryRows } from './log.ts';

/** A revocation of the test kit. */
export interface TestRevocation {
  /** `sid`, `sub`, `jti`, `client_id`, `iss`, `kid`, or any other claim. */
  readonly claim: string;
  /** The value that the claim has in the tokens to deny. */
  readonly value: string;
  /** Such as `password_changed`. Default `logout`. */
  readonly reason?: string | undefined;
  /** Whether the session ends, or tokens only. Default: true for `sid`, `sub`, `client_id` and `iss`. */
  readonly endsSession?: boolean | undefined;
}

/** An issuer of tokens without a network. */
export interface TestTokenIssuer {
  readonly keys: KeySource;
  /** Responds to introspection (RFC 7662). */
  readonly fetch: Fetch;
  token(claims: Claims, typ: string): string;
  revoke(revocation: TestRevocation): Revocation;
}

interface TestTokenIssuerOptions {
  readonly issuer: string;
  readonly audience: string | readonly string[];
  readonly key: SigningKey;
  readonly ttlMs: DurationMs;
  readonly clock: Clock;
  isReachable(): boolean;
}

const SESSION_CLAIMS: readonly string[] = ['sid', 'sub', 'client_id', 'iss'];

export function createTestTokenIssuer(options: TestTokenIssuerOptions): TestTokenIssuer {
  const { issuer: iss, audience, key, ttlMs, clock, isReachable } = options;
  const rows = createMemoryRows();
  let floor = 0;
  // It never goes back, and each cut-off moves it: tokens minted afterwards are valid although the clock does not move.
  const now = () => {
    floor = Math.max(floor, clock.now());
    return floor;
  };

  function isActive(text: string): boolean {
    const { header, payload } = parseCompactJws(text, { maxBytes: text.length });
    return Number(payload.exp) * 1000 > clock.now() && !judge({ kid: header.kid, payload }, rows).denied;
  }

  return {
    keys: keysOf(key),
    async fetch(_url, { body }) {
      if (!isReachable()) throw new TypeError('fetch failed');
      return Response.json({ active: isActive(new URLSearchParams(body).get('token') ?? '') });
    },
    token(claims, typ) {
      const at = now();
      const iat = Math.floor(at / 1000);
      const standard = {
        iss,
        sub: 'user-1',
        aud: audience,
        client_id: 'app-1',
        sid: 'session-1',
        jti: randomUUID(),
        iat,
        iat_ms: at,
        exp: Math.ceil((at + ttlMs) / 1000),
        auth_time: iat,
      };
      return createSigner(key, { typ })({ ...standard, ...claims });
    },
    revoke({ claim, value, reason = 'logout', endsSession = SESSION_CLAIMS.includes(claim) }) {
      const at = now();
      floor = at + 1;
      const issuedUntil = UNBOUNDED_CLAIMS.has(claim) ? UNBOUNDED : at;
      const times = { issuedUntil, sessionUntil: endsSession ? issuedUntil : NO_SESSION };
      const expiresAt = claim === 'kid' ? NEVER : at + ttlMs;
      const cutOff = { iss, claim, value, ...times, expiresAt };
      const txn = createRevocationId(at);
      rows.add(toRow(cutOff, { txn, reason, epoch: '', seq: 0 }));
      return { txn, reason, cutOffs: [cutOff] };
    },
  };
}

/** Keys that never change. */
function keysOf(key: SigningKey): KeySource {
  const set = createKeySet(publicJwks([key]));
  const close = async () => undefined;
  return {
    ...set,
    close,
    ready: async () => undefined,
    ensure: async (kid, alg = key.alg) => set.find(kid, alg) !== undefined,
    renew: () => undefined,
    health: () => [{ name: 'token_keys', status: 'pass' }],
    [Symbol.asyncDispose]: close,
  };
}
