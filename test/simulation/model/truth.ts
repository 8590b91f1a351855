import type { CutOff, CutOffRow } from '@rescind/revocation/cut-off';
import { mergeRows } from '@rescind/revocation/cut-off';
import type { CutOffEntry } from '../../support/cut-offs.ts';

/** The epoch that a thief claims: greater than every one that an issuer opens. */
export const FORGED_EPOCH = '9999-';

export const ISSUER = 'https://users.example';
/** Another issuer of tokens, for which the log speaks too. Its clock is right. */
export const OTHER = 'https://other.example';

/** A token of a client. */
export interface Token {
  /** Counted from the first of the run. */
  readonly no: number;
  readonly kid: string;
  readonly payload: Readonly<Record<string, string | number>>;
  readonly iatMs: number;
  readonly expMs: number;
  /** Whether any revocation that was ever committed names it. */
  named: boolean;
  /** Whether the database has forgotten that it was minted: then its `exp` counts for no E. */
  forgotten: boolean;
}

/** A revocation as it was committed. */
export interface Revocation {
  readonly txn: string;
  readonly deny: readonly CutOffEntry[];
  /** Event keys that it denies. */
  readonly kills?: readonly string[];
}

/**
 * One history of the issuer's database. A restore from a backup begins another, from the backup on. `owed` are the
 * tokens that were acknowledged as revoked, each with the number of acknowledgements by then.
 */
export interface Branch {
  acknowledged: number;
  readonly owed: { readonly token: Token; readonly from: number }[];
  readonly revocations: Revocation[];
}

export const newBranch = (): Branch => ({ acknowledged: 0, owed: [], revocations: [] });

export function forkBranch({ acknowledged, owed, revocations }: Branch): Branch {
  return { acknowledged, owed: [...owed], revocations: [...revocations] };
}

export function names(denial: CutOffEntry, token: Token): boolean {
  const held = denial.claim === 'kid' ? token.kid : token.payload[denial.claim];
  if (denial.iss !== token.payload.iss) return false;
  return String(held) === denial.value && token.iatMs <= (denial.issuedUntil ?? Number.POSITIVE_INFINITY);
}

/** The promise of a complete view: a heartbeat whose time was read when this number of revocations had been acknowledged. */
export interface Claim {
  readonly branch: Branch;
  readonly acknowledged: number;
  /** The real time at which it was read, and how far the issuer's clock was ahead of it. */
  readonly readAt: number;
  readonly aheadMs: number;
  /** Whether a thief signed the heartbeat: then it promises nothing. */
  readonly isForged?: boolean;
}

/** The last clock command: the time it set, and the epoch it opened. It lowers every cut-off of a later time to that time. */
export interface ClockSet {
  readonly at: number;
  readonly epoch: string;
}

export type SimRecord =
  | {
      readonly kind: 'event';
      readonly kid: string;
      /** Event keys that it denies. */
      readonly kills: readonly string[];
      readonly epoch: string;
      readonly seq: number;
      readonly id: string;
      readonly prev: string | null;
      readonly at: number;
      readonly txn: string;
      readonly cutOffs: readonly CutOff[];
      /** Of a version that only upgraded followers understand. */
      readonly future: boolean;
    }
  | {
      readonly kind: 'heartbeat';
      readonly kid: string;
      readonly epoch: string;
      readonly head: number;
      readonly headId: string | null;
      readonly lowWatermark: number;
      readonly at: number;
      readonly wall: number;
      readonly timeSince: string | null;
    };

/** Every signed record by its text. Other texts are invalid, so none can be forged. */
export interface Registry {
  sign(record: SimRecord): string;
  find(jws: string): SimRecord | undefined;
}

export function createRegistry(): Registry {
  const signed: SimRecord[] = [];
  return {
    sign(record) {
      signed.push(record);
      return `#${signed.length - 1}`;
    },
    find: (jws) => (jws.startsWith('#') ? signed[Number(jws.slice(1))] : undefined),
  };
}

/** The violation that a simulated run found. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Rows by claim, and by value with its issuer where that is another. */
export type Rows = Map<string, Map<string, CutOffRow>>;

export function putRow(rows: Rows, cutoff: CutOffRow): void {
  const values = rows.get(cutoff.claim) ?? new Map<string, CutOffRow>();
  const key = rowKey(cutoff.iss, cutoff.value);
  const held = values.get(key);
  values.set(key, held === undefined ? cutoff : mergeRows(held, cutoff));
  rows.set(cutoff.claim, values);
}

export const rowKey = (iss: string, value: string) => (iss === ISSUER ? value : `${iss} ${value}`);

export const copyRows = (rows: Rows): Rows => new Map([...rows].map(([claim, values]) => [claim, new Map(values)]));
