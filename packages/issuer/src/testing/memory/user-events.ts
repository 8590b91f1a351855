import type { UserEventFilter, UserEventPosition, UserEventRow, UserEvents } from '../../store/user-events.ts';
import type { Access } from './state.ts';

export function createUserEvents({ state, draft }: Access): UserEvents {
  const all = () => [...state().userEvents.values()];
  const latestFirst = (a: UserEventPosition, b: UserEventPosition) => b.at - a.at || b.seq - a.seq;
  const byTime = () => all().sort((a, b) => latestFirst(b, a));

  return {
    async list(filter, after, limit) {
      const rows = all()
        .filter((row) => matches(row, filter) && (after === undefined || latestFirst(after, row) < 0))
        .sort(latestFirst);
      return rows.slice(0, limit);
    },
    async following(after, limit) {
      const rows = all()
        .filter(({ seq }) => seq > after)
        .sort((a, b) => a.seq - b.seq);
      return rows.slice(0, limit);
    },
    head: async () => state().userEventHead,
    lastBefore: async (type, before) => byTime().findLast((row) => row.type === type && row.at < before)?.seq,
    oldestAt: async () => byTime()[0]?.at,

    async append(event) {
      const next = draft();
      next.userEventHead += 1;
      next.userEvents.set(next.userEventHead, { ...event, seq: next.userEventHead });
    },
    async raiseHead(seq) {
      const next = draft();
      next.userEventHead = Math.max(next.userEventHead, seq);
    },
    async prune(before, most) {
      const expired = byTime().filter(({ at }) => at < before);
      const pruned = expired.slice(0, most);
      for (const { seq } of pruned) draft().userEvents.delete(seq);
      return pruned.length;
    },
    async forgetOrigins(sub, most) {
      const nothing = { address: null, userAgent: null, deviceName: null };
      const known = all().filter((row) => row.sub === sub && (row.address ?? row.userAgent ?? row.deviceName) !== null);
      const forgotten = known.slice(0, most);
      for (const row of forgotten) draft().userEvents.set(row.seq, { ...row, ...nothing });
      return forgotten.length;
    },
  };
}

function matches(row: UserEventRow, { sub, sid, type, since, until }: UserEventFilter): boolean {
  const isWide = row.type === 'sessions_ended' && row.sub === null;
  const isOf = (wanted: string | undefined, found: string | null) => wanted === undefined || wanted === found || isWide;
  const isWithin = row.at >= (since ?? 0) && row.at < (until ?? Number.POSITIVE_INFINITY);
  return isOf(sub, row.sub) && isOf(sid, row.sid) && (type === undefined || row.type === type) && isWithin;
}
