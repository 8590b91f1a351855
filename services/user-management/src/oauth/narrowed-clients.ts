import { setTimeout as delay } from 'node:timers/promises';
import type { CutOffRequest, Issuer } from '@rescind/issuer';
import type { HostSql } from '@rescind/issuer-sqlite';
import type { DurationMs, Telemetry } from '@rescind/revocation';
import { RescindError } from '@rescind/revocation';
import type { Audit } from '../audit/audit.ts';
import { CONFIGURATION } from '../audit/audit.ts';
import type { AuditEntry } from '../audit/table.ts';
import { boundedTargets } from '../audit/table.ts';

/** The wait between attempts while the database cannot be written. */
const RETRY_MS: DurationMs = 1_000;

/** The members of a client that bound its tokens. */
interface KnownClient extends Bounds {
  readonly clientId: string;
  readonly disabled: boolean;
}

/** The clients at the last cut-off of their earlier tokens: a start compares them with the present ones. */
export interface AppliedClients {
  list(): KnownClient[];
  /** Inside a transaction. */
  replace(clients: readonly KnownClient[]): void;
}

export function createAppliedClients(sql: HostSql): AppliedClients {
  const all = sql.prepare<[], string>('SELECT bounds FROM applied_clients ORDER BY client_id').pluck();
  const clear = sql.prepare('DELETE FROM applied_clients');
  const insert = sql.prepare('INSERT INTO applied_clients (client_id, bounds) VALUES (?, ?)');
  return {
    list: () => all.all().map((bounds) => JSON.parse(bounds)),
    replace(clients) {
      clear.run();
      for (const { clientId, disabled, scope, audience } of clients) {
        insert.run(clientId, JSON.stringify({ clientId, disabled, scope, audience }));
      }
    },
  };
}

/**
 * The issuer for administrators: each transaction stores the clients that it changes as applied, since its command cuts off what it
 * narrows.
 */
export function keepingApplied(issuer: Issuer, applied: AppliedClients): Issuer {
  return {
    ...issuer,
    transaction: (work) =>
      issuer.transaction(async (tx) => {
        const result = await work(tx);
        const clients = await tx.clients.list();
        if (!isApplied(clients, applied)) applied.replace(clients);
        return result;
      }),
  };
}

interface Bounds {
  readonly scope?: string | undefined;
  readonly audience?: readonly string[] | undefined;
}

/** Whether a client lost a scope or an audience. An absent bound permits all. */
export function isNarrowed(before: Bounds, now: Bounds): boolean {
  const lacks = (held: readonly string[] | undefined, next: readonly string[] | undefined) =>
    next !== undefined && (held === undefined || held.some((one) => !next.includes(one)));
  return lacks(before.audience, now.audience) || lacks(before.scope?.split(' '), now.scope?.split(' '));
}

/** Denies the tokens of a client; its sessions continue. */
export const narrowing = (value: string): CutOffRequest => ({
  claim: 'client_id',
  value,
  endsSession: false,
  reason: 'client_narrowed',
});

/** The ids of the clients that lost rights: narrowed, removed or disabled. */
export function narrowedClients(before: readonly KnownClient[], now: readonly KnownClient[]): string[] {
  const byId = new Map(now.map((client) => [client.clientId, client]));
  return before.flatMap((client) => {
    const next = byId.get(client.clientId);
    const isGone = !client.disabled && (next === undefined || next.disabled);
    return isGone || (next !== undefined && isNarrowed(client, next)) ? [client.clientId] : [];
  });
}

function isApplied(clients: readonly KnownClient[], applied: AppliedClients): boolean {
  const bounds = (some: readonly KnownClient[]) =>
    JSON.stringify(some.map(({ clientId, disabled, scope, audience }) => ({ clientId, disabled, scope, audience })));
  return bounds(applied.list()) === bounds(clients);
}

/** The cause of changed clients: a file that was read again, the start, or a reader that an administrator changed. */
export type ClientsSource = 'CLIENTS_FILE' | 'FEED_CLIENTS_FILE' | 'start' | 'registered_readers';

export interface NarrowedParts {
  readonly applied: AppliedClients;
  readonly audit: Pick<Audit, 'record' | 'committed'>;
  readonly telemetry: Telemetry;
}

/**
 * Cuts off the earlier tokens of these clients, which `source` has changed, writes that into the audit, and stores the present clients as
 * applied, in one transaction. While the database cannot be written it tries again, and logs that once. Never rejects.
 */
export async function cutOffNarrowed(
  issuer: Pick<Issuer, 'transaction' | 'clients' | 'userEvents'>,
  narrowed: readonly string[] | Promise<readonly string[]>,
  { applied, audit, telemetry }: NarrowedParts,
  source: ClientsSource,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      const clientIds = await narrowed;
      if (clientIds.length === 0 && isApplied(await issuer.clients.list(), applied)) return;
      const cutOff = () =>
        issuer.transaction(async (tx) => {
          applied.replace(await tx.clients.list());
          if (clientIds.length === 0) return undefined;
          const { txn } = await tx.revoke(clientIds.map(narrowing));
          return { txn, entry: recordNarrowing(audit, clientIds, { txn, source }) };
        });
      const done = await issuer.userEvents.as(CONFIGURATION, cutOff);
      if (done === undefined) return;
      telemetry.log('info', 'clients_narrowed', { clients: clientIds.join(' '), txn: done.txn });
      audit.committed(done.entry);
      return;
    } catch (error) {
      const code = error instanceof RescindError ? error.code : 'internal';
      if (attempt === 1) telemetry.log('error', 'narrowed_clients_not_cut_off', { source, code });
      if (code === 'stopping' || code === 'internal') return;
      await delay(RETRY_MS, undefined, { ref: false });
    }
  }
}

function recordNarrowing(
  audit: NarrowedParts['audit'],
  clientIds: readonly string[],
  details: { readonly txn: string; readonly source: ClientsSource },
): AuditEntry {
  return audit.record({
    who: CONFIGURATION,
    operation: 'narrowClients',
    targets: boundedTargets(clientIds.map((clientId) => `client:${clientId}`)),
    reason: 'client_narrowed',
    why: null,
    result: 'done',
    requestId: '',
    details,
  });
}
