import { createHash } from 'node:crypto';
import { RequestRefused } from '@rescind/revocation/errors';
import { DEFAULT_PAGE, userEventQuery } from '../call-options.ts';
import type { IssuerUserEvents } from '../issuer-user-events.ts';
import type { Store } from '../store/store.ts';
import type { UserEventFilter, UserEventPosition } from '../store/user-events.ts';

/** Pages of events. */
export function createUserEventLists({
  read: { userEvents },
}: Pick<Store, 'read'>): Pick<IssuerUserEvents, 'list' | 'following' | 'positionAt'> {
  return {
    async list(query = {}) {
      const { after, limit: size = DEFAULT_PAGE, ...filter } = userEventQuery(query);
      const position = after === undefined ? undefined : toPosition(after, filter);
      // Read first: an event that commits between the two reads is in both, and not in neither.
      const head = await userEvents.head();
      // One event more than a page shows whether there is another page.
      const found = await userEvents.list(filter, position, size + 1);
      const items = found.slice(0, size);
      const last = items.at(-1);
      return found.length > size && last !== undefined
        ? { items, next: toCursor(last, filter), head }
        : { items, head };
    },
    following: (after, limit) => userEvents.following(after, limit),
    async positionAt(since) {
      // A login is stored at its `at`. An event that is stored later than its `at`, such as a session that timed out, bounds nothing.
      return (await userEvents.lastBefore('login', since)) ?? 0;
    },
  };
}

const CURSOR = /^(\d{1,16})\.(\d{1,16})\.([\w-]{16})$/;

function toCursor({ at, seq }: UserEventPosition, filter: UserEventFilter): string {
  return `${at}.${seq}.${digestOf(filter)}`;
}

/** @throws RequestRefused for the cursor of another filter, with which the page would be of neither */
function toPosition(after: string, filter: UserEventFilter): UserEventPosition {
  const [, at, seq, digest] = CURSOR.exec(after) ?? [];
  if (at === undefined || seq === undefined) throw refused('must be `next` of the page before');
  if (digest !== digestOf(filter)) throw refused('must be sent with the filter of the page that it is from');
  return { at: Number(at), seq: Number(seq) };
}

const refused = (message: string) => new RequestRefused([{ path: 'after', message }]);

function digestOf({ sub, sid, type, since, until }: UserEventFilter): string {
  // An absent member is null in JSON.
  const text = JSON.stringify([sub, sid, type, since, until]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 16);
}
