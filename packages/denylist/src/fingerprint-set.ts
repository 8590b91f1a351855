/**
 * Fingerprints of 64 bits, each as often as it was added: two keys that share one are two entries, so that removing the
 * one leaves the other. It has no objects that the garbage collector would traverse.
 */
export interface FingerprintSet {
  has(print: Fingerprint): boolean;
  add(print: Fingerprint): void;
  /** Removes one entry of this fingerprint, if there is one. */
  remove(print: Fingerprint): void;
  count(): number;
}

/**
 * The number of shards, each of which grows by itself: at ten million entries the longest pause is that of moving some 40 000. The
 * upper bits of a fingerprint's second half select the shard, the lower bits of its first half the slot.
 */
const SHARDS = 256;
const SHARD_SHIFT = 24;
/** The slots of a shard of size 0; each size has twice as many. */
const MIN_SLOTS_LOG2 = 4;
/** More than memory can hold. */
const SIZES = 24;
/** Open addressing by linear probing: a miss looks at 8.5 slots at this load, at 2.5 when half of them are taken. */
const MAX_LOAD = 0.75;
const MIN_LOAD = 0.125;

/**
 * The shards of one size, one behind the other: a look-up that finds nothing of this in the processor's cache waits for
 * memory once, where it would wait three times if each shard were an object of its own.
 */
interface ShardSet {
  /** One byte of each fingerprint, 0 for an empty slot: a miss looks at one cache line of these, and seldom further. */
  readonly tags: Uint8Array;
  /** The fingerprints, two numbers a slot. */
  readonly prints: Int32Array;
  /** How many shards are of this size. */
  shards: number;
}

const slotsOf = (size: number) => 1 << (MIN_SLOTS_LOG2 + size);

function createShardSet(slots: number): ShardSet {
  const all = SHARDS * slots;
  return { tags: new Uint8Array(all), prints: new Int32Array(all * 2), shards: 0 };
}

const NO_SHARDS = createShardSet(0);

const shardOf = (second: number) => second >>> SHARD_SHIFT;
const tagOf = (second: number) => second & 0xff || 1;

export function createFingerprintSet(): FingerprintSet {
  /** The shards by size; empty for sizes that no shard has. */
  const shardSets = new Array<ShardSet>(SIZES).fill(NO_SHARDS);
  /** The size of each shard. */
  const sizes = new Uint8Array(SHARDS);
  const entries = new Int32Array(SHARDS);
  let count = 0;
  shardSets[0] = createShardSet(slotsOf(0));
  shardSets[0].shards = SHARDS;

  const shardSetOf = (shard: number) => shardSets[sizes[shard] as number] as ShardSet;
  const slotsIn = (shard: number) => slotsOf(sizes[shard] as number);

  function resize(shard: number, size: number): void {
    const slots = slotsIn(shard);
    const old = shardSetOf(shard);
    const first = shard * slots;
    const shardSet = insertShard(shard, size);
    for (let at = first; at < first + slots; at += 1) {
      if (old.tags[at] === 0) continue;
      put(shardSet, shard, slotsOf(size), old.prints[at * 2] as number, old.prints[at * 2 + 1] as number);
    }
    removeShard(old, first, slots);
  }

  function insertShard(shard: number, size: number): ShardSet {
    if (shardSets[size] === NO_SHARDS) shardSets[size] = createShardSet(slotsOf(size));
    const shardSet = shardSets[size] as ShardSet;
    shardSet.shards += 1;
    sizes[shard] = size;
    return shardSet;
  }

  /** A shard may return to this size. The memory is released when no shard has it. */
  function removeShard(shardSet: ShardSet, first: number, slots: number): void {
    shardSet.shards -= 1;
    if (shardSet.shards === 0) shardSets[shardSets.indexOf(shardSet)] = NO_SHARDS;
    else shardSet.tags.fill(0, first, first + slots);
  }

  return {
    has(print) {
      const second = print[1] as number;
      const shard = shardOf(second);
      return find(shardSetOf(shard), shard, slotsIn(shard), print[0] as number, second) >= 0;
    },
    add(print) {
      const first = print[0] as number;
      const second = print[1] as number;
      const shard = shardOf(second);
      const size = sizes[shard] as number;
      const after = (entries[shard] as number) + 1;
      if (after > slotsOf(size) * MAX_LOAD) resize(shard, size + 1);
      put(shardSetOf(shard), shard, slotsIn(shard), first, second);
      entries[shard] = after;
      count++;
    },
    remove(print) {
      const first = print[0] as number;
      const second = print[1] as number;
      const shard = shardOf(second);
      const slots = slotsIn(shard);
      const slot = find(shardSetOf(shard), shard, slots, first, second);
      if (slot < 0) return;
      emptySlot(shardSetOf(shard), shard, slots, slot);
      count--;
      const after = (entries[shard] as number) - 1;
      entries[shard] = after;
      const size = sizes[shard] as number;
      if (size > 0 && after < slots * MIN_LOAD) resize(shard, size - 1);
    },
    count: () => count,
  };
}

/** The slot within the shard, or -1. */
function find({ tags, prints }: ShardSet, shard: number, slots: number, first: number, second: number): number {
  const expectedTag = tagOf(second);
  const mask = slots - 1;
  const base = shard * slots;
  for (let slot = first & mask; ; slot = (slot + 1) & mask) {
    const tag = tags[base + slot];
    if (tag === 0) return -1;
    if (tag !== expectedTag) continue;
    const at = (base + slot) * 2;
    if (prints[at] === first && prints[at + 1] === second) return slot;
  }
}

function put({ tags, prints }: ShardSet, shard: number, slots: number, first: number, second: number): void {
  const mask = slots - 1;
  const base = shard * slots;
  let slot = first & mask;
  while (tags[base + slot] !== 0) slot = (slot + 1) & mask;
  tags[base + slot] = tagOf(second);
  prints[(base + slot) * 2] = first;
  prints[(base + slot) * 2 + 1] = second;
}

/** Empties a slot and moves the entries that were probed past it, so that no probe ends too early and no tombstones accumulate. */
function emptySlot({ tags, prints }: ShardSet, shard: number, slots: number, slot: number): void {
  const mask = slots - 1;
  const base = shard * slots;
  let hole = slot;
  for (let next = (slot + 1) & mask; tags[base + next] !== 0; next = (next + 1) & mask) {
    const home = (prints[(base + next) * 2] as number) & mask;
    if (((next - home) & mask) < ((next - hole) & mask)) continue;
    tags[base + hole] = tags[base + next] as number;
    prints[(base + hole) * 2] = prints[(base + next) * 2] as number;
    prints[(base + hole) * 2 + 1] = prints[(base + next) * 2 + 1] as number;
    hole = next;
  }
  tags[base + hole] = 0;
}

/** The secret of a process under which texts of one kind are hashed, so that a client cannot make two that collide. */
export interface FingerprintKey {
  readonly k0: number;
  readonly k1: number;
}

/** A reused buffer for a fingerprint, so that none is allocated: two integers of 32 bits. */
export type Fingerprint = Int32Array & { readonly length: 2 };

export const createFingerprint = () => new Int32Array(2) as Fingerprint;

/** Distinguishes texts of wide characters from those of narrow ones, which are packed differently. */
const WIDE = 0x57494445;

/**
 * HalfSipHash-1-3 with 64 bits of output: a keyed hash made for tables that strangers fill, in additions, rotations and
 * exclusive-ors of 32 bits, which JavaScript does at the speed of the machine (40 ns for an id of 22 characters).
 * Four characters make a word, or two where one of the text is above U+00FF.
 */
export function fingerprint(text: string, { k0, k1 }: FingerprintKey, into: Fingerprint): void {
  const { length } = text;
  const whole = length & ~3;
  let v0 = k0;
  let v1 = k1;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462 ^ 0xee;
  let seen = 0;
  let at = 0;
  let word = 0;
  for (; at < whole; at += 4) {
    const a = text.charCodeAt(at);
    const b = text.charCodeAt(at + 1);
    const c = text.charCodeAt(at + 2);
    const d = text.charCodeAt(at + 3);
    seen |= a | b | c | d;
    word = a | (b << 8) | (c << 16) | (d << 24);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  word = length << 24;
  for (let shift = 0; at < length; at++, shift += 8) {
    const a = text.charCodeAt(at);
    seen |= a;
    word |= a << shift;
  }
  if (seen > 0xff) wideFingerprint(text, k0, k1, into);
  else finish(v0, v1, v2, v3, word, into);
}

function wideFingerprint(text: string, k0: number, k1: number, into: Fingerprint): void {
  const { length } = text;
  let v0 = k0;
  let v1 = k1 ^ WIDE;
  let v2 = k0 ^ 0x6c796765;
  let v3 = k1 ^ 0x74656462 ^ 0xee;
  for (let at = 0; at < length; at += 2) {
    // Beyond an odd end lies NaN, which `<<` takes for 0; the length at the end tells it from a NUL.
    const word = text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  finish(v0, v1, v2, v3, length, into);
}

/** The last word, then three rounds. Numbers are passed, not kept in an object: this is on the path of each request. */
function finish(a: number, b: number, c: number, d: number, word: number, into: Fingerprint): void {
  let v0 = a;
  let v1 = b;
  let v2 = c;
  let v3 = d ^ word;
  for (let round = 0; round < 4; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 0) {
      v0 ^= word;
      v2 ^= 0xee;
    }
  }
  into[0] = v1 ^ v3;
  into[1] = v0 ^ v2;
}
