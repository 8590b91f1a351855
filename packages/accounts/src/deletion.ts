import type { RevocationRecord } from '@rescind/issuer';
import type { Account } from './account.ts';
import { REASON } from './account.ts';
import type { AccountContext, AccountTransaction } from './context.ts';
import { notifyOwner } from './notify.ts';

/** Accounts that are erased in one transaction. */
const AT_ONCE = 100;

/** Inside a transaction: ends every session and erases what is personal; the pseudonym stays, the name is free. */
export async function purgeAccount(tx: AccountTransaction, sub: string): Promise<RevocationRecord | undefined> {
  const { users, oneTimeTokens, factors, devices, history, notices } = tx;
  oneTimeTokens.remove(sub);
  factors.remove(sub);
  devices.remove(sub);
  history.remove(sub);
  notices.remove(sub);
  users.markDeleted(sub, null);
  await tx.issuer.recordEvent({ type: 'account_deleted', sub, reason: REASON.deleted });
  const revocation = await tx.issuer.endAllSessions({ sub, reason: REASON.deleted });
  // Each call forgets up to 10 000.
  while ((await tx.issuer.forgetOrigins(sub)) > 0);
  return revocation;
}

/**
 * Inside a transaction: deletes an account after a request with its password, which an attacker may have sent. The owner is
 * notified. The account is erased only after the "this was not me" link has expired: until then it admits no login, no other account
 * can take its name, and the data that restores it is stored encrypted. Without a receiver of notices it is erased at once.
 */
export async function deleteAccount(context: AccountContext, tx: AccountTransaction, account: Account): Promise<void> {
  const { users, oneTimeTokens, factors, devices, history, now } = tx;
  const { sub } = account;
  if (!context.hasReceiver) {
    await purgeAccount(tx, sub);
    return;
  }
  notifyOwner(context, tx, account, 'account.deleted', {});
  history.appendDeleted(account, now);
  oneTimeTokens.remove(sub, 'password_reset');
  factors.remove(sub);
  devices.remove(sub);
  users.markDeleted(sub, now + context.notMeTtlMs);
  await tx.issuer.recordEvent({ type: 'account_deleted', sub, reason: REASON.deletionAsked });
  await tx.issuer.endAllSessions({ sub, reason: REASON.deletionAsked });
}

/** Inside a transaction: erases accounts whose deletion can no longer be undone. */
export async function eraseDeleted({ telemetry }: AccountContext, tx: AccountTransaction): Promise<void> {
  for (const sub of tx.users.erasable(tx.now, AT_ONCE)) {
    await purgeAccount(tx, sub);
    telemetry.log('info', 'user_deleted', { sub, what: 'erased' });
  }
}
