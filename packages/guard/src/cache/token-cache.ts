/** What a cache of tokens keeps of one. */
export interface CachedText {
  /** The token: the only spelling of it that is found. */
  readonly text: string;
  /** What it takes, about. */
  readonly bytes: number;
}

export interface TokenCacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Entries by the exact text of a token; bounded in number and bytes. */
export interface TokenCache<T extends CachedText> {
  get(text: string): T | undefined;
  /**
   * Makes room first, at the cost of those that were not asked for since the last time somebody had to go.
   * @param isAsked whether it counts as asked for already; default false
   */
  add(entry: T, isAsked?: boolean): void;
  delete(entry: T): void;
  size(): number;
  bytes(): number;
  /** How many have had to make room. */
  evicted(): number;
}

/** Characters from the end that make the hash: of a signature, so nobody chooses them. */
const HASHED = 12;

/** Another than the one that `Map` would compute of all 900 characters, each time the text comes from a socket. */
function hashOf(text: string): number {
  let hash = text.length;
  for (let at = Math.max(0, text.length - HASHED); at < text.length; at += 1) {
    hash = (Math.imul(hash, 0x01000193) ^ text.charCodeAt(at)) | 0;
  }
  return hash;
}

/**
 * Second chance: a hand goes round, and takes the first entry that was not asked for since it came by. A flood of tokens
 * that are never seen again passes through without driving out those that are.
 *
 * Numbers in tables, and no object of its own for each entry: what a flood leaves behind is for the garbage collector.
 */
export function createTokenCache<T extends CachedText>({ maxEntries, maxBytes }: TokenCacheLimits): TokenCache<T> {
  // Where in the ring the entry of a hash is. Two texts of one hash take turns: of 16 000 that happens to two, in one process
  // of thirty.
  const places = new Map<number, number>();
  const ring: (T | undefined)[] = [];
  const asked: boolean[] = [];
  const free: number[] = [];
  let hand = 0;
  let bytes = 0;
  let evicted = 0;

  function drop(entry: T, place: number): void {
    places.delete(hashOf(entry.text));
    ring[place] = undefined;
    free.push(place);
    bytes -= entry.bytes;
  }

  function evictOne(): void {
    for (;;) {
      const place = hand;
      // On, in any case: what takes this place is the newest.
      hand = (hand + 1) % ring.length;
      const entry = ring[place];
      if (entry === undefined) continue;
      if (!asked[place]) {
        drop(entry, place);
        evicted += 1;
        return;
      }
      asked[place] = false;
    }
  }

  function makeRoom(hash: number, wanted: number): void {
    const before = places.get(hash);
    if (before !== undefined) drop(ring[before] as T, before);
    while (places.size >= maxEntries || bytes + wanted > maxBytes) evictOne();
  }

  return {
    get(text) {
      const place = places.get(hashOf(text));
      if (place === undefined) return undefined;
      const entry = ring[place] as T;
      if (entry.text !== text) return undefined;
      if (!asked[place]) asked[place] = true;
      return entry;
    },
    add(entry, isAsked = false) {
      if (entry.bytes > maxBytes || maxEntries < 1) return;
      const hash = hashOf(entry.text);
      makeRoom(hash, entry.bytes);
      const place = free.pop() ?? ring.length;
      ring[place] = entry;
      asked[place] = isAsked;
      places.set(hash, place);
      bytes += entry.bytes;
    },
    delete(entry) {
      const place = places.get(hashOf(entry.text));
      if (place !== undefined && ring[place] === entry) drop(entry, place);
    },
    size: () => places.size,
    bytes: () => bytes,
    evicted: () => evicted,
  };
}
