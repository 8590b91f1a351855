import type { IssuerTransaction, RevocationRecord } from '@rescind/issuer';
import { REASON } from './account.ts';
import type { AccountRoom } from './room.ts';

/** Inside a transaction: ends every session and erases what is personal; the pseudonym stays, the name is free. */
export function purgeAccount(
  { table, links, factors, devices, notices }: AccountRoom,
  tx: IssuerTransaction,
  sub: string,
): RevocationRecord | undefined {
  links.forget(sub);
  factors.remove(sub);
  devices.forget(sub);
  notices?.forget(sub);
  table.bury(sub);
  return tx.endAllSessions({ sub, reason: REASON.deleted });
}
