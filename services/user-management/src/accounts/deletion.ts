import type { IssuerTransaction, RevocationRecord } from '@rescind/issuer';
import type { EpochMillis } from '@rescind/revocation';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
import type { AccountRoom } from './room.ts';
import { tellOwner } from './telling.ts';

/** Accounts that are erased in one transaction. */
const AT_ONCE = 100;

/** Inside a transaction: ends every session and erases what is personal; the pseudonym stays, the name is free. */
export function purgeAccount(room: AccountRoom, tx: IssuerTransaction, sub: string): RevocationRecord | undefined {
  const { table, links, factors, devices, history, notices } = room;
  links.forget(sub);
  factors.remove(sub);
  devices.forget(sub);
  history.forget(sub);
  notices?.forget(sub);
  table.bury(sub, null);
  return tx.endAllSessions({ sub, reason: REASON.deleted });
}

/**
 * Inside a transaction: deletes an account for somebody who has shown its password, who may be a thief. The owner is
 * notified, and for as long as "this was not me" may be said the account is not erased: it is there for nobody, its name
 * is nobody else's, and what brings it back is kept sealed. Where nobody is notified it is erased at once.
 */
export function deleteAccount(room: AccountRoom, tx: IssuerTransaction, account: Account): void {
  const { table, links, factors, devices, history, notices, clock, notMeTtlMs } = room;
  const { sub } = account;
  if (notices === undefined) {
    purgeAccount(room, tx, sub);
    return;
  }
  const now = clock.now();
  tellOwner(room, account, 'account.deleted', {}, now);
  history.appendDeleted(account, now);
  links.forget(sub, 'password_reset');
  factors.remove(sub);
  devices.forget(sub);
  table.bury(sub, now + notMeTtlMs);
  tx.endAllSessions({ sub, reason: REASON.deletionAsked });
}

/** Inside a transaction: erases accounts whose deletion nobody can undo any more. */
export function eraseDeleted(room: AccountRoom, tx: IssuerTransaction, now: EpochMillis): void {
  for (const sub of room.table.erasable(now, AT_ONCE)) {
    purgeAccount(room, tx, sub);
    room.telemetry.log('info', 'user_deleted', { sub, what: 'erased' });
  }
}
