import type { DurationMs, EpochMillis } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation';
import type { ClientPolicy, Lifetime, SessionPolicy, TokenStorage } from '../issuer-clients.ts';

/** What a session lives by, with nothing left out. */
export interface FullPolicy {
  readonly accessTokenTtlMs: DurationMs;
  readonly refreshTokenTtlMs: Lifetime;
  readonly refreshIdleTtlMs: Lifetime;
  readonly refreshGraceMs: DurationMs;
  readonly rotation: boolean;
  readonly renewByToken: boolean;
}

/** What the issuer's options say; its clients and devices may say otherwise. */
export type PolicyDefaults = Pick<
  FullPolicy,
  'accessTokenTtlMs' | 'refreshTokenTtlMs' | 'refreshIdleTtlMs' | 'refreshGraceMs'
>;

/** The device before the client, the client before the issuer. */
export function policyOf(
  { accessTokenTtlMs, refreshTokenTtlMs, refreshIdleTtlMs, refreshGraceMs }: PolicyDefaults,
  client: ClientPolicy,
  device: SessionPolicy | null,
): FullPolicy {
  return {
    accessTokenTtlMs: device?.accessTokenTtlMs ?? client.accessTokenTtlMs ?? accessTokenTtlMs,
    refreshTokenTtlMs: device?.refreshTokenTtlMs ?? client.refreshTokenTtlMs ?? refreshTokenTtlMs,
    refreshIdleTtlMs: device?.refreshIdleTtlMs ?? client.refreshIdleTtlMs ?? refreshIdleTtlMs,
    refreshGraceMs: device?.refreshGraceMs ?? client.refreshGraceMs ?? refreshGraceMs,
    rotation: device?.rotation ?? client.rotation ?? true,
    renewByToken: device?.renewByToken ?? client.renewByToken ?? false,
  };
}

export function deadline(at: EpochMillis, lifetime: Lifetime): EpochMillis {
  return lifetime === 'never' ? NEVER : at + lifetime;
}

/** Whether a client's refresh tokens may go this way. */
export function allowsStorage({ storage = 'either' }: ClientPolicy, way: TokenStorage): boolean {
  return storage === 'either' || storage === way;
}
