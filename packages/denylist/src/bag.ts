import type { Fingerprint } from './fingerprint.ts';

/**
 * Fingerprints of 64 bits, each as often as it was added: two keys that share one are two entries, so that removing the
 * one leaves the other. Nothing in it for the garbage collector to walk.
 */
export interface Bag {
  has(print: Fingerprint): boolean;
  add(print: Fingerprint): void;
  /** Removes one of them, if there is one. */
  remove(print: Fingerprint): void;
  count(): number;
  /** What it takes, in bytes. */
  bytes(): number;
}

/**
 * It grows by shards, each by itself: at ten million entries the longest pause is that of moving some 40 000. Told by the
 * upper bits of a fingerprint's second half; the place in a shard by the lower of its first.
 */
const SHARDS = 256;
const SHARD_SHIFT = 24;
const LEAST_SLOTS = 16;
/** Open addressing by linear probing: a miss looks at 8.5 slots at this load, at 2.5 when half of them are taken. */
const FULLEST = 0.75;
const EMPTIEST = 0.125;

interface Shard {
  /** One byte of each fingerprint, 0 for an empty slot: a miss looks at one cache line of these, and seldom further. */
  readonly tags: Uint8Array;
  /** The fingerprints, two numbers a slot. */
  readonly prints: Int32Array;
  readonly mask: number;
  entries: number;
}

const createShard = (slots: number): Shard => ({
  tags: new Uint8Array(slots),
  prints: new Int32Array(slots * 2),
  mask: slots - 1,
  entries: 0,
});

const shardOf = (second: number) => second >>> SHARD_SHIFT;
const tagOf = (second: number) => second & 0xff || 1;

export function createBag(): Bag {
  const shards = Array.from({ length: SHARDS }, () => createShard(LEAST_SLOTS));
  let count = 0;

  function resized(index: number, slots: number): Shard {
    const old = shards[index] as Shard;
    const shard = createShard(slots);
    for (let slot = 0; slot <= old.mask; slot++) {
      if (old.tags[slot] !== 0) put(shard, old.prints[slot * 2] as number, old.prints[slot * 2 + 1] as number);
    }
    shards[index] = shard;
    return shard;
  }

  return {
    has(print) {
      const first = print[0] as number;
      const second = print[1] as number;
      return find(shards[shardOf(second)] as Shard, first, second) >= 0;
    },
    add(print) {
      const first = print[0] as number;
      const second = print[1] as number;
      const index = shardOf(second);
      let shard = shards[index] as Shard;
      const slots = shard.mask + 1;
      if (shard.entries + 1 > slots * FULLEST) shard = resized(index, slots * 2);
      put(shard, first, second);
      count++;
    },
    remove(print) {
      const first = print[0] as number;
      const second = print[1] as number;
      const index = shardOf(second);
      const shard = shards[index] as Shard;
      const slot = find(shard, first, second);
      if (slot < 0) return;
      vacate(shard, slot);
      count--;
      const slots = shard.mask + 1;
      if (slots > LEAST_SLOTS && shard.entries < slots * EMPTIEST) resized(index, slots / 2);
    },
    count: () => count,
    bytes: () => shards.reduce((sum, { tags, prints }) => sum + tags.byteLength + prints.byteLength, 0),
  };
}

/** The slot, or -1. */
function find({ tags, prints, mask }: Shard, first: number, second: number): number {
  const wanted = tagOf(second);
  for (let slot = first & mask; ; slot = (slot + 1) & mask) {
    const tag = tags[slot];
    if (tag === 0) return -1;
    if (tag === wanted && prints[slot * 2] === first && prints[slot * 2 + 1] === second) return slot;
  }
}

function put(shard: Shard, first: number, second: number): void {
  const { tags, prints, mask } = shard;
  let slot = first & mask;
  while (tags[slot] !== 0) slot = (slot + 1) & mask;
  tags[slot] = tagOf(second);
  prints[slot * 2] = first;
  prints[slot * 2 + 1] = second;
  shard.entries++;
}

/** Empties a slot and moves up what had to go past it, so that no probe ends too early and no tombstones pile up. */
function vacate(shard: Shard, slot: number): void {
  const { tags, prints, mask } = shard;
  let hole = slot;
  for (let next = (slot + 1) & mask; tags[next] !== 0; next = (next + 1) & mask) {
    const home = (prints[next * 2] as number) & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    tags[hole] = tags[next] as number;
    prints[hole * 2] = prints[next * 2] as number;
    prints[hole * 2 + 1] = prints[next * 2 + 1] as number;
    hole = next;
  }
  tags[hole] = 0;
  shard.entries--;
}
