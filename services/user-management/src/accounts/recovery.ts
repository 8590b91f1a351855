import type { IssuerTransaction } from '@rescind/issuer';
import { RescindError } from '@rescind/revocation';
import type { Account } from './account.ts';
import type { PastState } from './history.ts';
import { CONTACT_CLAIMS, contactClaims } from './history.ts';
import type { Link } from './links.ts';
import { resetPassword } from './reset.ts';
import type { AccountRoom } from './room.ts';
import { contactOf } from './telling.ts';

/**
 * "This was not me", inside a transaction. A thief can make links and changes, and use the links that reach them; so it does
 * not matter which link is used: the account goes back to how it was at the oldest link that is live. Second factors,
 * recovery codes and the contact that were changed since are undone, a deletion too; every session ends, the password is
 * reset, and how to go on is sent to the contact of then.
 * Links from before the account had a contact are left out where the one that was used is not of that time.
 * The link that was used and every later one are spent. The oldest one, where another was used, stays good until
 * the password has been set: it is the owner's, whoever used the other.
 * @throws RescindError `link_invalid`
 */
export function recoverAccount(room: AccountRoom, tx: IssuerTransaction, token: string): { readonly sub: string } {
  const { links, notices, history, clock } = room;
  const now = clock.now();
  const used = links.find(token, 'not_me', now);
  const account = used && room.table.bySub(used.sub);
  const oldest = used && account && oldestThatArrived(room, account, used);
  if (oldest === undefined || account === undefined) throw new RescindError('link_invalid');
  const { sub } = account;
  const states = history.after(sub, oldest.position);
  const owner = goBack(room, broughtBack(room, account, states), states);
  links.take(token, 'not_me', now);
  links.forgetLater(oldest);
  history.prune(now, sub);
  const { resetToken, expiresAt } = resetPassword(room, tx, owner, { recoversBy: oldest });
  const data = {
    ...contactOf(owner),
    reset_token: resetToken,
    reset_token_expires_at: new Date(expiresAt).toISOString(),
  };
  notices?.add({ sub, type: 'account.password_reset', data }, now);
  return { sub };
}

/**
 * The oldest live link of those that could arrive: of an account with a telephone number or an address, links from before it
 * had either went to nobody, and going back to one would leave the owner without a way in. A link of that time that is used
 * after all (a notifier may know the owner by other means) goes back to the oldest link there is.
 */
function oldestThatArrived({ links, history, clock }: AccountRoom, account: Account, used: Link): Link | undefined {
  const { sub, claims } = account;
  const live = links.live(sub, 'not_me', clock.now());
  const hasContact = ({ position }: Link) => {
    const [then] = history.after(sub, position);
    return Object.keys(then === undefined ? contactClaims(claims) : then.contact).length > 0;
  };
  return hasContact(used) ? live.find(hasContact) : live[0];
}

/** The account as it is, or as it was before its deletion. */
function broughtBack({ table }: AccountRoom, account: Account, states: readonly PastState[]): Account {
  if (account.state !== 'deleted') return account;
  const kept = states.findLast((state) => state.account !== null)?.account;
  const restored = kept && table.exhume(account.sub, kept);
  // Erased for good.
  if (!restored) throw new RescindError('link_invalid');
  return restored;
}

/** Undoes what was changed since the first of these states; nothing was changed where there is none. */
function goBack({ table, factors }: AccountRoom, account: Account, states: readonly PastState[]): Account {
  const { sub } = account;
  const [then] = states;
  if (then === undefined) {
    factors.dropUnconfirmed(sub);
    return account;
  }
  if (then.factor === null) factors.remove(sub);
  else {
    const { secret } = then.factor;
    // A code that was shown since is spent, as long as it is one of this secret.
    const since = [...states.map(({ factor }) => factor), factors.state(sub) ?? null];
    const steps = since.flatMap((factor) => (factor?.secret.equals(secret) ? [factor.lastStep] : []));
    factors.restore(sub, { ...then.factor, lastStep: Math.max(...steps) });
  }
  const others = Object.entries(account.claims).filter(([name]) => !CONTACT_CLAIMS.some((contact) => contact === name));
  table.update(sub, { claims: { ...Object.fromEntries(others), ...contactClaims(then.contact) } });
  return table.bySub(sub) ?? account;
}
