import type { Session } from '@rescind/issuer/store';

/** A row of `rescind_sessions`, as `COLUMNS` selects it. */
export interface SessionRow extends Omit<Session, 'audience' | 'amr' | 'policy'> {
  readonly audience: string;
  readonly amr: string;
  readonly policy: string | null;
}

export const COLUMNS = `sid, sub, client_id AS clientId, audience, scope, device_name AS deviceName, device_id AS deviceId, address,
  user_agent AS userAgent, storage, amr, acr, policy, credential_version AS credentialVersion, created_at AS createdAt,
  auth_time AS authTime, last_used_at AS lastUsedAt, idle_expires_at AS idleExpiresAt,
  absolute_expires_at AS absoluteExpiresAt, reauthentication_reason AS reauthenticationReason, ended_at AS endedAt,
  end_reason AS endReason, selector, verifier_hash AS verifierHash, former_hash AS formerHash, rotated_at AS rotatedAt,
  sealed, newest_jti AS newestJti, newest_exp AS newestExp, newest_scope AS newestScope, renewed_jti AS renewedJti,
  renewed_at AS renewedAt`;

export function toSession(row: SessionRow): Session {
  return {
    ...row,
    audience: JSON.parse(row.audience),
    amr: JSON.parse(row.amr),
    policy: row.policy === null ? null : JSON.parse(row.policy),
  };
}
