import { setTimeout as delay } from 'node:timers/promises';
import type { CutoffRequest, Issuer, RegisteredClient } from '@rescind/issuer';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';

/** Between attempts while the database cannot be written. */
const RETRY_MS: DurationMs = 1_000;

interface Bounds {
  readonly scope?: string | undefined;
  readonly audience?: readonly string[] | undefined;
}

/** Whether a client may have less than before: absent is everything. */
export function isNarrowed(before: Bounds, now: Bounds): boolean {
  const lacks = (held: readonly string[] | undefined, next: readonly string[] | undefined) =>
    next !== undefined && (held === undefined || held.some((one) => !next.includes(one)));
  return lacks(before.audience, now.audience) || lacks(before.scope?.split(' '), now.scope?.split(' '));
}

/** Tokens of a client die, its sessions go on. */
export const narrowing = (value: string): CutoffRequest => ({
  claim: 'client_id',
  value,
  endsSession: false,
  reason: 'client_narrowed',
});

/** The ids of the clients that may have less now, or nothing: gone or disabled. */
export function narrowedClients(before: readonly RegisteredClient[], now: readonly RegisteredClient[]): string[] {
  const byId = new Map(now.map((client) => [client.clientId, client]));
  return before.flatMap((client) => {
    const next = byId.get(client.clientId);
    const isGone = !client.disabled && (next === undefined || next.disabled);
    return isGone || (next !== undefined && isNarrowed(client, next)) ? [client.clientId] : [];
  });
}

/**
 * Cuts off the tokens of before of these clients, for who has changed them by a file. While the database cannot be written it
 * tries again; the log says so once. Never rejects.
 */
export async function cutOffNarrowed(
  issuer: Pick<Issuer, 'transaction'>,
  clientIds: readonly string[],
  telemetry: Telemetry,
): Promise<void> {
  if (clientIds.length === 0) return;
  const clients = clientIds.join(' ');
  for (let attempt = 1; ; attempt++) {
    try {
      const { txn } = await issuer.transaction((tx) => tx.revoke(clientIds.map(narrowing)));
      telemetry.log('info', 'clients_narrowed', { clients, txn });
      return;
    } catch (error) {
      const code = error instanceof RescindError ? error.code : 'internal';
      if (attempt === 1) telemetry.log('error', 'narrowed_clients_not_cut_off', { clients, code });
      if (code === 'stopping' || code === 'internal') return;
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }
}
