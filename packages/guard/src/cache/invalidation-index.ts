import type { CutOffRow } from '@rescind/revocation/cut-off';
import type { JudgedToken } from '@rescind/revocation/judge';
import { comparableValues } from '@rescind/revocation/judge';

/** The slots of a token: one for each of its claims that a cut-off may match. */
export type InvalidationSlots = readonly number[];

/** The number of a change in their sequence. */
export type ChangeNumber = number;

/**
 * Detects whether cut-offs have arrived that may concern a token, without a look-up of rows. Each change writes its number into the slot of
 * its (issuer, claim, value), and the slots of a token are read. Values that share a slot cost an extra check, nothing else.
 */
export interface InvalidationIndex {
  latest(): ChangeNumber;
  /** The caller calls it in the tick that enforces the cut-offs. */
  committed(cutoffs: readonly CutOffRow[]): void;
  /** @param names the claims for which the denylist has rows now */
  slotsOf(token: IndexedToken, names: Iterable<string>): InvalidationSlots;
  /** Calls the listener with each change, after it has been noted, in the tick that enforces it. The listener must not throw. */
  onCommitted(listener: (cutoffs: readonly CutOffRow[]) => void): void;
  /** Whether a change after `since` may concern the token with these slots. */
  isTouched(slots: InvalidationSlots, since: ChangeNumber): boolean;
}

/** A token in the form that `judge` takes. */
export interface IndexedToken extends JudgedToken {
  readonly iss: string;
}

/** 256 kB. At a thousand revocations a second, a token with four claims gets a needless check every eight seconds. */
const SLOTS = 32_768;
/** Slots of claims: for tokens whose value cannot be compared with a cut-off. More claims share these slots. */
const CLAIM_SLOTS = 64;

interface ClaimSlots {
  readonly seed: number;
  /** The slot that every change of this claim writes. */
  readonly claimSlot: number;
}

export function createInvalidationIndex(): InvalidationIndex {
  /** The number of the last change in each slot. Doubles: 32 bits would overflow. */
  const changes = new Float64Array(SLOTS + CLAIM_SLOTS);
  const issuers = new Map<string, Map<string, ClaimSlots>>();
  const listeners: ((cutoffs: readonly CutOffRow[]) => void)[] = [];
  let claimCount = 0;
  let latest: ChangeNumber = 0;
  /** The last change that may concern every token. */
  let latestForAll: ChangeNumber = 0;

  function claimsOf(iss: string): Map<string, ClaimSlots> {
    const known = issuers.get(iss) ?? new Map<string, ClaimSlots>();
    issuers.set(iss, known);
    return known;
  }

  function claimSlotsOf(claims: Map<string, ClaimSlots>, iss: string, claim: string): ClaimSlots {
    const known = claims.get(claim);
    if (known !== undefined) return known;
    const created = { seed: hash(claim, hash(iss, 0)), claimSlot: SLOTS + (claimCount % CLAIM_SLOTS) };
    claimCount += 1;
    claims.set(claim, created);
    // Cached tokens have no slot of a claim that had no cut-off before.
    latest += 1;
    latestForAll = latest;
    return created;
  }

  const note = ({ iss, claim, value }: CutOffRow) => {
    const { seed, claimSlot } = claimSlotsOf(claimsOf(iss), iss, claim);
    latest += 1;
    changes[slotOf(value, seed)] = latest;
    changes[claimSlot] = latest;
  };

  return {
    latest: () => latest,
    committed(cutoffs) {
      for (const cutoff of cutoffs) note(cutoff);
      for (const listener of listeners) listener(cutoffs);
    },
    onCommitted: (listener) => void listeners.push(listener),
    slotsOf({ iss, kid, payload, inexact }, names) {
      const claims = claimsOf(iss);
      for (const name of names) claimSlotsOf(claims, iss, name);
      const slots: number[] = [];
      for (const [claim, { seed, claimSlot }] of claims) {
        const held = claim === 'kid' ? kid : Object.hasOwn(payload, claim) ? payload[claim] : undefined;
        const values = inexact?.includes(claim) ? undefined : comparableValues(held);
        if (values === undefined) slots.push(claimSlot);
        else for (const value of values) slots.push(slotOf(value, seed));
      }
      return slots;
    },
    isTouched(slots, since) {
      if (latest === since) return false;
      if (latestForAll > since) return true;
      for (const slot of slots) if ((changes[slot] as number) > since) return true;
      return false;
    },
  };
}

function slotOf(value: string, seed: number): number {
  const mixed = hash(value, seed);
  return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
}

/** FNV-1a. A forced collision costs one extra check, nothing else. */
function hash(text: string, seed: number): number {
  let mixed = seed ^ 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  return mixed;
}
