import type { CutOffRow, JudgedToken } from '@rescind/revocation';
import { comparableValues } from '@rescind/revocation';

/** Where something about a token would be noted: of each of its claims that a cut-off may be about. */
export type InvalidationSlots = readonly number[];

/** A moment in the sequence of changes. */
export type ChangeNumber = number;

/**
 * Tells whether cut-offs have come that may concern a token, without asking for any of them: each change leaves its number
 * in the slot of its (issuer, claim, value). A token looks into the slots of its own claims; what shares a slot is asked
 * about in vain, at worst.
 */
export interface InvalidationIndex {
  latest(): ChangeNumber;
  /** To be called in the tick that enforces them. */
  committed(cutoffs: readonly CutOffRow[]): void;
  /** @param names the claims that the denylist has rows about, now */
  tracesOf(token: IndexedToken, names: Iterable<string>): InvalidationSlots;
  /** Whether something has come after `since` that may concern the token of these traces. */
  isTouched(traces: InvalidationSlots, since: ChangeNumber): boolean;
}

/** A token as `judge` is given it. */
export interface IndexedToken extends JudgedToken {
  readonly iss: string;
}

/** 256 kB. With a thousand revocations a second a token of four claims is asked about in vain every eight seconds. */
const SLOTS = 32_768;
/** Slots of whole claims: for tokens whose value no cut-off of that name can be compared with. More claims share them. */
const CLAIM_SLOTS = 64;

interface ClaimPlaces {
  readonly seed: number;
  /** The slot in which each change of this claim leaves its number. */
  readonly claimSlot: number;
}

export function createInvalidationIndex(): InvalidationIndex {
  /** The number of the last change in each slot. Doubles: 32 bits would come round. */
  const slots = new Float64Array(SLOTS + CLAIM_SLOTS);
  const issuers = new Map<string, Map<string, ClaimPlaces>>();
  let claimCount = 0;
  let latest: ChangeNumber = 0;
  /** The last change that any token may be concerned by. */
  let everybody: ChangeNumber = 0;

  function claimsOf(iss: string): Map<string, ClaimPlaces> {
    const known = issuers.get(iss) ?? new Map<string, ClaimPlaces>();
    issuers.set(iss, known);
    return known;
  }

  function placesOf(claims: Map<string, ClaimPlaces>, iss: string, claim: string): ClaimPlaces {
    const known = claims.get(claim);
    if (known !== undefined) return known;
    const places = { seed: hash(claim, hash(iss, 0)), claimSlot: SLOTS + (claimCount % CLAIM_SLOTS) };
    claimCount += 1;
    claims.set(claim, places);
    // Tokens seen before have no trace of a claim that nothing was about.
    latest += 1;
    everybody = latest;
    return places;
  }

  const note = ({ iss, claim, value }: CutOffRow) => {
    const { seed, claimSlot } = placesOf(claimsOf(iss), iss, claim);
    latest += 1;
    slots[slotOf(value, seed)] = latest;
    slots[claimSlot] = latest;
  };

  return {
    latest: () => latest,
    committed(cutoffs) {
      for (const cutoff of cutoffs) note(cutoff);
    },
    tracesOf({ iss, kid, payload, inexact }, names) {
      const claims = claimsOf(iss);
      for (const name of names) placesOf(claims, iss, name);
      const traces: number[] = [];
      for (const [claim, { seed, claimSlot }] of claims) {
        const held = claim === 'kid' ? kid : Object.hasOwn(payload, claim) ? payload[claim] : undefined;
        const values = inexact?.includes(claim) ? undefined : comparableValues(held);
        if (values === undefined) traces.push(claimSlot);
        else for (const value of values) traces.push(slotOf(value, seed));
      }
      return traces;
    },
    isTouched(traces, since) {
      if (latest === since) return false;
      if (everybody > since) return true;
      for (const slot of traces) if ((slots[slot] as number) > since) return true;
      return false;
    },
  };
}

function slotOf(value: string, seed: number): number {
  const mixed = hash(value, seed);
  return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
}

/** FNV-1a. Who makes two values collide gains that he is asked about once more. */
function hash(text: string, seed: number): number {
  let mixed = seed ^ 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) mixed = Math.imul(mixed ^ text.charCodeAt(at), 0x01000193);
  return mixed;
}
