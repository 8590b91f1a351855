import type { EpochMillis } from '@rescind/revocation';

/** Entries by the second in which each is due: no timer an entry. */
export interface ExpiryWheel<T> {
  /** Sets when the entry is due, in place of the time set before. */
  set(entry: T, at: EpochMillis): void;
  delete(entry: T): void;
  /** Removes and returns the entries that are due at this time. An entry is returned within one second after it is due. */
  due(at: EpochMillis): T[];
}

export function createExpiryWheel<T extends object>(): ExpiryWheel<T> {
  const buckets = new Map<number, Set<T>>();
  const secondOf = new Map<T, number>();
  /** Every bucket up to this second has been emptied. */
  let emptied = Number.NEGATIVE_INFINITY;

  function remove(entry: T): void {
    const second = secondOf.get(entry);
    if (second === undefined) return;
    secondOf.delete(entry);
    const bucket = buckets.get(second);
    bucket?.delete(entry);
    if (bucket?.size === 0) buckets.delete(second);
  }

  function take(second: number, found: T[]): void {
    for (const entry of buckets.get(second) ?? []) {
      secondOf.delete(entry);
      found.push(entry);
    }
    buckets.delete(second);
  }

  return {
    set(entry, at) {
      remove(entry);
      const second = Math.max(Math.ceil(at / 1000), emptied + 1);
      const bucket = buckets.get(second);
      if (bucket === undefined) buckets.set(second, new Set([entry]));
      else bucket.add(entry);
      secondOf.set(entry, second);
    },
    delete: remove,
    due(at) {
      const now = Math.floor(at / 1000);
      const found: T[] = [];
      // After a clock has jumped there may be more seconds than buckets.
      const isJump = now - emptied > buckets.size;
      if (isJump) for (const second of [...buckets.keys()]) if (second <= now) take(second, found);
      if (!isJump) for (let second = emptied + 1; second <= now; second += 1) take(second, found);
      emptied = Math.max(emptied, now);
      return found;
    },
  };
}
