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
  /** Makes room first, at the cost of those that were not asked for since the last time somebody had to go. */
  add(entry: T): void;
  delete(entry: T): void;
  size(): number;
  bytes(): number;
  /** How many have had to make room. */
  evicted(): number;
}

interface Place<T> {
  readonly entry: T;
  readonly hash: number;
  readonly index: number;
  asked: boolean;
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
 */
export function createTokenCache<T extends CachedText>({ maxEntries, maxBytes }: TokenCacheLimits): TokenCache<T> {
  // Two texts of one hash take turns: of 16 000 that happens to two, in one process of thirty.
  const places = new Map<number, Place<T>>();
  const ring: (Place<T> | undefined)[] = [];
  const free: number[] = [];
  let hand = 0;
  let bytes = 0;
  let evicted = 0;

  function drop(place: Place<T>): void {
    places.delete(place.hash);
    ring[place.index] = undefined;
    free.push(place.index);
    bytes -= place.entry.bytes;
  }

  function evictOne(): void {
    for (;;) {
      const place = ring[hand];
      // On, in any case: what takes this place is the newest.
      hand = (hand + 1) % ring.length;
      if (place === undefined) continue;
      if (!place.asked) {
        drop(place);
        evicted += 1;
        return;
      }
      place.asked = false;
    }
  }

  return {
    get(text) {
      const place = places.get(hashOf(text));
      if (place === undefined || place.entry.text !== text) return undefined;
      if (!place.asked) place.asked = true;
      return place.entry;
    },
    add(entry) {
      if (entry.bytes > maxBytes || maxEntries < 1) return;
      const hash = hashOf(entry.text);
      const before = places.get(hash);
      if (before !== undefined) drop(before);
      while (places.size >= maxEntries || bytes + entry.bytes > maxBytes) evictOne();
      const index = free.pop() ?? ring.length;
      const place = { entry, hash, index, asked: false };
      ring[index] = place;
      places.set(hash, place);
      bytes += entry.bytes;
    },
    delete(entry) {
      const place = places.get(hashOf(entry.text));
      if (place?.entry === entry) drop(place);
    },
    size: () => places.size,
    bytes: () => bytes,
    evicted: () => evicted,
  };
}
