import { readOwnEvent } from '@rescind/feed/event';
import { RescindError } from '@rescind/revocation';
import { NEVER } from '@rescind/revocation/cut-off';
import { DEFAULT_PAGE, revocationQuery } from '../call-options.ts';
import type { IssuerRevocations, RevocationState } from '../issuer-revocations.ts';
import type { OutboxRow } from '../store/log.ts';
import type { Store } from '../store/store.ts';

/** @param isPublishing whether a publisher is to acknowledge events; without one readers are served from the outbox */
export function createRevocationStates(
  { log, read: { outbox } }: Pick<Store, 'log' | 'read'>,
  isPublishing: boolean,
): IssuerRevocations {
  function toState(rows: readonly OutboxRow[]): RevocationState | undefined {
    const last = rows.at(-1);
    const identity = log.identity();
    if (last === undefined || identity === undefined) return undefined;
    const { epoch } = identity;
    const parts = rows.map(({ jws }) => readOwnEvent(jws));
    const expiresAt = Math.max(...rows.map((row) => row.expiresAt));
    return {
      txn: last.txn,
      epoch,
      seq: last.seq,
      reason: parts[0]?.reason ?? '',
      cutOffs: parts.flatMap(({ cutOffs }) => cutOffs),
      appendedAt: last.appendedAt,
      published: !isPublishing || log.sentSeq(epoch) >= last.seq,
      expiresAt: expiresAt === NEVER ? null : expiresAt,
    };
  }

  const find = async (txn: string) => toState(await outbox.ofTxn(txn));
  return {
    find,
    async list(query = {}) {
      const { after, limit: size = DEFAULT_PAGE } = revocationQuery(query);
      const rows = await outbox.txnsBefore(after === undefined ? Number.MAX_SAFE_INTEGER : toSeq(after), size + 1);
      const items: RevocationState[] = [];
      for (const { txn } of rows.slice(0, size)) {
        const state = await find(txn);
        if (state !== undefined) items.push(state);
      }
      const last = rows.at(size - 1);
      return rows.length > size && last !== undefined ? { items, next: String(last.seq) } : { items };
    },
  };
}

function toSeq(after: string): number {
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new RescindError('request_invalid', { detail: 'after' });
}
