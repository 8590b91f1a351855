/** An entry of a token cache. */
export interface CachedText {
  /** The token. Another spelling of it is another entry. */
  readonly text: string;
  /** Its estimated memory. */
  readonly bytes: number;
}

export interface TokenCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Entries by the exact text of a token, limited in number and bytes. */
export interface TokenCache<T extends CachedText> {
  get(text: string): T | undefined;
  /**
   * Evicts entries first if there is no room: those that were not read since the last eviction.
   * @param isRead whether the entry counts as read already; default false
   */
  add(entry: T, isRead?: boolean): void;
  delete(entry: T): void;
  size(): number;
  bytes(): number;
  /** The number of evicted entries. */
  evicted(): number;
}

/** The number of characters that are hashed, from the end: they belong to a signature, so no client chooses them. */
const HASHED = 12;

/** Hashes the end only. `Map` would hash all 900 characters of each text that comes from a socket. */
function hashOf(text: string): number {
  let hash = text.length;
  for (let at = Math.max(0, text.length - HASHED); at < text.length; at += 1) {
    hash = (Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)) | 0;
  }
  return hash;
}

/**
 * Second-chance (CLOCK) eviction: the hand moves round the ring and evicts the first entry that was not read since its last pass. A flood of
 * tokens that are presented once does not evict tokens that are presented again.
 *
 * It stores numbers in tables and no object per entry, so a flood leaves less for the garbage collector.
 */
export function createTokenCache<T extends CachedText>({ maxEntries, maxBytes }: TokenCacheLimits): TokenCache<T> {
  // The slot in the ring of the entry with a hash. Two texts with one hash replace each other: among 16 000 texts this happens in one
  // process of thirty.
  const slots = new Map<number, number>();
  const ring: (T | undefined)[] = [];
  const isReadAt: boolean[] = [];
  const free: number[] = [];
  let hand = 0;
  let bytes = 0;
  let evicted = 0;

  function drop(entry: T, slot: number): void {
    slots.delete(hashOf(entry.text));
    ring[slot] = undefined;
    free.push(slot);
    bytes -= entry.bytes;
  }

  function evictOne(): void {
    for (;;) {
      const slot = hand;
      // The hand moves on in any case: the newest entry takes this slot.
      hand = (hand + 1) % ring.length;
      const entry = ring[slot];
      if (entry === undefined) continue;
      if (!isReadAt[slot]) {
        drop(entry, slot);
        evicted += 1;
        return;
      }
      isReadAt[slot] = false;
    }
  }

  function makeRoom(hash: number, wanted: number): void {
    const before = slots.get(hash);
    if (before !== undefined) drop(ring[before] as T, before);
    while (slots.size >= maxEntries || bytes + wanted > maxBytes) evictOne();
  }

  return {
    get(text) {
      const slot = slots.get(hashOf(text));
      if (slot === undefined) return undefined;
      const entry = ring[slot] as T;
      if (entry.text !== text) return undefined;
      if (!isReadAt[slot]) isReadAt[slot] = true;
      return entry;
    },
    add(entry, isRead = false) {
      if (entry.bytes > maxBytes || maxEntries < 1) return;
      const hash = hashOf(entry.text);
      makeRoom(hash, entry.bytes);
      const slot = free.pop() ?? ring.length;
      ring[slot] = entry;
      isReadAt[slot] = isRead;
      slots.set(hash, slot);
      bytes += entry.bytes;
    },
    delete(entry) {
      const slot = slots.get(hashOf(entry.text));
      if (slot !== undefined && ring[slot] === entry) drop(entry, slot);
    },
    size: () => slots.size,
    bytes: () => bytes,
    evicted: () => evicted,
  };
}
